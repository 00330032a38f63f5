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
