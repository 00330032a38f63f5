/** What a repository says of the signatures of its commits, and up to where this clone has found them in order. */
import { join } from 'node:path';
import { ok, type Result } from '../core/problem.ts';
import { LOG_FORMAT, parseLog } from '../core/trail/parse.ts';
import { writeDurably } from './durable-file.ts';
import { type Refs, type Repo, resolveCommit } from './git.ts';
import { gitText, runGit } from './git-run.ts';

/** One commit with every path in which it differs from any of its parents. */
export type SignedCommit = { commit: string; parents: string[]; author: string; subject: string; paths: string[] };

/** `unknown`: a good signature of a key that the allowed signers do not name. */
export type SignatureOf = 'good' | 'unknown' | 'bad' | 'none';

export type TrustPort = {
  /** The newest commit that this clone has found in order; null: never looked. `refs`: read just before; absent: read now. */
  anchor(refs?: Refs): Promise<string | null>;
  remember(commit: string): Promise<void>;
  /** The first commit of a history that mentions a word in the fleet folder; null: none does. */
  firstWith(word: string, head: string): Promise<string | null>;
  mergeBase(a: string, b: string): Promise<string | null>;
  /** Commits of `to` that are not in `from`, parents before children. */
  between(from: string, to: string): Promise<Result<SignedCommit[]>>;
  /** `signers`: the text of an allowed-signers file, or the absolute path of one. */
  judge(commits: string[], signers: { text: string } | { path: string }): Promise<Result<Map<string, SignatureOf>>>;
  /** Whether two commits hold the same under these paths. */
  same(a: string, b: string, paths: string[]): Promise<boolean>;
};

const ANCHOR = 'refs/mmfleet/verified';
/** Replaced objects would tell another history than the one that is shared. */
const WHOLE = { GIT_NO_REPLACE_OBJECTS: '1' };
const TIMEOUT_MS = 300_000;

/** The real thing. Every process is git; a signature that cannot be checked is not good. */
export function trustPort(repo: Repo): TrustPort {
  const cwd = repo.root;
  const line = async (args: string[]): Promise<string | null> => {
    const end = await runGit({ cwd, args, env: WHOLE, timeoutMs: TIMEOUT_MS });
    const text = end.stdout.toString('utf8').split('\n')[0] ?? '';
    return end.code === 0 && text !== '' ? text : null;
  };
  return {
    anchor: async (refs) => (refs === undefined ? resolveCommit(repo, ANCHOR) : (refs.own.get(ANCHOR) ?? null)),
    async remember(commit) {
      await runGit({ cwd, args: ['update-ref', ANCHOR, commit] });
    },
    firstWith: (word, head) => line(['log', '--reverse', '--format=%H', `-S${word}`, head, '--', 'fleet']),
    mergeBase: (a, b) => line(['merge-base', a, b]),
    between: (from, to) => readCommits(repo, from, to),
    async judge(commits, signers) {
      const file = 'path' in signers ? signers.path : join(repo.ownDir, 'allowed-signers');
      if ('text' in signers) writeDurably(file, signers.text);
      return judge(repo, commits, file);
    },
    async same(a, b, paths) {
      const end = await runGit({ cwd, args: ['diff', '--quiet', '--no-ext-diff', a, b, '--', ...paths], env: WHOLE });
      return end.code === 0;
    },
  };
}

async function readCommits(repo: Repo, from: string, to: string): Promise<Result<SignedCommit[]>> {
  const args = ['log', '-z', '--topo-order', '--reverse', '--no-renames', '--name-status', '--diff-merges=separate'];
  const form = ['--no-color', '--no-show-signature', '--no-notes', '--no-mailmap', '--encoding=UTF-8'];
  const log = await gitText({
    cwd: repo.root,
    args: ['-c', 'log.showRoot=true', ...args, ...form, `--format=${LOG_FORMAT}`, `${from}..${to}`, '--'],
    env: WHOLE,
    timeoutMs: TIMEOUT_MS,
  });
  if (!log.ok) return log;
  const commits = new Map<string, SignedCommit>();
  for (const { commit, parents, subject, files, ...entry } of parseLog(log.value, { under: '', ourEmail: '' })) {
    // A merge comes once for each parent: its paths are those of all of them.
    const known = commits.get(commit)?.paths ?? [];
    const author = `${entry.authorName} <${entry.authorEmail}>`;
    commits.set(commit, { commit, parents, author, subject, paths: [...known, ...files.map(({ path }) => path)] });
  }
  return ok([...commits.values()]);
}

async function judge(repo: Repo, commits: string[], file: string): Promise<Result<Map<string, SignatureOf>>> {
  if (commits.length === 0) return ok(new Map());
  const listed = await gitText({
    cwd: repo.root,
    args: [
      ...['-c', `gpg.ssh.allowedSignersFile=${file}`],
      ...['log', '--no-walk=unsorted', '--stdin', '--no-show-signature', '--format=%H %G? %GK'],
    ],
    input: `${commits.join('\n')}\n`,
    env: WHOLE,
    timeoutMs: TIMEOUT_MS,
  });
  if (!listed.ok) return listed;
  return ok(
    new Map(
      listed.value.split('\n').flatMap((text): [string, SignatureOf][] => {
        const [commit = '', letter = '', key = ''] = text.split(' ');
        return commit === '' ? [] : [[commit, signatureOf(letter, key)]];
      }),
    ),
  );
}

/** Only ssh keys are named by an allowed-signers file: what a key ring of this machine trusts does not count. */
function signatureOf(letter: string, key: string): SignatureOf {
  if (letter === 'N') return 'none';
  if (letter === 'B') return 'bad';
  return letter === 'G' && key.startsWith('SHA256:') ? 'good' : 'unknown';
}
