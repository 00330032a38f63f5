/** The demo's scratch: an operations repository with a bare remote, a world folder and a secret, in a temporary folder. */
import { randomBytes } from 'node:crypto';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import type { StoryName, World } from './story.ts';

export type Scratch = {
  /** Holds everything; removed at the end. */
  dir: string;
  /** The operations repository. */
  ops: string;
  worldDir: string;
  secretsFile: string;
};

/** Journal seconds in a wall second: an hour passes in 15 seconds. */
const SPEED = 240;
/** The market began this long ago, so that journal time stays behind the wall clock. */
const PAST_S = 2 * 86_400;

const IGNORED = ['/secrets/', '/data/', '/demo/', '/.mmfleet/', '/dist'];

/** Makes it all and pushes the first commit; `dist` is the built program that the bots are started from. */
export async function makeScratch(source: { fleet: string; dist: string }): Promise<Scratch> {
  const dir = await mkdtemp(join(tmpdir(), 'mmfleet-demo-'));
  const ops = join(dir, 'ops');
  const scratch = { dir, ops, worldDir: join(ops, 'demo'), secretsFile: join(ops, 'secrets', 'demo.env') };
  try {
    await mkdir(scratch.worldDir, { recursive: true });
    await mkdir(join(ops, 'secrets'), { mode: 0o700 });
    await writeFile(scratch.secretsFile, `MM_API_KEY=demo-${randomBytes(16).toString('hex')}\n`, { mode: 0o600 });
    await cp(source.fleet, join(ops, 'fleet'), { recursive: true });
    await nameSecrets(join(ops, 'fleet', 'fleet.yaml'));
    await symlink(source.dist, join(ops, 'dist'));
    await writeFile(join(ops, '.gitignore'), `${IGNORED.join('\n')}\n`);
    await firstCommit(scratch);
  } catch (error) {
    await removeScratch(scratch);
    throw error;
  }
  return scratch;
}

/** Starts the shared clock. */
export async function writeWorld(scratch: Scratch, story: StoryName, nowMs: number): Promise<World> {
  const world: World = {
    startedAtMs: nowMs,
    epochTs: Math.floor(nowMs / 1000) - PAST_S,
    speed: SPEED,
    story,
    seed: 11,
  };
  await writeFile(join(scratch.worldDir, 'world.json'), `${JSON.stringify(world)}\n`);
  return world;
}

/** Removes every file of it. */
export async function removeScratch(scratch: Scratch): Promise<void> {
  await rm(scratch.dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}

async function nameSecrets(fleetFile: string): Promise<void> {
  const text = await readFile(fleetFile, 'utf8');
  const named = text.replace(/^( *)secrets: \[\].*$/m, '$1secrets: [{ envFile: ../secrets/demo.env }]');
  if (named === text) throw new Error('fleet/fleet.yaml has no empty list of secrets to fill in');
  await writeFile(fleetFile, named);
}

async function firstCommit({ dir, ops }: Scratch): Promise<void> {
  const git = (...args: string[]) => execa('git', ['-C', ops, ...args], { stdin: 'ignore' });
  const remote = join(dir, 'remote.git');
  await execa('git', ['init', '-q', '--bare', '-b', 'main', remote], { stdin: 'ignore' });
  await execa('git', ['init', '-q', '-b', 'main', ops], { stdin: 'ignore' });
  await git('config', 'user.name', 'operator');
  await git('config', 'user.email', 'operator@localhost');
  await git('config', 'commit.gpgsign', 'false');
  await git('remote', 'add', 'origin', remote);
  await git('add', '-A');
  await git('commit', '-q', '-m', 'fleet: three instances on the simulated venue');
  await git('push', '-q', '-u', 'origin', 'main');
}
