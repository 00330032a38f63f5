/** The whole history of a repository for reading alone: a clone, or a bare one such as the team's remote. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { rawLogParser } from '../core/audit/log.ts';
import type { AuditCommit } from '../core/audit/types.ts';
import { fail, ok, type Result } from '../core/problem.ts';
import { LOG_FORMAT } from '../core/trail/parse.ts';
import { readBlobs } from './git-read.ts';
import { gitFailed, gitText, runGit } from './git-run.ts';

/** Where git runs; nothing is ever written there. */
export type History = { dir: string };

/** What git says of a commit's signature: good (the signer may be unknown), bad, none, or not checkable here. */
export type Signature = 'good' | 'bad' | 'none' | 'unchecked';

/** Opens a repository, bare or not. Problems: `git-not-a-repository`, `git-shallow`, `git-unborn`. */
export async function openHistory(dir: string): Promise<Result<History>> {
  const at = resolve(dir);
  const facts = existsSync(at) ? await gitText({ cwd: at, args: ['rev-parse', '--is-shallow-repository'] }) : null;
  if (facts === null || !facts.ok) {
    return fail({
      code: 'git-not-a-repository',
      message: `${at}: not a git repository`,
      hint: 'name the operations repository, or a bare clone of it, with -C DIR',
      retry: 'stalled',
    });
  }
  if (facts.value.trim() === 'true') {
    const message = `${dir}: a shallow clone, want the whole history`;
    return fail({ code: 'git-shallow', message, hint: 'git fetch --unshallow', retry: 'stalled' });
  }
  const head = await runGit({ cwd: at, args: ['rev-parse', '--verify', '--quiet', 'HEAD^{commit}'] });
  if (head.code === 0) return ok({ dir: at });
  return fail({
    code: 'git-unborn',
    message: `${dir}: HEAD names no commit`,
    hint: 'git symbolic-ref HEAD',
    retry: 'stalled',
  });
}

/** Every commit of HEAD with the blobs it changed against its first parent, oldest first, in one process. */
export async function readHistory(history: History): Promise<Result<AuditCommit[]>> {
  const parser = rawLogParser();
  const args = ['-c', 'log.showRoot=true', 'log', '-z', '--topo-order', '--reverse', '--raw', '--no-abbrev'];
  const form = ['--no-renames', '--diff-merges=first-parent', '--no-color', '--no-show-signature', '--no-notes'];
  const run = {
    cwd: history.dir,
    args: [...args, ...form, '--no-mailmap', '--encoding=UTF-8', `--format=${LOG_FORMAT}`, 'HEAD', '--'],
    env: WHOLE,
    timeoutMs: LOG_TIMEOUT_MS,
    onOutput: (chunk: string) => parser.push(chunk),
  };
  const end = await runGit(run);
  return end.code === 0 ? ok(parser.end()) : fail(gitFailed(run, end));
}

/** Contents by blob id, a bounded number at a time. */
export async function readTexts(history: History, blobs: readonly string[]): Promise<Result<Map<string, string>>> {
  const texts = new Map<string, string>();
  for (let from = 0; from < blobs.length; from += BLOBS_AT_ONCE) {
    const read = await readBlobs({ root: history.dir }, blobs.slice(from, from + BLOBS_AT_ONCE));
    if (!read.ok) return read;
    for (const [blob, text] of read.value) texts.set(blob, text);
  }
  return ok(texts);
}

/**
 * How git judges the signatures of these commits, in one process. Without `gpg.ssh.allowedSignersFile` in the configuration a
 * signature that fits its own key counts as good: whose key it is, is then not known.
 */
export async function readSignatures(
  history: History,
  commits: readonly string[],
): Promise<Result<{ signers: 'known' | 'unknown'; byCommit: Map<string, Signature> }>> {
  const byCommit = new Map<string, Signature>();
  const configured = await runGit({ cwd: history.dir, args: ['config', '--get', 'gpg.ssh.allowedSignersFile'] });
  const signers = configured.code === 0 ? 'known' : 'unknown';
  if (commits.length === 0) return ok({ signers, byCommit });
  const open = signers === 'known' ? [] : ['-c', 'gpg.ssh.allowedSignersFile=/dev/null'];
  const listed = await gitText({
    cwd: history.dir,
    args: [...open, 'log', '--no-walk=unsorted', '--stdin', '--no-show-signature', '--format=%H %G?'],
    input: `${commits.join('\n')}\n`,
    env: WHOLE,
    timeoutMs: LOG_TIMEOUT_MS,
  });
  if (!listed.ok) return listed;
  for (const line of listed.value.split('\n')) {
    const [commit, letter] = line.split(' ');
    if (commit !== undefined && letter !== undefined) byCommit.set(commit, signatureOf(letter, signers));
  }
  return ok({ signers, byCommit });
}

/** Replaced objects would tell another history than the one that is shared. */
const WHOLE = { GIT_NO_REPLACE_OBJECTS: '1' };
const LOG_TIMEOUT_MS = 300_000;
const BLOBS_AT_ONCE = 500;

function signatureOf(letter: string, signers: 'known' | 'unknown'): Signature {
  if (letter === 'G') return 'good';
  // A key that no line of the signers' file names is only good where nobody wrote such a file.
  if (letter === 'U') return signers === 'unknown' ? 'good' : 'bad';
  if (letter === 'N') return 'none';
  return letter === 'E' ? 'unchecked' : 'bad';
}
