/**
 * What the commits of an old instance make of its tuning memory, in `.mmfleet/cache`: the same commits under the same policy
 * are the same memory, and reading what each of thousands says takes longer than all else in a look. A file that is absent,
 * damaged or of another build only costs making the memories anew.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { keep, loadKept } from '../adapters/kept-file.ts';
import type { TuningPolicy } from '../core/spec/types.ts';
import type { TrailEntry } from '../core/trail/types.ts';
import { rebuildMemory } from '../core/tuning/memory.ts';
import type { TuningMemory } from '../core/tuning/types.ts';

/** Whose commits, and what a memory is made of besides them. */
export type MemoryOf = { instance: string; ourEmail: string; baseEnv: string; policy: TuningPolicy };

export type Memories = {
  /** The memory of these commits (newest first), as `rebuildMemory` makes it. */
  of(entries: readonly TrailEntry[], about: MemoryOf): TuningMemory;
  /** Keeps those asked for, where one of them was made anew. */
  save(): void;
  /** Lets go of all others: they are declared no more. */
  keepOnly(names: ReadonlySet<string>): void;
};

/** `build` names the program; null: nothing is kept. */
export function openMemories(stateDir: string, build: string | null): Memories {
  // A name has no dot: no instance's own file is called so.
  const path = join(stateDir, 'cache', 'fleet.memories');
  const asked = new Map<string, Known>();
  /** What an earlier command kept: of use until all were asked for once. */
  let stored: ReadonlyMap<string, Kept> | null = null;
  let isNew = false;
  return {
    of(entries, about) {
      const { instance, baseEnv, policy } = about;
      const made = () => rebuildMemory(entries, { baseEnv, policy });
      if (build === null || entries.length < FEW) return made();
      const key = keyOf(entries, about);
      const known = asked.get(instance);
      if (known?.key === key) return known.memory;
      stored ??= read(path, build);
      const kept = stored.get(instance);
      const isKept = kept?.key === key;
      const memory = isKept ? (JSON.parse(kept.text) as TuningMemory) : made();
      asked.set(instance, { key, memory });
      isNew ||= !isKept;
      return memory;
    },
    save() {
      stored = new Map();
      if (build === null || !isNew) return;
      isNew = false;
      const lines = [...asked].flatMap(([instance, { key, memory }]) => {
        const text = textOf(memory);
        return text === null ? [] : [`${instance}\t${key}\t${text}\n`];
      });
      keep(path, build, lines.join(''));
    },
    keepOnly(names) {
      for (const name of asked.keys()) if (!names.has(name)) asked.delete(name);
    },
  };
}

type Known = { key: string; memory: TuningMemory };
/** As JSON. */
type Kept = { key: string; text: string };

/** So many commits are read as quickly as their memory. */
const FEW = 32;

function keyOf(entries: readonly TrailEntry[], { ourEmail, baseEnv, policy }: MemoryOf): string {
  const about = JSON.stringify([ourEmail, baseEnv, policy.recover, policy.forgetAfterMs, policy.keys]);
  return createHash('sha256')
    .update(`${about}\n${entries.map((entry) => entry.commit).join(' ')}`)
    .digest('hex');
}

/** null: JSON would say something else of it. */
function textOf(memory: TuningMemory): string | null {
  let isPlain = true;
  const text = JSON.stringify(memory, (_key, value: unknown) => {
    if (value === undefined || (typeof value === 'number' && !Number.isFinite(value))) isPlain = false;
    return value;
  });
  return isPlain ? text : null;
}

function read(path: string, build: string): Map<string, Kept> {
  const lines = loadKept(path, build)?.body.split('\n') ?? [];
  return new Map(
    lines.flatMap((line): [string, Kept][] => {
      const [instance, key, text] = line.split('\t');
      return instance === undefined || key === undefined || text === undefined ? [] : [[instance, { key, text }]];
    }),
  );
}
