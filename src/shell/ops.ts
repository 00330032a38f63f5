/** The operations repository and everything outside it, opened once per command. */
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { systemClock } from '../adapters/clock.ts';
import { createCommandRuntime } from '../adapters/command-runtime.ts';
import { openRepo, type Repo } from '../adapters/git.ts';
import { readLog } from '../adapters/git-log.ts';
import { listTree, readBlobs, readWorktree } from '../adapters/git-read.ts';
import { gitText } from '../adapters/git-run.ts';
import { trustPort } from '../adapters/git-trust.ts';
import { createProcessRuntime, type ProcessRuntimePort } from '../adapters/process.ts';
import { readSecretNames, readSecrets } from '../adapters/secrets.ts';
import type { Clock, VenuePort } from '../core/ports.ts';
import { fail, ok, type Result } from '../core/problem.ts';
import type { Instance, SecretSource } from '../core/spec/types.ts';
import type { TrailEntry } from '../core/trail/types.ts';
import { type Desired, type DesiredInstance, FLEET_FOLDER, readDesired, type TreeFile } from './desired.ts';
import { type FleetGit, fleetGit } from './fleet-git.ts';
import { hide } from './hidden.ts';
import { type JournalReader, Journals } from './journals.ts';
import { type LocalState, localState } from './local-state.ts';
import { headTrust, type Trusted } from './trust.ts';
import { openVenue } from './venues.ts';

export type Ops = {
  repo: Repo;
  /** Absolute path of `.mmfleet`. */
  stateDir: string;
  clock: Clock;
  host: string;
  git: FleetGit;
  local: LocalState;
  journals: JournalReader;
  secrets: {
    /** Values by key, read now. */
    read(sources: readonly SecretSource[]): Promise<Result<Record<string, string>>>;
    /** Names of the keys, without running anything. */
    names(sources: readonly SecretSource[]): ReturnType<typeof readSecretNames>;
  };
  /** The venue driver an instance's spec names. `killed`: the last process was killed, its own words are no evidence. */
  venueOf(
    instance: DesiredInstance & { spec: Instance },
    secrets: Record<string, string>,
    killed: () => boolean,
  ): Result<VenuePort>;
  /** The process table's view of a fleet; its name is part of the marker, so that two fleets on one host do not collide. */
  processes(fleetName: string): ProcessRuntimePort;
  /** What starts and stops one instance: the process table, or the operator's own commands. */
  runtimeOf(fleetName: string, spec: Instance): ProcessRuntimePort;
  /** Desired state at a revision; unchanged blobs are not read again. */
  desiredAt(revision: string): Promise<Result<Desired>>;
  /** The newest revision of a head that may be acted on; absent: every one may. */
  trusted?(head: string): Promise<Result<Trusted>>;
  /** The same from the working tree. */
  desiredInWorktree(): Promise<Result<Desired>>;
  /** The trail, newest first; only new commits are read. */
  trail(ourEmail: string): Promise<Result<TrailEntry[]>>;
};

/** Opens `dir`; a Problem when it is not a usable clone. */
export async function openOps(dir: string, options: { host?: string | undefined } = {}): Promise<Result<Ops>> {
  const opened = await openRepo(dir);
  if (!opened.ok) return opened;
  const repo = opened.value;
  const stateDir = join(repo.root, '.mmfleet');
  const journals = new Journals(repo.root, stateDir);
  const blobs = new Map<string, string>();
  let cached: Desired | null = null;
  let trail: { entries: TrailEntry[]; head: string | undefined; email: string } | null = null;

  const fleetId = (fleetName: string) => `${fleetName}@${(repo.rootCommit ?? 'unborn').slice(0, 16)}`;
  const processes = (fleetName: string) =>
    createProcessRuntime({ fleetId: fleetId(fleetName), stateDir, clock: systemClock });

  const desiredAt = async (revision: string): Promise<Result<Desired>> => {
    if (cached?.revision === revision) return ok(cached);
    const tree = await readWanted(repo, revision, blobs);
    if (!tree.ok) return tree;
    cached = readDesired(tree.value, revision);
    return ok(cached);
  };

  return ok({
    repo,
    stateDir,
    clock: systemClock,
    host: options.host ?? hostname(),
    git: fleetGit(repo),
    local: localState({ gitDir: repo.gitDir, stateDir }),
    journals,
    secrets: {
      read: async (sources) => {
        const read = await readSecrets(sources, repo.root);
        if (read.ok) hide(Object.values(read.value));
        return read;
      },
      names: (sources) => {
        for (const source of sources)
          if (source.kind === 'fromEnv') hide(source.names.map((name) => process.env[name] ?? ''));
        return readSecretNames(sources, repo.root, hide);
      },
    },
    venueOf: (instance, secrets, killed) =>
      openVenue({ root: repo.root, clock: systemClock, journals }, instance, secrets, killed),
    processes,
    runtimeOf(fleetName, spec) {
      if (spec.runtime.kind === 'process') return processes(fleetName);
      const cwd = resolve(repo.root, spec.runtime.cwd);
      return createCommandRuntime({
        instance: spec.name,
        market: spec.market,
        runtime: spec.runtime,
        cwd,
        stateDir,
        clock: systemClock,
      });
    },
    desiredAt,
    trusted: headTrust(trustPort(repo), desiredAt),
    async desiredInWorktree() {
      const files = readWorktree(repo, '');
      if (!files.ok) return files;
      const known = await gitText({
        cwd: repo.root,
        args: ['ls-files', '-z', '--cached', '--others', '--exclude-standard'],
      });
      if (!known.ok) return known;
      const listed = new Set(known.value.split('\0'));
      return ok(
        readDesired(
          files.value.filter((f) => listed.has(f.path)).map((f) => ({ ...f, link: f.mode === LINK })),
          null,
        ),
      );
    },
    async trail(email) {
      const since = trail?.email === email ? trail.head : undefined;
      const log = await readLog(repo, { ...(since === undefined ? {} : { since }), under: '', ourEmail: email });
      if (!log.ok) return log;
      const entries = log.value.whole || trail === null ? log.value.entries : [...log.value.entries, ...trail.entries];
      trail = { entries, head: entries[0]?.commit, email };
      return ok(entries);
    },
  });
}

/** A symbolic link's mode, as git writes it. */
const LINK = '120000';
const TEXT_LIMIT_FILES = 200_000;

/** Every file of the fleet folder, and env files elsewhere in the repository, with texts cached by blob id. */
async function readWanted(repo: Repo, revision: string, blobs: Map<string, string>): Promise<Result<TreeFile[]>> {
  const listed = await listTree(repo, revision, '');
  if (!listed.ok) return listed;
  if (listed.value.length > TEXT_LIMIT_FILES) {
    return fail({
      code: 'git-too-many-files',
      message: `${listed.value.length} tracked files, want at most ${TEXT_LIMIT_FILES}`,
      retry: 'stalled',
    });
  }
  const isText = (f: { path: string; mode: string }) =>
    f.mode !== LINK && (f.path.startsWith(`${FLEET_FOLDER}/`) || /(^|\/)\.?env[^/]*$|\.env(\.|$)/.test(f.path));
  const wanted = listed.value.filter(isText);
  const missing = [...new Set(wanted.map((f) => f.blob).filter((b) => !blobs.has(b)))];
  const texts = await readBlobs(repo, missing);
  if (!texts.ok) return texts;
  for (const [blob, text] of texts.value) blobs.set(blob, text);
  const rest = listed.value
    .filter((f) => !isText(f))
    .map((f) => ({ path: f.path, blob: f.blob, text: '', link: f.mode === LINK }));
  return ok([...wanted.map((f) => ({ path: f.path, blob: f.blob, text: blobs.get(f.blob) ?? '' })), ...rest]);
}
