/** Wishes that arrive while a restart waits for its bot to end, or a start for its turn: they are asked about before it starts. */
import type { Desired } from './desired.ts';
import type { Ops } from './ops.ts';
import type { Look } from './pass.ts';

/**
 * Why the newest commits do not want an instance running any more; null: they do, or nobody can be asked. Each answer is
 * of a look begun after its question, or at most `agoMs` before it, that of the pass included; questions that come while one
 * is under way share the next one.
 */
export function withdrawals(ops: Ops, look: Look): (name: string, agoMs: number) => Promise<string | null> {
  let last: { atMs: number; desired: Desired | null } = { atMs: look.observed.atMs, desired: null };
  const newest = shared(async () => {
    const atMs = ops.clock.nowMs();
    last = { atMs, desired: await newerDesired(ops, look) };
    return last.desired;
  });
  return async (name, agoMs) => {
    const sinceMs = ops.clock.nowMs() - last.atMs;
    const desired = sinceMs >= 0 && sinceMs < agoMs ? last.desired : await newest();
    return desired === null ? null : whyNot(desired, name, ops.host);
  };
}

/** Runs one at a time: who asks while one runs waits for the next, with everybody else who asked meanwhile. */
export function shared<R>(ask: () => Promise<R>): () => Promise<R> {
  let before: Promise<unknown> = Promise.resolve();
  let next: Promise<R> | null = null;
  return () => {
    if (next !== null) return next;
    const mine = before.then(() => {
      next = null;
      return ask();
    });
    next = mine;
    before = mine.catch(() => undefined);
    return mine;
  };
}

/** Desired state where it is another revision than the pass began with; null: it is not, or it cannot be read. */
async function newerDesired(ops: Ops, look: Look): Promise<Desired | null> {
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
  return desired.ok ? desired.value : null;
}

function whyNot(desired: Desired, name: string, here: string): string | null {
  const at = `since ${(desired.revision ?? '').slice(0, 12)}`;
  const instance = desired.instances.find((i) => i.name === name);
  if (instance === undefined) return `nothing declares it ${at}`;
  if (instance.spec === null) return `its spec is invalid ${at}`;
  if (instance.spec.host !== null && instance.spec.host !== here) return `it runs on ${instance.spec.host} ${at}`;
  if (instance.spec.state !== 'Running') return `state is ${instance.spec.state} ${at}`;
  if (desired.holds.some((h) => h.instance === name && h.kind === 'hold')) return `it is held ${at}`;
  return instance.spec.suspend === null ? null : `it is suspended ${at}`;
}
