import type { Problem } from '../core/problem.ts';

/** Exit codes: each means one thing, in every command. */
export const EXIT = {
  ok: 0,
  internal: 1,
  differences: 2,
  usage: 3,
  failed: 4,
  held: 5,
  moved: 6,
  secretGate: 7,
  verification: 8,
  deadline: 124,
  interrupted: 130,
  terminated: 143,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

const ORDER: ExitCode[] = [8, 7, 6, 4, 5, 2];

/** When several apply, the gravest by the promised order wins. */
export function combineExit(codes: ExitCode[]): ExitCode {
  return ORDER.find((code) => codes.includes(code)) ?? EXIT.ok;
}

/** What a Problem that ended a pass means to a script. */
export function exitOfProblem(problem: Problem): ExitCode {
  if (problem.code === 'secret-gate') return EXIT.secretGate;
  if (problem.code === 'git-unverified') return EXIT.verification;
  if (MOVED.includes(problem.code)) return EXIT.moved;
  if (problem.code === 'git-remote-away') return EXIT.failed;
  return problem.code.startsWith('git-') || problem.code.startsWith('fleet-') || problem.code.startsWith('spec-')
    ? EXIT.usage
    : EXIT.failed;
}

/** Of a command that only looks: whether what it shows is all that there is to see. */
export function exitOfLook({ stalled }: { stalled: Problem | null }): ExitCode {
  return stalled === null ? EXIT.ok : exitOfProblem(stalled);
}

/** Somebody else was faster, or something is in the way: safe to run again once that is over. */
const MOVED = [
  'lock-held',
  'git-diverged',
  'git-push-lost',
  'git-in-progress',
  'git-moved',
  'git-index-locked',
  'git-dirty-path',
  'git-push-refused',
];
