import type { Io } from '../io.ts';

/** What commander hands to a command, with where to write. Fields of other commands are absent. */
export type CommonOptions = {
  io: Io;
  C: string;
  json?: boolean;
  chat?: boolean;
  reason?: string;
  until?: string;
  timeout?: string;
  from?: string[];
  detailedExitcode?: boolean;
  worktree?: boolean;
  watch?: boolean;
  follow?: boolean;
  lines?: string;
  lastFills?: string;
  assumedFeeBps?: string;
  tail?: boolean;
  keep?: boolean;
  scenario?: string;
  host?: string;
  state?: string;
  health?: string;
  sort?: string;
  columns?: string;
  skipSecrets?: boolean;
};

export type WatchOptions = CommonOptions & {
  once?: boolean;
  dryRun?: boolean;
  push: boolean;
  tune: boolean;
  allowHeld?: boolean;
};
