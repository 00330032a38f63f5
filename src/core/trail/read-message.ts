/** A commit message back to the story it was written from. */
import type { Theme } from '../spec/types.ts';
import type { CommitStory } from './stories.ts';
import { parseBps, parseChange, parseDuration, parseIter, parseSeconds } from './text.ts';
import { type MessageParts, splitMessage, trailer, trailersNamed } from './trailers.ts';
import type { Change, Verdict, VerdictLine } from './types.ts';

/** null: not our form, or a trailer that its kind needs is missing or malformed. */
export function parseMessage(text: string): CommitStory | null {
  const parts = splitMessage(text);
  if (parts.kind === null || parts.name === null) return null;
  try {
    return readStory(parts, parts.kind, parts.name);
  } catch (error) {
    if (error instanceof Malformed) return null;
    throw error;
  }
}

/** `+0.9 bps (95% -0.4..+2.2)` or `unavailable`; anything else null. */
export function parseEffect(text: string): Pick<VerdictLine, 'effectBps' | 'ci95'> | null {
  const match = /^(?:unavailable|(\S+) bps)(?: \(95% (\S+?)\.\.([+-]\S+)\))?$/.exec(text);
  if (match === null) return null;
  const effectBps = match[1] === undefined ? null : parseBps(match[1]);
  if (effectBps === undefined) return null;
  if (match[2] === undefined) return { effectBps, ci95: null };
  const low = parseBps(match[2]);
  const high = parseBps(match[3]!);
  return low === undefined || high === undefined ? null : { effectBps, ci95: [low, high] };
}

/** The iter whose values a rollback's subject names (null = the base env); undefined: it names none. */
export function rollbackTarget(subject: string): number | null | undefined {
  const to = /^rollback\([^()]+\): iter\d+ with the values of (?:iter)?(\d+|base)(?:,|$)/.exec(subject)?.[1];
  return to === undefined ? undefined : parseIter(to);
}

const THEMES: readonly Theme[] = ['spread-offset', 'reprice', 'post-only', 'inventory', 'toxicity', 'breaker'];
const VERDICTS: readonly Verdict[] = ['helped', 'hurt', 'inconclusive'];

class Malformed extends Error {}

function readStory(parts: MessageParts, kind: NonNullable<MessageParts['kind']>, name: string): CommitStory {
  const read = reader(parts);
  const common = { instance: name, at: read.at(), why: parts.body === '' ? [] : parts.body.split('\n') };
  if (kind === 'init') return { ...common, kind, instances: trailersNamed(parts.trailers, 'Instance') };
  if (read.text('Instance') !== name) throw new Malformed();
  switch (kind) {
    case 'tune':
      return { ...common, kind, ...readStep(read) };
    case 'recover':
      return {
        ...common,
        kind,
        ...readStep(read),
        fromIter: read.iter('From-Iter'),
        toIter: read.iterOrBase('To-Iter'),
      };
    case 'undo':
      return {
        ...common,
        kind,
        ...readStep(read),
        fromIter: read.iter('From-Iter'),
        toIter: read.iterOrBase('To-Iter'),
        waitMs: need(parseDuration(read.text('Wait'))),
        forget: read.text('Forget'),
      };
    case 'park':
      return { ...common, kind, until: read.text('Until'), trigger: read.text('Trigger'), parks: read.count('Parks') };
    case 'hold':
    case 'release':
      return { ...common, kind, reason: read.text('Reason'), holdKind: oneOf(['hold', 'park'], read.text('Kind')) };
    case 'verdict': {
      const effect = parseEffect(read.text('Effect'));
      if (effect === null) throw new Malformed();
      const verdict = oneOf(VERDICTS, read.text('Verdict'));
      return {
        ...common,
        kind,
        iter: read.iter('Iter'),
        against: read.iterOrBase('Against'),
        verdict,
        ...effect,
        n: read.count('N'),
      };
    }
    case 'converge':
      return {
        ...common,
        kind,
        iterFrom: read.text('Iter-From') === 'none' ? 'none' : read.iterOrBase('Iter-From'),
        iterTo: read.text('Iter-To') === 'none' ? 'none' : read.iterOrBase('Iter-To'),
        flat: oneOf(['FLAT', 'DUST'], read.text('Flat')),
        costUsd: need(/^(-?\d+(?:\.\d+)?) USD$/.exec(read.text('Cost'))?.[1]),
        receipt: read.text('Receipt'),
      };
    case 'rebase':
      return { ...common, kind, iter: read.iter('Iter'), base: read.text('Base'), changes: read.changes() };
    case 'rollback': {
      const values = { iter: read.iter('Iter'), base: read.text('Base'), changes: read.changes() };
      return { ...common, kind, to: need2(rollbackTarget(parts.subject)), ...values };
    }
    case 'start':
    case 'stop':
    case 'suspend':
    case 'resume':
      return { ...common, kind, reason: read.text('Reason'), until: trailer(parts.trailers, 'Until') ?? null };
  }
}

type Reader = ReturnType<typeof reader>;

function readStep(read: Reader) {
  return {
    market: read.text('Market'),
    iter: read.iter('Iter'),
    parentIter: read.iterOrBase('Parent-Iter'),
    theme: oneOf(THEMES, read.text('Theme')),
    step: read.text('Step'),
    trigger: read.text('Trigger'),
    changes: read.changes(),
    proven: oneOf(['yes', 'no'], read.text('Proven')) === 'yes',
    envDigest: read.text('Env-Digest'),
    journal: read.optional('Journal'),
    spec: read.text('Spec'),
    fleetSpec: read.text('Fleet-Spec'),
  };
}

function reader({ trailers }: MessageParts) {
  const text = (key: string): string => need(trailer(trailers, key));
  const iterOrBase = (key: string): number | null => need2(parseIter(text(key)));
  const at = trailer(trailers, 'At');
  return {
    text,
    iterOrBase,
    optional: (key: string): string | null => trailer(trailers, key) ?? null,
    iter: (key: string): number => iterOrBase(key) ?? bad(),
    count: (key: string): number => (/^\d{1,15}$/.test(text(key)) ? Number(text(key)) : bad()),
    changes: (): Change[] => trailersNamed(trailers, 'Change').map((value) => need(parseChange(value))),
    at: (): number | null => (at === undefined ? null : need(parseSeconds(at))),
  };
}

function oneOf<const T extends string>(values: readonly T[], text: string): T {
  return values.find((value) => value === text) ?? bad();
}

function need<T extends string | number | Change>(value: T | undefined): T {
  return value ?? bad();
}

function need2(value: number | null | undefined): number | null {
  return value === undefined ? bad() : value;
}

function bad(): never {
  throw new Malformed();
}
