/**
 * One git process. Spawned directly: simple-git waits a fixed 50 ms after every silent command and drops the
 * environment that keeps git and ssh from prompting; it serves where a repository is opened, off the hot path.
 */
import { once } from 'node:events';
import { execa } from 'execa';
import { fail, ok, type Problem, type Result } from '../core/problem.ts';

export type GitRun = {
  cwd: string;
  args: string[];
  input?: string | Buffer;
  env?: Record<string, string>;
  timeoutMs?: number;
  /** Fed with stdout as it comes; nothing is kept then. */
  onOutput?: (chunk: string) => void;
};

/** How it ended. `code` null: it did not start, was killed or ran into its time-out. */
export type GitEnd = { code: number | null; stdout: Buffer; timedOut: boolean };

const LOCAL_TIMEOUT_MS = 60_000;
const OUTPUT_LIMIT_BYTES = 512 * 1024 * 1024;

/** Hooks, signing, optional locks and colours of whoever's machine this is must not change what we do. */
const ALWAYS = ['-c', 'core.hooksPath=/dev/null', '-c', 'commit.gpgSign=false', '-c', 'core.quotePath=false'];
const QUIET = ['-c', 'gc.auto=0', '-c', 'maintenance.auto=false', '-c', 'advice.detachedHead=false'];

/** Never throws; the outcome is data. */
export async function runGit(run: GitRun): Promise<GitEnd> {
  const streaming = run.onOutput !== undefined;
  const child = execa('git', [...ALWAYS, ...QUIET, ...run.args], {
    cwd: run.cwd,
    env: gitEnvironment(run.env ?? {}),
    extendEnv: false,
    encoding: 'buffer',
    reject: false,
    stripFinalNewline: false,
    buffer: { stdout: !streaming, stderr: true },
    maxBuffer: OUTPUT_LIMIT_BYTES,
    timeout: run.timeoutMs ?? LOCAL_TIMEOUT_MS,
    forceKillAfterDelay: 2000,
    ...(run.input === undefined ? { stdin: 'ignore' as const } : { input: run.input }),
  });
  let drained: Promise<unknown> = Promise.resolve();
  if (streaming && child.stdout !== null) {
    const decoder = new TextDecoder('utf-8', { fatal: false, ignoreBOM: true });
    child.stdout.on('data', (chunk: Buffer) => run.onOutput?.(decoder.decode(chunk, { stream: true })));
    drained = once(child.stdout, 'close').catch(() => undefined);
  }
  const end = await child;
  await drained;
  const stdout = streaming || end.stdout === undefined ? Buffer.alloc(0) : Buffer.from(end.stdout as Uint8Array);
  return { code: end.exitCode ?? null, stdout, timedOut: end.timedOut === true };
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
    message: `git ${run.args.find((arg) => !arg.startsWith('-')) ?? ''}: ${how}, want 0`,
    hint: 'run git status and git fsck in the operations repository',
    retry: 'backoff',
  };
}

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
