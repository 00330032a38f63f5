/** The words of messages: functions of the numbers alone. */

import { plain } from '../decimal.ts';
import type { Alarm } from '../health/run.ts';
import type { TuningPolicy } from '../spec/types.ts';
import { boundsOf, type StepChoice } from './step-values.ts';
import type { Trigger } from './types.ts';

export function triggerOf(alarm: Alarm): Trigger {
  return {
    by: alarm.signal,
    metric: metricText(alarm.metric),
    value: alarm.valueBps,
    limit: alarm.limitBps,
    n: alarm.n,
    looks: alarm.looks,
  };
}

/** `netMarkout5sBps` -> `markout5sBps`, as commits name it. */
export function metricText(metric: string): string {
  return metric.replace(/^net/, '').replace(/^./, (first) => first.toLowerCase());
}

export function alarmText(alarm: Alarm): string {
  const horizon = alarm.metric === 'netMarkout60sBps' ? '+60 s' : '+5 s';
  return `Signal ${alarm.signal}: ${horizon} markout averaged ${shown(alarm.valueBps)} bps over ${alarm.n} fills, limit ${shown(alarm.limitBps)}, ${alarm.looks} looks in a row.`;
}

export function stepText(choice: StepChoice & { taken: true }, tuning: TuningPolicy): string {
  const { min, max } = boundsOf(choice.changes[0]!.key, tuning);
  const bounds =
    min === null && max === null ? '' : `; bounds ${min === null ? '' : plain(min)}..${max === null ? '' : plain(max)}`;
  const factor = choice.factor === null ? '' : ` x${choice.factor}`;
  return `Step ${choice.step}${factor} in ${choice.theme}${bounds}.`;
}

/** `iter007`, or `base` for the base env. */
export function iterText(iter: number | null): string {
  return iter === null ? 'base' : `iter${String(iter).padStart(3, '0')}`;
}

export function shown(value: number): string {
  return value.toFixed(2);
}

export function hoursText(seconds: number): string {
  if (!Number.isFinite(seconds)) return 'as long as is known';
  return seconds >= 3600 ? `${Number((seconds / 3600).toFixed(1))} h` : `${Math.round(seconds / 60)} min`;
}
