/** Wishes that arrive while a restart waits for its bot to end: what was asked meanwhile is asked before it starts again. */
import type { Ops } from './ops.ts';
import type { Look } from './pass.ts';

/** Why the newest commits do not want an instance running any more; null: they do, or nobody can be asked. */
export async function withdrawn(ops: Ops, look: Look, name: string): Promise<string | null> {
  const { remote, branch, author, signing } = look.fleet.git;
  // A sync that fails leaves the head as it is; a commit made in this clone is seen all the same.
  if (look.remote === 'ok') await ops.git.sync({ remote, branch, ourEmail: author.email, signing });
  const head = await ops.git.head();
  if (!head.ok || head.value === null) return null;
  const trusted = await ops.trusted?.(head.value);
  if (trusted?.ok === false) return null;
  const revision = trusted?.value.revision ?? head.value;
  if (revision === look.desired.revision) return null;
  const desired = await ops.desiredAt(revision);
  if (!desired.ok) return null;
  const at = `since ${revision.slice(0, 12)}`;
  const instance = desired.value.instances.find((i) => i.name === name);
  if (instance === undefined) return `nothing declares it ${at}`;
  if (instance.spec === null) return `its spec is invalid ${at}`;
  if (instance.spec.state !== 'Running') return `state is ${instance.spec.state} ${at}`;
  if (desired.value.holds.some((h) => h.instance === name && h.kind === 'hold')) return `it is held ${at}`;
  return instance.spec.suspend === null ? null : `it is suspended ${at}`;
}

/** One call after the other: a clone has one branch to move. */
export function inTurn<A, R>(ask: (arg: A) => Promise<R>): (arg: A) => Promise<R> {
  let before: Promise<unknown> = Promise.resolve();
  return (arg) => {
    const mine = before.then(() => ask(arg));
    before = mine.catch(() => undefined);
    return mine;
  };
}
