import { Decimal, plain } from '../decimal.ts';
import type { Theme, TuningPolicy } from '../spec/types.ts';
import type { Change } from '../trail/types.ts';
import { CATALOGUE, envValue, KEPT_ORDERINGS, type KeyInfo } from './catalogue.ts';
import { type Move, STEPS, type StepName, type StepRow } from './steps.ts';
import type { EnvValues } from './types.ts';

/** A step that can be taken now, or why none of its rows can. `step` is without the ladder's factor, which stands beside it. */
export type StepChoice =
  | { taken: true; theme: Theme; step: string; factor: number | null; changes: Change[] }
  | { taken: false; theme: Theme; reason: 'at-bound' | 'forgotten'; why: string };

export type StepInput = {
  /** The env that should run, and the base it descends from (for the precision of new values). */
  values: EnvValues;
  baseValues: EnvValues;
  policy: Pick<TuningPolicy, 'bounds' | 'keys'>;
  /** The ladder's factor, > 1. */
  factor: number;
  /** Whether a step is not to be tried now, by its id. */
  forgotten(id: string): boolean;
  /** Half the median book spread, bps; null = unknown. */
  halfSpreadBps: number | null;
};

/**
 * The first row of the step that moves at least one value inside its bounds and is not forgotten. A key that does not act
 * under these values, holds text that is no number, or cannot move is left out; orderings hold afterwards or the row is
 * not taken.
 */
export function takeStep(name: StepName, input: StepInput): StepChoice {
  const { theme } = STEPS[name];
  const why: string[] = [];
  let forgotten = false;
  for (const row of rowsOf(name, input.policy)) {
    if (input.forgotten(row.id)) {
      forgotten = true;
      why.push(`${row.id}: tried not long ago`);
      continue;
    }
    const changes = changesOf(row, input);
    if (typeof changes === 'string') {
      why.push(`${row.id}: ${changes}`);
      continue;
    }
    const usesFactor = row.label === null;
    const step = usesFactor ? row.id : `${row.id} ${row.label}`;
    return { taken: true, theme, step, factor: usesFactor ? input.factor : null, changes };
  }
  return { taken: false, theme, reason: forgotten ? 'forgotten' : 'at-bound', why: why.join('; ') };
}

/**
 * What may be tuned under this spec: the catalogue's keys and those opted in by `tuning.keys`. A catalogue key that is named
 * there acts whatever the catalogue says of it, within the given bounds and by the catalogue's own steps; so a newer bot, or
 * one that uses a knob again, is told by its spec.
 */
export function tunableKey(key: string, policy: Pick<TuningPolicy, 'keys'>): KeyInfo | undefined {
  const known = CATALOGUE[key];
  const custom = policy.keys[key];
  if (custom === undefined) return known;
  const own = {
    min: custom.min === null ? (known?.min ?? null) : String(custom.min),
    max: custom.max === null ? (known?.max ?? null) : String(custom.max),
    acts: () => true as const,
  };
  if (known !== undefined) return { ...known, ...own };
  return {
    key,
    type: custom.type,
    unit: '',
    theme: custom.theme,
    hardMin: null,
    hardMax: null,
    fieldName: key.replace(/^MM_/, '').toLowerCase(),
    default: '',
    ...own,
  };
}

/** The bounds a tuned value must keep: the spec's, else the default ones, never past the bot's own limits. */
export function boundsOf(
  key: string,
  policy: Pick<TuningPolicy, 'bounds' | 'keys'>,
): { min: Decimal | null; max: Decimal | null; exclusiveMin: boolean } {
  const info = tunableKey(key, policy);
  const given = policy.bounds[key];
  const lowest = stricter(decimalOf(given?.min ?? info?.min), decimalOf(info?.hardMin), 'min');
  const highest = stricter(decimalOf(given?.max ?? info?.max), decimalOf(info?.hardMax), 'max');
  const whole = info?.type === 'int';
  const min = whole && lowest !== null ? lowest.ceil() : lowest;
  const max = whole && highest !== null ? highest.floor() : highest;
  const atHardMin = min !== null && info?.hardMin != null && min.eq(info.hardMin);
  return { min, max, exclusiveMin: info?.exclusiveMin === true && atHardMin };
}

/** Whether every ordering that holds before still holds after, over the keys both envs know. */
export function brokenOrdering(values: EnvValues): { low: string; high: string } | null {
  for (const ordering of KEPT_ORDERINGS) {
    for (let at = 1; at < ordering.length; at += 1) {
      const low = ordering[at - 1]!;
      const high = ordering[at]!;
      const a = decimalOf(envValue(values, low));
      const b = decimalOf(envValue(values, high));
      if (a !== null && b !== null && a.gt(b)) return { low, high };
    }
  }
  return null;
}

/** A number in env text; null when it is none. */
export function decimalOf(text: string | number | null | undefined): Decimal | null {
  if (text === null || text === undefined) return null;
  if (typeof text === 'string' && !/^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$/.test(text)) return null;
  const value = new Decimal(typeof text === 'string' ? text.trim() : text);
  return value.isFinite() ? value : null;
}

/** Steps that a spec's own keys join, one row for each key, after the built-in rows. */
const OPEN_STEPS: Partial<Record<Theme, StepName>> = {
  'spread-offset': 'widen',
  reprice: 'faster',
  'post-only': 'post-only',
  inventory: 'inventory',
  toxicity: 'toxicity',
  breaker: 'breaker',
};

function rowsOf(name: StepName, policy: Pick<TuningPolicy, 'keys'>): StepRow[] {
  const own = Object.entries(policy.keys)
    .filter(([key, custom]) => CATALOGUE[key] === undefined && OPEN_STEPS[custom.theme] === name)
    .map(([key, custom]): StepRow => {
      const move: Move =
        'times' in custom.step
          ? { key, op: 'times', by: String(custom.step.times) }
          : { key, op: 'plus', by: String(custom.step.plus) };
      const label =
        'times' in custom.step ? `x${custom.step.times}` : `${custom.step.plus >= 0 ? '+' : ''}${custom.step.plus}`;
      return { id: key.toLowerCase().replaceAll('_', '-'), label, moves: [move] };
    });
  return [...STEPS[name].rows, ...own];
}

/** The row's changes, or why it moves nothing. */
function changesOf(row: StepRow, input: StepInput): Change[] | string {
  const after: Record<string, string> = {};
  const reasons: string[] = [];
  for (const move of row.moves) {
    const result = moved(move, row, input, after);
    if (typeof result === 'string') reasons.push(result);
    else if (result !== null) after[move.key] = result.to;
  }
  const keys = Object.keys(after);
  const leading = row.moves.filter((move) => move.op !== 'atLeast').some((move) => after[move.key] !== undefined);
  if (!leading) return reasons.join(', ') || 'nothing to move';
  const touched = KEPT_ORDERINGS.filter((ordering) => ordering.some((key) => keys.includes(key))).flat();
  const subset = (values: EnvValues) => Object.fromEntries(touched.map((key) => [key, envValue(values, key) ?? '']));
  const broken = brokenOrdering(subset({ ...input.values, ...after }));
  if (broken !== null) return `would leave ${broken.high} below ${broken.low}`;
  return keys.map((key) => ({ key, from: input.values[key] ?? null, to: after[key]! }));
}

/** The key's new text, null when it needs no change, or why it does not move. */
function moved(
  move: Move,
  row: StepRow,
  input: StepInput,
  after: Readonly<Record<string, string>>,
): { to: string } | string | null {
  const info = tunableKey(move.key, input.policy);
  if (info === undefined) return `${move.key} is not tunable`;
  const acts = info.acts(input.values);
  if (acts !== true) return `${move.key}: ${acts}`;
  const text = input.values[move.key] ?? CATALOGUE[move.key]?.default;
  if (text === undefined) return `${move.key} is not set`;
  if (info.type === 'bool') return setFlag(move, text);
  const current = decimalOf(text);
  if (current === null || (info.type === 'int' && !current.isInteger())) return `${move.key} is not a number`;
  if (move.op === 'set') return `${move.key} is not a flag`;
  if (move.op === 'atLeast') return raised(move, current, input, after);
  const wanted = wantedValue(move, current, input.factor);
  const up = wanted.gt(current);
  if (wanted.eq(current)) return `${move.key} stays ${plain(current)}`;
  const whole = info.type === 'int' ? wanted.toDecimalPlaces(0, up ? Decimal.ROUND_CEIL : Decimal.ROUND_FLOOR) : wanted;
  const capped = cap(whole, move.key, row, input);
  if (capped === null) return `${move.key}: book spread unknown`;
  // Rounding half of the spread up would put the value above it.
  const digits = digitsOf(move.key, info, input);
  const round = row.halfSpreadCap === move.key ? Decimal.ROUND_DOWN : Decimal.ROUND_HALF_EVEN;
  const bounded = bound(capped.toDecimalPlaces(digits, round), move.key, input);
  const moves = up ? bounded.gt(current) : bounded.lt(current);
  if (!moves || !inside(bounded, move.key, input)) return `${move.key} at its bound`;
  return { to: plain(bounded) };
}

function wantedValue(move: Extract<Move, { key: string }>, current: Decimal, factor: number): Decimal {
  switch (move.op) {
    case 'times':
      return current.times(move.by);
    case 'plus':
      return current.plus(move.by);
    case 'timesFactor':
      return current.times(factor);
    case 'overFactor':
      return current.div(factor);
    case 'set':
    case 'atLeast':
      return current;
  }
}

/** Keeps this key at the other key's new value plus a distance, as far as its bound allows, never below the other. */
function raised(
  move: Extract<Move, { op: 'atLeast' }>,
  current: Decimal,
  input: StepInput,
  after: Readonly<Record<string, string>>,
): { to: string } | null {
  const other = decimalOf(after[move.other]);
  if (other === null) return null;
  const wanted = other.plus(move.by);
  if (current.gte(wanted)) return null;
  const { max } = boundsOf(move.key, input.policy);
  const to = max === null ? wanted : Decimal.min(wanted, max);
  return to.gt(current) ? { to: plain(to) } : null;
}

function setFlag(move: Move, text: string): { to: string } | string {
  if (move.op !== 'set') return `${move.key} is a flag`;
  const now = /^(1|true|t|yes|y|on)$/i.test(text.trim());
  return now === (move.by === 'true') ? `${move.key} is ${move.by} already` : { to: move.by };
}

/** Below half the median book spread where the row asks for it, and below what an ordered partner can reach. */
function cap(value: Decimal, key: string, row: StepRow, input: StepInput): Decimal | null {
  if (row.halfSpreadCap === key) {
    return input.halfSpreadBps === null ? null : Decimal.min(value, new Decimal(input.halfSpreadBps));
  }
  const partner = row.moves.find((move) => move.op === 'atLeast' && move.other === key);
  if (partner === undefined) return value;
  const reach = boundsOf(partner.key, input.policy).max;
  const now = decimalOf(envValue(input.values, partner.key));
  const highest = reach === null ? null : now === null ? reach : Decimal.max(reach, now);
  return highest === null ? value : Decimal.min(value, highest);
}

/** At most the digits of the base value plus two; none for whole numbers. */
function digitsOf(key: string, info: KeyInfo, input: StepInput): number {
  if (info.type === 'int') return 0;
  const base = input.baseValues[key] ?? CATALOGUE[key]?.default ?? input.values[key] ?? '';
  return 2 + (/\.(\d+)\s*$/.exec(base)?.[1]?.length ?? decimalOf(base)?.decimalPlaces() ?? 0);
}

function bound(value: Decimal, key: string, input: StepInput): Decimal {
  const { min, max } = boundsOf(key, input.policy);
  const low = min === null ? value : Decimal.max(value, min);
  return max === null ? low : Decimal.min(low, max);
}

function inside(value: Decimal, key: string, input: StepInput): boolean {
  const { min, max, exclusiveMin } = boundsOf(key, input.policy);
  if (max !== null && value.gt(max)) return false;
  return min === null || (exclusiveMin ? value.gt(min) : value.gte(min));
}

/** The stricter of two bounds, either of which may be open. */
function stricter(a: Decimal | null, b: Decimal | null, side: 'min' | 'max'): Decimal | null {
  if (a === null || b === null) return a ?? b;
  return a.gt(b) === (side === 'min') ? a : b;
}
