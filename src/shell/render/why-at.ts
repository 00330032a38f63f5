import type { Agreement, PastDecision } from '../../core/replay/past.ts';
import { changeText, iterName } from '../../core/trail/text.ts';
import { utcText } from '../../core/trail/utc.ts';
import type { Decided } from '../../core/tuning/decide.ts';
import type { WhyRow } from '../../core/tuning/types.ts';
import type { Paint } from '../io.ts';
import { whyTable } from './why.ts';

/** What the journal still says about a past decision. */
export type Recall =
  | { state: 'unavailable'; reason: string }
  | { state: 'ok'; source: string; decided: Decided; rows: WhyRow[]; agreement: Agreement };

/** A past decision in its commit's words, then the table of rules as it stood, and whether the two agree. */
export function pastText(name: string, past: PastDecision, recall: Recall, paint: Paint): string {
  const facts = factsOf(past).map(([label, text]) => `  ${label.padEnd(9)}${text}`);
  const head = `${past.commit.slice(0, 8)} ${past.subject}`;
  const said = past.why === '' ? [] : past.why.split('\n').map((line) => `  ${line}`);
  const lines = [paint('bold', head), ...said, ...facts, ''];
  if (recall.state === 'unavailable')
    return [...lines, `The rules as they stood cannot be shown: ${recall.reason}.`].join('\n');
  const { agreement, decided, rows, source } = recall;
  const verdict = agreement.agrees
    ? paint('green', 'The journal agrees with the commit: asked again, the engine decides the same.')
    : [
        paint('yellow', 'The journal does not agree with the commit:'),
        ...agreement.differences.map((line) => `  ${line}`),
      ].join('\n');
  const table = whyTable(`${name} at ${utcText(past.at)} (${source})`, rows, decided.sentence, paint);
  return [...lines, table, '', verdict].join('\n');
}

function factsOf(past: PastDecision): [string, string][] {
  const facts: [string, string | null][] = [
    ['time', utcText(past.at)],
    ['trigger', past.trigger === null ? null : triggerWords(past.trigger)],
    ['theme', past.theme === null ? null : `${past.theme}, ${past.step ?? ''}`],
    ['changes', past.changes.length === 0 ? null : past.changes.map(changeText).join(', ')],
    ['parent', past.iter === null || past.theme === null ? null : parentWords(past)],
    ['until', past.until],
    ['verdict', past.iter === null || past.kind === 'other' ? null : verdictWords(past)],
    ['removed', past.removedBy === null ? null : `${past.removedBy.commit.slice(0, 8)} ${past.removedBy.subject}`],
  ];
  return facts.flatMap(([label, text]): [string, string][] => (text === null ? [] : [[label, text]]));
}

function triggerWords({ by, metric, value, limit, n }: NonNullable<PastDecision['trigger']>): string {
  return `${by}: ${metric} ${value.toFixed(2)}, limit ${limit.toFixed(2)}, n ${n}`;
}

function parentWords({ parentIter, proven, kind, toIter }: PastDecision): string {
  const towards = kind === 'recover' || kind === 'undo' ? `, back to ${iterName(toIter)}` : '';
  const quiet = kind !== 'tune' || proven === null ? '' : proven ? ', proven quiet' : ', not proven quiet';
  return `${iterName(parentIter)}${quiet}${towards}`;
}

function verdictWords({ verdict }: PastDecision): string {
  if (verdict === null) return 'none yet';
  return `${verdict.verdict}, edge ${verdict.effect}, n ${verdict.n} (${verdict.commit.slice(0, 8)})`;
}
