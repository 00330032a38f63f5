/** A run's journal up to a moment: what the engine knew then. */
import { readSync } from 'node:fs';
import { basename } from 'node:path';
import { listMarketRuns, type RunFiles, scanFile, withFile } from '../adapters/journal-files.ts';
import { observe } from '../core/health/observe.ts';
import { newRunState, type RunState } from '../core/health/run.ts';
import { LineScanner } from '../core/journal/scan.ts';
import type { JournalEvent } from '../core/journal/types.ts';
import { fail, ok, type Result } from '../core/problem.ts';
import type { PastDecision } from '../core/replay/past.ts';
import type { Instance } from '../core/spec/types.ts';
import type { EnvValues } from '../core/tuning/types.ts';

export type PastFold = { run: RunState; source: string };

/**
 * Folds the run a commit refers to: by its reference (every piece before, and the piece itself up to the offset), or without
 * one the newest run that had begun by `at`, up to that journal time. A Problem says why it is not there any more.
 */
export function foldAsItStood(want: {
  pattern: string;
  spec: Instance;
  values: EnvValues;
  reference: PastDecision['journal'];
  at: number;
}): Result<PastFold> {
  const listed = listMarketRuns(want.pattern, want.spec.market);
  if (!listed.ok) return listed;
  return want.reference === null ? byTime(listed.value, want) : byReference(listed.value, want, want.reference);
}

type Want = { spec: Instance; values: EnvValues; at: number };

function byReference(runs: RunFiles[], want: Want, to: NonNullable<PastDecision['journal']>): Result<PastFold> {
  const files = runs.find((run) => run.paths.some((path) => basename(path) === to.file));
  if (files === undefined) return missing(`its journal ${to.file} is not in the journal folder any more`);
  const fold = folder(want, Number.POSITIVE_INFINITY);
  for (const path of files.paths) {
    fold.scanner.startFile();
    const last = basename(path) === to.file;
    const read = last ? scanUpTo(path, fold.scanner, to.to) : scanFile(path, fold.scanner);
    if (!read.ok) return read;
    if (!last) continue;
    if (read.value.bytes < to.to)
      return missing(`its journal ${to.file} holds ${read.value.bytes} of the ${to.to} bytes it had then`);
    break;
  }
  return fold.run().startTs === null
    ? missing(`its journal ${to.file} holds no readable line`)
    : ok({ run: fold.run(), source: `${to.file}@0..${to.to}` });
}

/** Without a reference the newest event that had been written is not known to the byte: the moment itself decides. */
function byTime(runs: RunFiles[], want: Want): Result<PastFold> {
  for (const files of runs.toReversed()) {
    const fold = folder(want, want.at);
    for (const path of files.paths) {
      fold.scanner.startFile();
      const read = scanFile(path, fold.scanner);
      if (!read.ok) return read;
    }
    const run = fold.run();
    if (run.startTs !== null && run.startTs <= want.at && fold.reached())
      return ok({ run, source: `${basename(files.paths[0] ?? '')} up to its time` });
  }
  return missing('the commit names no journal, and none in the journal folder reaches its time');
}

/** Feeds a new state; another run id in one file is another run. Lines after `untilTs` are only noted. */
function folder({ spec, values }: Want, untilTs: number) {
  const cap = Number(values['MM_MAX_POSITION_SIZE'] ?? Number.NaN);
  const fresh = () =>
    newRunState({ health: spec.health, maxPositionBase: Number.isFinite(cap) && cap > 0 ? cap : null });
  let run = fresh();
  let beyond = false;
  const event = (each: JournalEvent) => {
    if (each.ts > untilTs) {
      beyond = true;
      return;
    }
    if (beyond) return;
    if (each.runId !== '' && run.startTs !== null && each.runId !== run.runId) run = fresh();
    observe(run, each);
  };
  const scanner = new LineScanner({ event, bad: () => {} });
  return { scanner, run: () => run, reached: () => beyond || run.latest >= untilTs };
}

const BLOCK_BYTES = 256 * 1024;

/** Scans the whole lines in the first `limit` bytes of a file; `bytes`: how many of them there were. */
function scanUpTo(path: string, scanner: LineScanner, limit: number): Result<{ bytes: number }> {
  return withFile(path, (fd) => {
    let held: Buffer = Buffer.alloc(0);
    let done = 0;
    while (done < limit) {
      const block = Buffer.allocUnsafe(Math.min(BLOCK_BYTES, limit - done));
      const read = readSync(fd, block, 0, block.length, done);
      if (read === 0) break;
      done += read;
      const bytes: Buffer = Buffer.concat([held, block.subarray(0, read)]);
      const end = bytes.lastIndexOf(10) + 1;
      if (end > 0) scanner.scan(bytes, 0, end);
      held = bytes.subarray(end);
    }
    return { bytes: done };
  });
}

const missing = (message: string) => fail({ code: 'journal-gone', message });
