import type { ReplayDecision, ReplayMetrics, ReplayReport, ReplayStateName } from '../../core/replay/types.ts';
import { changeText, iterName } from '../../core/trail/text.ts';
import { utcText } from '../../core/trail/utc.ts';
import type { Paint } from '../io.ts';
import type { ReplayOutcome, ReplayResult } from '../replay-fleet.ts';
import { table } from './table.ts';

/** Each instance with its decisions, what differs from the baseline, the rules, the digest, and what a replay is not. */
export function renderReplay(outcome: ReplayOutcome, paint: Paint): string {
  const { results, baseline, digest } = outcome;
  const rules = results.flatMap((r) => r.rules.map((rule) => ruleLine(r.name, rule, paint)));
  return [
    ...results.flatMap((result) => [...instanceLines(result, baseline, paint), '']),
    ...rules,
    ...(rules.length === 0 ? [] : ['']),
    `decision log ${digest}`,
    'Compares decisions, not profit: a recorded journal cannot react to a change. Each step is followed by a simulated',
    'restart on the same journal (windows begin anew, the cooldown runs); a park passes over it. One instance at a time:',
    'fleet guards, holds and stale journals are not replayed.',
  ].join('\n');
}

/** The same for `--json`. */
export function replayItem(result: ReplayResult) {
  const { name, spec, files, badLines, baseline } = result;
  return {
    name,
    market: spec.market,
    autonomy: spec.autonomy,
    files,
    badLines,
    ...reportItem(result.here, result.metrics),
    rules: result.rules.map(({ text, value, broken }) => ({ rule: text, value, broken })),
    baseline:
      baseline === null
        ? null
        : { ...reportItem(baseline.report, baseline.metrics), difference: { ...baseline.difference } },
  };
}

function reportItem(report: ReplayReport, metrics: ReplayMetrics) {
  const { start, runs, journalS, gaps, leftOut, decisions, timeS, logDigest } = report;
  const rate = (value: number | null, n: number) =>
    value === null ? { unavailable: 'no journal time' } : { value, n };
  return {
    start,
    runs,
    journalS,
    gaps,
    leftOut,
    metrics: {
      ...metrics,
      alarmsPerDay: rate(metrics.alarmsPerDay, metrics.alarms),
      changesPerDay: rate(metrics.changesPerDay, metrics.changes),
    },
    timeS,
    decisions,
    logDigest,
  };
}

function instanceLines(result: ReplayResult, revision: string | null, paint: Paint): string[] {
  const { name, spec, here, metrics, baseline } = result;
  const first = here.runs[0];
  const last = here.runs.at(-1);
  const span = first === undefined || last === undefined ? '' : `, ${utcText(first.startTs)} to ${utcText(last.endTs)}`;
  const runs = `${here.runs.length} run${here.runs.length === 1 ? '' : 's'}`;
  const gaps = here.gaps.count === 0 ? '' : `, ${here.gaps.count} gap${here.gaps.count === 1 ? '' : 's'}`;
  const start = `starts on ${iterName(here.start.iter)} (${here.start.from})`;
  const only = spec.autonomy === 'apply' ? '' : `; autonomy ${spec.autonomy}: replayed as if applied`;
  return [
    `${paint('bold', name)}  ${spec.market}  ${runs}, ${hours(here.journalS)} of journal${gaps}${span}; ${start}${only}`,
    `  ${metricText(metrics)}`,
    `  time: ${timeText(here)}`,
    ...(here.decisions.length === 0 ? ['  no decision'] : decisionTable(here.decisions, paint)),
    ...(baseline === null ? [] : baselineLines(baseline, revision, paint)),
  ];
}

function baselineLines(
  { report, metrics, difference }: NonNullable<ReplayResult['baseline']>,
  revision: string | null,
  paint: Paint,
): string[] {
  const { same, onlyHere, onlyBaseline, firstDivergence } = difference;
  const short = (revision ?? '').slice(0, 12);
  const head = `  baseline ${short}: ${metricText(metrics)}; starts on ${iterName(report.start.iter)} (${report.start.from})`;
  if (firstDivergence === null) return [head, '  same decisions'];
  const side = (d: ReplayDecision | null) => (d === null ? 'nothing' : deed(d));
  const { at, here, baseline } = firstDivergence;
  return [
    head,
    `  ${same} the same, ${onlyHere.length} only here, ${onlyBaseline.length} only in the baseline`,
    `  first divergence ${utcText(at)}: here ${side(here)}; baseline ${side(baseline)}`,
    ...listed('only in the baseline', onlyBaseline, paint),
  ];
}

function listed(title: string, decisions: ReplayDecision[], paint: Paint): string[] {
  return decisions.length === 0 ? [] : [`  ${title}:`, ...decisionTable(decisions, paint)];
}

function metricText(m: ReplayMetrics): string {
  const rate = (value: number | null) => (value === null ? 'unavailable' : `${value.toFixed(2)} a day`);
  return [
    `alarms ${m.alarms} (${rate(m.alarmsPerDay)})`,
    `changes ${m.changes} (${rate(m.changesPerDay)})`,
    `parks ${m.parks}`,
    `hard stops ${m.stops}`,
    `bound hits ${m.boundHits}`,
  ].join(', ');
}

const STATES: readonly ReplayStateName[] = [
  'collecting',
  'insufficient',
  'ok',
  'watch',
  'degraded',
  'stale',
  'unknown',
  'parked',
  'held',
];

/** What would be shown as no minute at all is left out. */
const SHOWN_FROM_S = 30;

function timeText({ timeS }: ReplayReport): string {
  const parts = STATES.flatMap((state) => {
    const seconds = timeS[state];
    return seconds === undefined || seconds < SHOWN_FROM_S ? [] : [`${state} ${hours(seconds)}`];
  });
  return parts.length === 0 ? 'none' : parts.join(', ');
}

function decisionTable(decisions: ReplayDecision[], paint: Paint): string[] {
  const columns = ['AT', 'DECISION', 'ITER', 'RULE', 'VALUE', 'LIMIT', 'N', 'LOOKS', 'WHAT'].map((title) => ({
    title,
  }));
  const number = (value: number | null) => (value === null ? '-' : value.toFixed(2));
  const count = (value: number | null) => (value === null ? '-' : String(value));
  const rows = decisions.map((d) => [
    utcText(d.at),
    d.alarm || d.kind === 'stop' ? paint('red', d.kind) : d.kind,
    d.iterFrom === d.iterTo ? iterName(d.iterFrom) : `${iterName(d.iterFrom)}>${iterName(d.iterTo)}`,
    d.by === null ? '-' : d.metric === d.by ? d.by : `${d.by} ${d.metric}`,
    number(d.value),
    number(d.limit),
    count(d.n),
    count(d.looks),
    what(d),
  ]);
  return table(columns, rows).map((line) => `  ${line}`);
}

const deed = (d: ReplayDecision): string => `${d.kind}${d.by === null ? '' : ` by ${d.by}`}, ${what(d)}`;

function what(d: ReplayDecision): string {
  const bound = d.boundHits.length === 0 ? '' : ` (at bound: ${d.boundHits.join(', ')})`;
  switch (d.kind) {
    case 'tune':
    case 'recover':
    case 'undo':
      return `${d.theme} ${d.step}: ${d.changes.map(changeText).join(', ')}${bound}`;
    case 'park':
      return `flat for ${hours((d.forMs ?? 0) / 1000)}${bound}`;
    case 'stop':
      return 'stopped and held until the next recorded start';
    case 'blocked':
      return `${d.message}${bound}`;
  }
}

function ruleLine(name: string, rule: ReplayResult['rules'][number], paint: Paint): string {
  const value = rule.value === null ? 'unavailable' : Number(rule.value.toFixed(3));
  const word = rule.broken ? paint('red', 'FAILED') : paint('green', 'passed');
  return `${word}  ${name}: ${rule.metric} ${value}, fails on ${rule.text}`;
}

function hours(seconds: number): string {
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}
