/** What the whole history of an operations repository says, and where it breaks the rules it was made under. */
import type { TrailEntry, TrailKind, VerdictLine } from '../trail/types.ts';

/** What a commit did to one path, against its first parent. `blob` null: deleted, or no plain file any more. */
export type AuditFile = { status: 'A' | 'M' | 'D'; path: string; blob: string | null };

/** One commit with the blob ids of what it changed; `ours` is decided later, by the fleet's author at that commit. */
export type AuditCommit = Omit<TrailEntry, 'files' | 'ours'> & { files: AuditFile[] };

/** One rule each; stable words, also in JSON. */
export type AuditRule =
  | 'form'
  | 'trailers'
  | 'files'
  | 'instance'
  | 'spec-blob'
  | 'parent'
  | 'number'
  | 'changed'
  | 'header'
  | 'change-lines'
  | 'keys'
  | 'forbidden'
  | 'secret'
  | 'bounds'
  | 'type'
  | 'theme'
  | 'ordering'
  | 'digest'
  | 'base'
  | 'receipt'
  | 'verdict'
  | 'signature';

/** A rule that one commit breaks. Texts hold no value of a secret key. */
export type Violation = {
  commit: string;
  /** Its subject, one line. */
  subject: string;
  /** null: no instance can be named. */
  instance: string | null;
  rule: AuditRule;
  file: string | null;
  found: string;
  wanted: string;
};

/** What a rule of one file or commit found, before the commit is named. */
export type Finding = Pick<Violation, 'rule' | 'found' | 'wanted'>;

/** One iter file that was ever committed, in the order of the commits. */
export type AuditedIter = {
  instance: string | null;
  iter: number;
  path: string;
  commit: string;
  /** `hand`: another author than the fleet's; only bounds and secrets are checked. */
  by: 'mmfleet' | 'hand';
  kind: TrailKind | null;
  /** Whether it is in the newest tree. */
  present: boolean;
  /** From the verdict commits; null: none was made. */
  verdict: (Omit<VerdictLine, 'iter'> & { commit: string }) | null;
};

export type AuditReport = {
  /** Of the newest tree; null when its fleet file cannot be read. */
  fleet: string | null;
  commits: number;
  /** Names that the newest tree declares or a commit is about, in order. */
  instances: string[];
  iters: AuditedIter[];
  violations: Violation[];
  /** Commits of ours made while `git.signing` was set, oldest first; empty: not configured. */
  toVerify: { commit: string; subject: string; instance: string | null }[];
};
