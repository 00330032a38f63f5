/**
 * One git process, spawned directly: execa costs three times as much a run, and simple-git waits a fixed 50 ms after every
 * silent command. Whatever still runs is told to end when we do.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { StringDecoder } from 'node:string_decoder';
import { fail, ok, type Problem, type Result } from '../core/problem.ts';

export type GitRun = {
  cwd: string;
  args: string[];
  input?: string | Buffer;
  env?: Record<string, string>;
  timeoutMs?: number;
  /** Fed with stdout as it comes; nothing is kept then. */
  onOutput?: (chunk: string) => void;
  /** Only how it ends is asked for: a pipe for its stdout costs us as much again as starting it. */
  silent?: true;
};

/** How it ended. `code` null: it did not start, was killed or ran into its time-out. */
export type GitEnd = { code: number | null; stdout: Buffer; timedOut: boolean };

const LOCAL_TIMEOUT_MS = 60_000;
const OUTPUT_LIMIT_BYTES = 512 * 1024 * 1024;

/** Hooks, signing, optional locks and colours of whoever's machine this is must not change what we do. */
const ALWAYS = ['-c', 'core.hooksPath=/dev/null', '-c', 'commit.gpgSign=false', '-c', 'core.quotePath=false'];
const QUIET = ['-c', 'gc.auto=0', '-c', 'maintenance.auto=false', '-c', 'advice.detachedHead=false'];

/** Never throws; the outcome is data. */
export function runGit(run: GitRun): Promise<GitEnd> {
  return new Promise((resolve) => {
    const child = spawn('git', [...ALWAYS, ...QUIET, ...run.args], {
      cwd: run.cwd,
      env: gitEnvironment(run.env ?? {}),
      stdio: [run.input === undefined ? 'ignore' : 'pipe', run.silent === true ? 'ignore' : 'pipe', 'ignore'],
      windowsHide: true,
    });
    const output = new Output(run.onOutput, () => child.kill('SIGKILL'));
    let timedOut = false;
    const deadline = setTimeout(() => {
      timedOut = true;
      endGently(child);
    }, run.timeoutMs ?? LOCAL_TIMEOUT_MS);
    endWithUs(child);
    const end = (code: number | null) => {
      clearTimeout(deadline);
      LIVE.delete(child);
      resolve({ code: output.overflowed || timedOut ? null : code, stdout: output.end(), timedOut });
    };
    child.stdout?.on('data', (chunk: Buffer) => output.push(chunk));
    // A git that ends before it has read all of its input is told by its exit code.
    child.stdin?.on('error', () => undefined);
    child.on('error', () => end(null));
    child.on('close', end);
    if (run.input !== undefined) child.stdin?.end(run.input);
  });
}

/** What came on stdout: handed on as text, or kept up to the limit. */
class Output {
  overflowed = false;
  readonly #onOutput: ((chunk: string) => void) | undefined;
  readonly #onOverflow: () => void;
  readonly #decoder = new StringDecoder('utf8');
  readonly #chunks: Buffer[] = [];
  #bytes = 0;

  constructor(onOutput: ((chunk: string) => void) | undefined, onOverflow: () => void) {
    this.#onOutput = onOutput;
    this.#onOverflow = onOverflow;
  }

  push(chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#onOutput !== undefined) {
      this.#chunks.push(chunk);
      if (this.#bytes >= TEXT_BYTES) this.#handOn();
    } else if (this.#bytes <= OUTPUT_LIMIT_BYTES) this.#chunks.push(chunk);
    else if (!this.overflowed) {
      this.overflowed = true;
      this.#onOverflow();
    }
  }

  #handOn(): void {
    this.#onOutput?.(this.#decoder.write(Buffer.concat(this.#chunks)));
    this.#chunks.length = 0;
    this.#bytes = 0;
  }

  end(): Buffer {
    if (this.#onOutput !== undefined) {
      this.#handOn();
      const rest = this.#decoder.end();
      if (rest !== '') this.#onOutput(rest);
    }
    return this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
  }
}

/** Handed on in texts of this length: parts cut out of them keep them, and what is longer than a page of V8's heap is not copied when it is collected. */
const TEXT_BYTES = 512 * 1024;

const FORCE_KILL_AFTER_MS = 2_000;

function endGently(child: ChildProcess): void {
  child.kill('SIGTERM');
  setTimeout(() => child.kill('SIGKILL'), FORCE_KILL_AFTER_MS).unref();
}

/** Told to end when this process does: one that waits for a remote must not outlive us. */
const LIVE = new Set<ChildProcess>();

function endWithUs(child: ChildProcess): void {
  if (LIVE.size === 0 && process.listeners('exit').every((each) => each !== endAll)) process.on('exit', endAll);
  LIVE.add(child);
}

function endAll(): void {
  for (const child of LIVE) child.kill('SIGTERM');
}

/** Stdout text of a command that must exit 0; otherwise `git-failed`, naming the command but none of git's own text. */
export async function gitText(run: GitRun): Promise<Result<string>> {
  const end = await runGit(run);
  return end.code === 0 ? ok(end.stdout.toString('utf8')) : fail(gitFailed(run, end));
}

/** The problem for a git command that did not exit 0. */
export function gitFailed(run: Pick<GitRun, 'args'>, end: GitEnd): Problem {
  const how = end.timedOut ? 'ran into its time-out' : end.code === null ? 'did not run' : `exited with ${end.code}`;
  return {
    code: 'git-failed',
    message: `git ${verbOf(run.args)}: ${how}, want 0`,
    hint: 'run git status and git fsck in the operations repository',
    retry: 'backoff',
  };
}

const verbOf = (args: readonly string[]): string =>
  args.find((arg, i) => !arg.startsWith('-') && args[i - 1] !== '-c') ?? '';

/** Variables that would point git at another repository, e.g. when a hook started us. */
const FOREIGN =
  /^GIT_(DIR|WORK_TREE|INDEX_FILE|OBJECT_DIRECTORY|ALTERNATE_OBJECT_DIRECTORIES|COMMON_DIR|PREFIX|NAMESPACE|QUARANTINE_PATH|REPLACE_REF_BASE|GRAFT_FILE|SHALLOW_FILE|(AUTHOR|COMMITTER)_.*|INTERNAL_.*|TRACE.*|EXTERNAL_DIFF|LITERAL_PATHSPECS|(NO)?GLOB_PATHSPECS|ICASE_PATHSPECS|REFLOG_ACTION|PAGER|EDITOR|SEQUENCE_EDITOR)$/;

/** Our own environment for git: no prompts, literal paths, plain messages. */
export function gitEnvironment(extra: Record<string, string>): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && !FOREIGN.test(name)) env[name] = value;
  }
  return {
    ...env,
    LC_ALL: 'C',
    GIT_TERMINAL_PROMPT: '0',
    GIT_ASKPASS: env['GIT_ASKPASS'] ?? '',
    SSH_ASKPASS_REQUIRE: 'never',
    GCM_INTERACTIVE: 'never',
    GIT_LITERAL_PATHSPECS: '1',
    GIT_OPTIONAL_LOCKS: '0',
    GIT_EDITOR: 'true',
    ...extra,
  };
}
