/** The commit message of each kind: a function of the data alone, so that the same change always reads the same. */
import { unreachable } from '../problem.ts';
import type { CommitStory, RecoverStory, TuneStory, UndoStory } from './stories.ts';
import { bpsText, changeText, durationText, iterName, iterText, oneLine, secondsText } from './text.ts';
import { TRAIL_KINDS, trailerLines } from './trailers.ts';
import type { Change, TrailEntry, VerdictLine } from './types.ts';

type Trailers = TrailEntry['trailers'];

/** Subject, why, trailers. Ends with a newline. Free text is made one clean line each; empty lines of `why` vanish. */
export function commitMessage(story: CommitStory): string {
  const subject = `${story.kind}(${story.instance}): ${oneLine(subjectOf(story))}`;
  const why = story.why.map(oneLine).filter((line) => line !== '');
  const trailers = trailerLines(trailersOf(story).filter(({ value }) => oneLine(value) !== ''));
  return `${[subject, why.join('\n'), trailers].filter((part) => part !== '').join('\n\n')}\n`;
}

/** `+0.9 bps (95% -0.4..+2.2, n=214)`, without what is not known. */
export function effectText(line: Pick<VerdictLine, 'effectBps' | 'ci95' | 'n'>): string {
  const effect = line.effectBps === null ? 'unavailable' : `${bpsText(line.effectBps)} bps`;
  const interval = line.ci95 === null ? '' : `95% ${bpsText(line.ci95[0])}..${bpsText(line.ci95[1])}, `;
  return `${effect} (${interval}n=${line.n})`;
}

const SUBJECT_REASON_CHARS = 100;

function subjectOf(story: CommitStory): string {
  switch (story.kind) {
    case 'tune':
      return list(`${iterName(story.iter)} ${story.theme}`, story.changes);
    case 'recover':
      return list(`${iterName(story.iter)} back up to ${iterName(story.toIter)}`, story.changes);
    case 'undo':
      return list(`${iterName(story.iter)} undoes ${iterName(story.fromIter)}`, story.changes);
    case 'park':
      return `flat until ${story.until}, ${short(story.trigger)}`;
    case 'hold':
    case 'release':
      return `${story.holdKind === 'park' ? 'park, ' : ''}${short(story.reason)}`;
    case 'verdict':
      return `${iterName(story.iter)} ${story.verdict}, edge ${effectText(story)} against ${iterName(story.against)}`;
    case 'converge':
      return `${ran(story.iterFrom)} -> ${ran(story.iterTo)}, ${story.flat.toLowerCase()}, cost ${story.costUsd} USD`;
    case 'rebase':
      return list(`${iterName(story.iter)} on the edited base`, story.changes);
    case 'rollback':
      return list(`${iterName(story.iter)} with the values of ${iterName(story.to)}`, story.changes);
    case 'suspend':
      return `${story.until === null ? '' : `until ${story.until}, `}${short(story.reason)}`;
    case 'start':
    case 'stop':
    case 'resume':
      return short(story.reason);
    case 'init':
      return `operations repository with ${story.instances.length === 0 ? 'no instances' : story.instances.join(', ')}`;
    default:
      return unreachable(story);
  }
}

function trailersOf(story: CommitStory): Trailers {
  if (!TRAIL_KINDS.includes(story.kind)) throw new Error('unknown kind of commit');
  const instance: Trailers = story.kind === 'init' ? [] : [{ key: 'Instance', value: story.instance }];
  const at: Trailers = story.at === null ? [] : [{ key: 'At', value: secondsText(story.at) }];
  switch (story.kind) {
    case 'tune':
    case 'recover':
    case 'undo':
      return [...instance, ...stepTrailers(story, at)];
    case 'park':
      return [
        ...instance,
        { key: 'Trigger', value: story.trigger },
        ...at,
        { key: 'Until', value: story.until },
        { key: 'Parks', value: String(story.parks) },
      ];
    case 'hold':
    case 'release':
      return [...instance, ...at, { key: 'Kind', value: story.holdKind }, { key: 'Reason', value: story.reason }];
    case 'verdict':
      return [
        ...instance,
        { key: 'Iter', value: iterText(story.iter) },
        { key: 'Against', value: iterText(story.against) },
        ...at,
        { key: 'Verdict', value: story.verdict },
        { key: 'Effect', value: effectText(story).replace(/(?:, | \()n=\d+\)$/, (end) => (end[0] === ',' ? ')' : '')) },
        { key: 'N', value: String(story.n) },
      ];
    case 'converge':
      return [
        ...instance,
        { key: 'Iter-From', value: story.iterFrom === 'none' ? 'none' : iterText(story.iterFrom) },
        { key: 'Iter-To', value: story.iterTo === 'none' ? 'none' : iterText(story.iterTo) },
        ...at,
        { key: 'Flat', value: story.flat },
        { key: 'Cost', value: `${story.costUsd} USD` },
        { key: 'Receipt', value: story.receipt },
      ];
    case 'rebase':
    case 'rollback':
      return [
        ...instance,
        { key: 'Iter', value: iterText(story.iter) },
        ...at,
        { key: 'Base', value: story.base },
        ...changeTrailers(story.changes),
      ];
    case 'start':
    case 'stop':
    case 'suspend':
    case 'resume':
      return [
        ...instance,
        ...at,
        { key: 'Reason', value: story.reason },
        ...(story.until === null ? [] : [{ key: 'Until', value: story.until }]),
      ];
    case 'init':
      return [...story.instances.map((value) => ({ key: 'Instance', value })), ...at];
    default:
      return unreachable(story);
  }
}

function stepTrailers(story: TuneStory | RecoverStory | UndoStory, at: Trailers): Trailers {
  return [
    { key: 'Market', value: story.market },
    { key: 'Iter', value: iterText(story.iter) },
    { key: 'Parent-Iter', value: iterText(story.parentIter) },
    ...(story.kind === 'tune'
      ? []
      : [
          { key: 'From-Iter', value: iterText(story.fromIter) },
          { key: 'To-Iter', value: iterText(story.toIter) },
        ]),
    { key: 'Theme', value: story.theme },
    { key: 'Trigger', value: story.trigger },
    ...at,
    { key: 'Step', value: story.step },
    ...changeTrailers(story.changes),
    { key: 'Proven', value: story.proven ? 'yes' : 'no' },
    ...(story.kind === 'undo'
      ? [
          { key: 'Wait', value: durationText(story.waitMs) },
          { key: 'Forget', value: story.forget },
        ]
      : []),
    { key: 'Env-Digest', value: story.envDigest },
    { key: 'Journal', value: story.journal ?? '' },
    { key: 'Spec', value: story.spec },
    { key: 'Fleet-Spec', value: story.fleetSpec },
  ];
}

const changeTrailers = (changes: Change[]): Trailers =>
  changes.map((change) => ({ key: 'Change', value: changeText(change) }));

const list = (head: string, changes: Change[]): string => [head, ...changes.map(changeText)].join(', ');

const ran = (iter: number | null | 'none'): string => (iter === 'none' ? 'none' : iterName(iter));

function short(reason: string): string {
  const text = oneLine(reason);
  return text.length <= SUBJECT_REASON_CHARS
    ? text
    : `${text.slice(0, SUBJECT_REASON_CHARS - 3).replace(/\p{Surrogate}/gu, '')}...`;
}
