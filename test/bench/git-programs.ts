/** What the git goals run as processes of their own: commits in pairs, reads of the trail, and a running process that looks again. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openRepo, type Repo, type Tip, tipOf } from '../../src/adapters/git.ts';
import { readLog } from '../../src/adapters/git-log.ts';
import { type PublishPlan, publish } from '../../src/adapters/git-publish.ts';
import { iterFileName } from '../../src/core/env/iter.ts';
import { fleetGit } from '../../src/shell/fleet-git.ts';
import { historyBooks } from '../../src/shell/history-book.ts';
import { openOps } from '../../src/shell/ops.ts';
import { BENCH_EMAIL, BENCH_INSTANCES, basePathOf, iterMessage, iterText } from './git-repository.ts';

/** Seconds; `cpu`: of this process and of the children that have ended. */
export type Spent = { wall: number; cpu: number };

const US = { name: 'mmfleet', email: BENCH_EMAIL };

/** One commit, ten commits in one pass, and the plain way, in turns; on a repository with any number of iterations. */
export async function commitPairs(dir: string, pairs: number) {
  const repo = await opened(dir);
  let next = 5_000;
  /** As a pass knows it: from the look before. */
  let tip: Tip | null = null;
  const plans = (count: number) => BENCH_INSTANCES.slice(0, count).map((name) => planOf(name, next++));
  const ours = async (count: number) => {
    const wanted = plans(count);
    const at = await tipOf(repo);
    if (at.ok) tip = at.value;
    return spent(async () => {
      const made = await publishLocally(repo, wanted, tip);
      if (made !== count) throw new Error(`${made} commits, want ${count}`);
    });
  };
  const theirs = () => {
    const plan = planOf(BENCH_INSTANCES[3]!, next++);
    return spent(async () => {
      const { path, text } = plan.files[0]!;
      writeFileSync(join(dir, path), text ?? '');
      plainGit(dir, ['add', '--', path]);
      plainGit(dir, ['commit', '--quiet', '--file=-'], plan.message);
    });
  };
  await ours(1);
  await theirs();
  const samples: { one: Spent; ten: Spent; plain: Spent }[] = [];
  for (let n = 0; n < pairs; n += 1) {
    const first = n % 2 === 0 ? await ours(1) : null;
    const plain = await theirs();
    samples.push({ one: first ?? (await ours(1)), ten: await ours(10), plain });
  }
  if (plainGit(dir, ['status', '--porcelain']) !== '') throw new Error('the commits left a changed tree');
  return samples;
}

/** Many passes of one commit each, with the upkeep that the daemon does beside them; what they leave behind. */
export async function passesInTurn(dir: string, count: number) {
  const repo = await opened(dir);
  const git = fleetGit(repo);
  const never = new AbortController().signal;
  const costs: Spent[] = [];
  const upkeep: Spent[] = [];
  for (let n = 0; n < count; n += 1) {
    const tip = await tipOf(repo);
    const plan = planOf(BENCH_INSTANCES[n % BENCH_INSTANCES.length]!, 30_000 + n);
    costs.push(await spent(() => publishLocally(repo, [plan], tip.ok ? tip.value : null)));
    upkeep.push(
      await spent(async () => {
        const trouble = await git.maintain?.(never);
        if (trouble !== null) throw new Error(trouble);
      }),
    );
  }
  const counted = plainGit(dir, ['count-objects', '-v']);
  const of = (name: string) => Number(new RegExp(`^${name}: (\\d+)$`, 'm').exec(counted)?.[1]);
  return { costs, upkeep, packs: of('packs'), loose: of('count') };
}

/** The whole trail out of git, without a cache, in a running process; against what git alone takes for the messages. */
export async function wholeTrail(dir: string, count: number, pairs: number) {
  const repo = await opened(dir);
  const rows: { ours: Spent; bodies: Spent; files: Spent }[] = [];
  for (let n = 0; n < pairs; n += 1) {
    const ours = await spent(async () => {
      const log = await readLog(repo, { under: '', ourEmail: BENCH_EMAIL });
      if (!log.ok || log.value.entries.filter((e) => e.kind === 'tune').length < count)
        throw new Error('not all of it');
    });
    const bodies = await spent(async () => void plainGit(dir, ['log', '--format=%B']));
    const files = await spent(async () => void plainGit(dir, ['log', '--format=%B', '--name-status']));
    rows.push({ ours, bodies, files });
  }
  return rows;
}

/** In a running process: ten new commits since a cursor, nothing new, one instance's history after those ten; against two plain commands. */
export async function running(dir: string, pairs: number) {
  const opened = await openOps(dir);
  if (!opened.ok) throw new Error(opened.problem.message);
  const ops = opened.value;
  const name = BENCH_INSTANCES[3]!;
  const path = basePathOf(name);
  const books = historyBooks(ops.repo, ops.stateDir, 'bench');
  const head = async () => {
    const refs = await ops.git.refs();
    if (!refs.ok) throw new Error(refs.problem.message);
    return refs.value.head;
  };
  const trail = async (head?: string) => {
    const read = await ops.trail(BENCH_EMAIL, head);
    if (!read.ok) throw new Error(read.problem.message);
    return read.value;
  };
  /** As a look does it: one process tells the head, and the trail is asked for what is new below it. */
  const lookAgain = async () => trail(await head());
  const known = (await trail()).length;
  const desired = await ops.desiredAt(await head());
  const instance = desired.ok ? desired.value.instances.find((i) => i.name === name) : undefined;
  if (!desired.ok || instance === undefined) throw new Error('no instance');
  books.make(desired.value, await trail(), instance);
  let iterations = (await books.at(name, await head()))?.rows.length ?? 0;
  const rows: Record<'same' | 'newer' | 'head' | 'later' | 'history' | 'path', Spent>[] = [];
  let next = 20_000;
  for (let n = 0; n < pairs; n += 1) {
    const plans = BENCH_INSTANCES.slice(0, 10).map((each) => planOf(each, next++));
    await publishLocally(ops.repo, plans);
    const at = plainGit(dir, ['rev-parse', 'HEAD']).trim();
    const newer = await spent(() => trail(at));
    const same = await spent(lookAgain);
    iterations += 1;
    const lookUp = async () => {
      const book = await books.at(name, await head());
      if (book?.rows.length !== iterations) throw new Error('not the whole history');
    };
    const later = await spent(lookUp);
    const history = await spent(lookUp);
    const plain = await spent(async () => void plainGit(dir, ['rev-parse', 'HEAD']));
    const byPath = await spent(async () => void plainGit(dir, ['log', '--format=%H', '--', `${path}.iter001`]));
    rows.push({ same, newer, head: plain, later, history, path: byPath });
  }
  if ((await trail()).length !== known + 10 * pairs) throw new Error('the cursor lost commits');
  return rows;
}

function planOf(name: string, iter: number): PublishPlan & { files: { path: string; text: string | null }[] } {
  const at = 1_790_000_000 + iter;
  const files = [{ path: iterFileName(basePathOf(name), iter), text: iterText(name, iter) }];
  return { files, message: iterMessage(name, iter, at), at };
}

/** The product's own way from plans to commits, without a remote. */
async function publishLocally(repo: Repo, plans: PublishPlan[], tip: Tip | null = null): Promise<number> {
  const made = await publish(repo, {
    ...(tip === null ? {} : { tip }),
    remote: 'origin',
    branch: 'main',
    push: false,
    author: US,
    committer: US,
    secrets: [],
    clock: { nowMs: Date.now, sleep: async () => undefined },
    build: async () => ({ ok: true, value: plans }),
  });
  if (!made.ok) throw new Error(made.problem.message);
  return made.value.length;
}

async function opened(dir: string): Promise<Repo> {
  const repo = await openRepo(dir);
  if (!repo.ok) throw new Error(repo.problem.message);
  return repo.value;
}

function plainGit(cwd: string, args: string[], input?: string): string {
  const done = spawnSync('git', args, {
    cwd,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    ...(input === undefined ? {} : { input }),
  });
  if (done.status !== 0) throw new Error(`git ${args.join(' ')}: ${done.stderr}`);
  return done.stdout;
}

async function spent(work: () => Promise<unknown>): Promise<Spent> {
  const [wall, cpu] = [performance.now(), cpuSeconds()];
  await work();
  return { wall: (performance.now() - wall) / 1000, cpu: cpuSeconds() - cpu };
}

/** Own time to the microsecond; that of ended children to the tick of the kernel's report, which sums of many even out. */
function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  const stat = readFileSync('/proc/self/stat', 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (user + system) / 1e6 + (Number(fields[13]) + Number(fields[14])) / 100;
}
