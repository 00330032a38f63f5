/** One bounded run of an operator's own command: argument array, no shell, its own process group. */
export type CommandRun = { ok: true; stdout: string } | { ok: false; reason: string };

/** More than this much output is not an answer. */
const MAX_OUTPUT = 1_048_576;
/** How long the pipes of a killed command may stay open. */
const DRAIN_MS = 2_000;

/** Runs it to its end or its time-out (ms), then kills its whole group. The reason never holds its output. */
export async function runCommand(
  command: readonly string[],
  options: {
    cwd: string;
    env: Record<string, string>;
    timeoutMs: number;
    /** What the command started lives on after its success. */
    leaveGroup?: boolean;
  },
): Promise<CommandRun> {
  // Loaded for a command only: it takes longer to load than most of what mmfleet does.
  const { execa } = await import('execa');
  let late = false;
  let succeeded = false;
  const child = execa(command[0] ?? '', command.slice(1), {
    cwd: options.cwd,
    env: options.env,
    extendEnv: false,
    stdin: 'ignore',
    // What is left running would hold a pipe open; its words are not an answer either.
    stdout: options.leaveGroup === true ? 'ignore' : 'pipe',
    stderr: 'ignore',
    reject: false,
    detached: true,
    cleanup: false,
    maxBuffer: MAX_OUTPUT,
    stripFinalNewline: false,
  });
  const killGroup = () => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // The group is empty: nothing is left to end.
    }
  };
  let giveUp: (() => void) | undefined;
  const drained = new Promise<null>((resolve) => {
    giveUp = () => resolve(null);
  });
  let drain: NodeJS.Timeout | undefined;
  const timer = setTimeout(() => {
    late = true;
    killGroup();
    drain = setTimeout(() => giveUp?.(), DRAIN_MS);
  }, options.timeoutMs);
  try {
    const result = await Promise.race([child, drained]);
    if (late || result === null) return { ok: false, reason: `no answer within ${options.timeoutMs / 1000}s` };
    if (result.isMaxBuffer) return { ok: false, reason: 'more output than an answer can have' };
    if (result.exitCode === undefined) {
      return {
        ok: false,
        reason:
          result.signal === undefined ? `${command[0]} did not start (is it installed?)` : `ended by ${result.signal}`,
      };
    }
    if (result.exitCode !== 0) return { ok: false, reason: `exit code ${result.exitCode}` };
    succeeded = true;
    return { ok: true, stdout: result.stdout ?? '' };
  } finally {
    clearTimeout(timer);
    clearTimeout(drain);
    if (!(succeeded && options.leaveGroup === true)) killGroup();
  }
}

/** Fills `{name}` in every argument; a name that is not given stays as it is. Values are never split. */
export function fillArguments(command: readonly string[], values: Readonly<Record<string, string>>): string[] {
  return command.map((part) => part.replace(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole));
}

/** Exactly one JSON object and nothing else; null otherwise. */
export function oneObject(text: string): Record<string, unknown> | null {
  try {
    const value = JSON.parse(text) as unknown;
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}
