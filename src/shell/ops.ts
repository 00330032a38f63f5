/** The operations repository and everything outside it, opened once per command. */
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { systemClock } from '../adapters/clock.ts';
import { createCommandRuntime } from '../adapters/command-runtime.ts';
import { openRepo, type Refs, type Repo } from '../adapters/git.ts';
import { trustPort } from '../adapters/git-trust.ts';
import { createProcessRuntime, type ProcessRuntimePort } from '../adapters/process.ts';
import { readSecretNames, readSecrets } from '../adapters/secrets.ts';
import type { Clock, VenuePort } from '../core/ports.ts';
import { ok, type Result } from '../core/problem.ts';
import type { Instance, SecretSource } from '../core/spec/types.ts';
import type { TrailEntry } from '../core/trail/types.ts';
import { BUILD } from './build-id.ts';
import type { Desired, DesiredInstance } from './desired.ts';
import { type FleetGit, fleetGit } from './fleet-git.ts';
import { glanceFile } from './glances.ts';
import { hide } from './hidden.ts';
import { type JournalReader, Journals } from './journals.ts';
import { type LocalState, localState } from './local-state.ts';
import { type Memories, openMemories } from './memories.ts';
import { quietJournals } from './quiet-journals.ts';
import type { ReadDesired } from './read-desired.ts';
import { trailReader } from './trail.ts';
import { openTrees } from './trees.ts';
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
  /** The venue driver an instance's spec names. `killed`: the last process was killed or said nothing, its own words are no evidence. */
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
  trusted?(head: string, refs?: Refs): Promise<Result<Trusted>>;
  /** The same from the working tree. */
  desiredInWorktree(): Promise<Result<ReadDesired>>;
  /** Keeps a desired state for the next command, which then reads only what has changed. */
  keepDesired?(desired: Desired): void;
  /**
   * The trail, newest first; only new commits are read. `head`: the commit it is known to begin at; absent: HEAD is asked.
   * `fleetFile`: where the author's e-mail is declared; absent: no other one was ours before.
   */
  trail(ourEmail: string, head?: string, fleetFile?: string): Promise<Result<TrailEntry[]>>;
  /** What the commits of an instance make of its memory, kept between commands; absent: they are read each time. */
  memories?: Memories;
};

export type OpenOptions = {
  host?: string | undefined;
  /** Nothing will be acted on: texts of the tree are read where they are asked for. */
  looksOnly?: boolean;
  /** No source is asked for the names of its keys. */
  skipSecrets?: boolean | undefined;
};

/** Opens `dir`; a Problem when it is not a usable clone. */
export async function openOps(dir: string, options: OpenOptions = {}): Promise<Result<Ops>> {
  const opened = await openRepo(dir);
  if (!opened.ok) return opened;
  const repo = opened.value;
  const stateDir = join(repo.root, '.mmfleet');
  const journals = quietJournals(repo.root, new Journals(repo.root, stateDir), glanceFile(stateDir, BUILD));
  const trees = openTrees(repo, stateDir, { whole: options.looksOnly !== true });

  const fleetId = (fleetName: string) => `${fleetName}@${(repo.rootCommit ?? 'unborn').slice(0, 16)}`;
  const runtimes = new Map<string, ProcessRuntimePort>();
  const processes = (fleetName: string) => {
    const { ownDir } = repo;
    const runtime =
      runtimes.get(fleetName) ??
      createProcessRuntime({ fleetId: fleetId(fleetName), stateDir, ownDir, clock: systemClock });
    runtimes.set(fleetName, runtime);
    return runtime;
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
        if (options.skipSecrets === true) return { ok: true, names: [] };
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
    desiredAt: trees.at,
    trusted: headTrust(trustPort(repo), trees.at),
    desiredInWorktree: trees.inWorktree,
    keepDesired: trees.keep,
    trail: trailReader(repo, stateDir),
    memories: openMemories(stateDir, BUILD),
  });
}
