/** File contents by blob id. */
import { spawnSync } from 'node:child_process';
import { fail, ok, type Result } from '../core/problem.ts';
import type { Repo } from './git.ts';
import { gitEnvironment } from './git-run.ts';

/** What `git cat-file --batch` answered for these ids, in their order; a missing object is a problem. */
export function splitBatch(stdout: Buffer, blobs: readonly string[]): Result<Map<string, string>> {
  const texts = new Map<string, string>();
  let offset = 0;
  for (const blob of blobs) {
    const lineEnd = stdout.indexOf(10, offset);
    const size = / blob (\d+)$/.exec(stdout.toString('latin1', offset, lineEnd))?.[1];
    if (size === undefined) {
      return fail({
        code: 'git-object-missing',
        message: `object ${blob} cannot be read`,
        hint: 'git fsck',
        retry: 'stalled',
      });
    }
    const start = lineEnd + 1;
    texts.set(blob, stdout.toString('utf8', start, start + Number(size)));
    offset = start + Number(size) + 1;
  }
  return ok(texts);
}

/** The same read at once, in one process, for the rare text that is asked for in the middle of a computation. */
export function readBlobsNow(repo: Pick<Repo, 'root'>, blobs: readonly string[]): Result<Map<string, string>> {
  const end = spawnSync('git', ['cat-file', '--batch'], {
    cwd: repo.root,
    env: gitEnvironment({}),
    input: `${blobs.join('\n')}\n`,
    stdio: ['pipe', 'pipe', 'ignore'],
    maxBuffer: OUTPUT_LIMIT_BYTES,
    timeout: TIMEOUT_MS,
  });
  return splitBatch(end.stdout ?? Buffer.alloc(0), blobs);
}

const OUTPUT_LIMIT_BYTES = 512 * 1024 * 1024;
const TIMEOUT_MS = 60_000;
