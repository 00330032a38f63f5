/**
 * What looks need of quiet journals, all in one file of `.mmfleet/cache`: a journal that still ends where it ended needs
 * neither its run restored nor its decision taken again. Only runs that stood still between two looks are in it, so a busy
 * fleet does not write it. It may vanish or be damaged at any moment; then each run is restored by itself.
 */
import { join } from 'node:path';
import type { JournalEnd } from '../adapters/journal-end.ts';
import { keep, loadKept } from '../adapters/kept-file.ts';
import type { RunGlance } from '../core/health/glance.ts';
import type { RunEndEvent } from '../core/journal/types.ts';
import type { Decided } from '../core/tuning/decide.ts';

export type KeptGlance = {
  name: string;
  /** What the fold depends on besides the bytes. */
  key: string;
  end: JournalEnd;
  runId: string;
  glance: RunGlance;
  runEnd: RunEndEvent | null;
  shuttingDown: boolean;
  /** What was decided of it; null: it was not, or it rests on more than the run and git. */
  decided: Decided | null;
  /** The event as JSON text: few looks ask for it, and it is long. */
  runStart: string;
};

export type Glances = {
  /** Names the state of git that the decisions were taken at; null: none was. */
  of: string | null;
  byName: Map<string, KeptGlance>;
};

export type GlanceFile = {
  /** Empty when there is nothing to be used. */
  read(): Glances;
  /** Where it cannot be written only the next command's time is lost. */
  write(glances: Glances): void;
};

/** `build` names the program: another one may say something else of the same run. null: nothing is kept. */
export function glanceFile(stateDir: string, build: string | null): GlanceFile {
  const path = join(stateDir, 'cache', NAME);
  return {
    read() {
      const kept = build === null ? null : loadKept(path, build);
      try {
        return kept === null ? nothing() : decode(kept.body);
      } catch {
        return nothing();
      }
    },
    write(glances) {
      if (build !== null) keep(path, build, encode(glances));
    },
  };
}

/** No instance can be called so: names have no dot. */
const NAME = 'fleet.glances.json';

const nothing = (): Glances => ({ of: null, byName: new Map() });

/** The glances on one line, and then the first event of each run on a line of its own. */
function encode({ of, byName }: Glances): string {
  const kept = [...byName.values()];
  const heads = kept.map(({ runStart: _, ...head }) => head);
  return `${JSON.stringify({ of, heads })}\n${kept.map(({ runStart }) => runStart).join('\n')}`;
}

function decode(body: string): Glances {
  const end = body.indexOf('\n');
  const { of, heads } = JSON.parse(body.slice(0, end)) as { of: string | null; heads: KeptGlance[] };
  const starts = body.slice(end + 1).split('\n');
  for (const [n, head] of heads.entries()) head.runStart = starts[n]!;
  return { of, byName: new Map(heads.map((head) => [head.name, head])) };
}
