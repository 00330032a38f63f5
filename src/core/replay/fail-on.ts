import { fail, ok, type Result } from '../problem.ts';
import { didYouMean } from '../spec/suggest.ts';
import type { ReplayMetrics } from './types.ts';

export const FAIL_ON_METRICS = ['alarmsPerDay', 'changesPerDay', 'parks', 'boundHits'] as const;

/** `alarmsPerDay>0.5`: what a merge check must not see. */
export type FailOn = {
  text: string;
  metric: (typeof FAIL_ON_METRICS)[number];
  operator: '>' | '>=' | '<' | '<=';
  limit: number;
};

/** What became of a rule on one instance. */
export type FailOnResult = FailOn & {
  /** null: it could not be computed, which breaks the rule. */
  value: number | null;
  broken: boolean;
};

/** Reads `METRIC OPERATOR NUMBER`; anything else is a Problem (`replay-bad-rule`) with the nearest metric. */
export function parseFailOn(text: string): Result<FailOn> {
  const match = /^\s*([A-Za-z0-9]+)\s*(>=|<=|>|<)\s*([+-]?(?:\d+\.?\d*|\.\d+))\s*$/.exec(text);
  const metric = FAIL_ON_METRICS.find((name) => name === match?.[1]);
  if (match !== null && metric !== undefined) {
    return ok({ text: text.trim(), metric, operator: match[2] as FailOn['operator'], limit: Number(match[3]) });
  }
  const word = match?.[1] ?? /^\s*([A-Za-z0-9]+)/.exec(text)?.[1] ?? '';
  const known = FAIL_ON_METRICS.some((name) => name === word);
  const near = known ? undefined : didYouMean(word, FAIL_ON_METRICS);
  return fail({
    code: 'replay-bad-rule',
    message: known
      ? `--fail-on: found "${text}", want ${word}, one of > >= < <=, and a number`
      : `--fail-on: "${word}" is no metric of a replay`,
    hint: near ?? `write for example "alarmsPerDay>0.5"; metrics: ${FAIL_ON_METRICS.join(', ')}`,
    retry: 'stalled',
  });
}

/** Holds a rule against an instance's numbers. What is unknown is not zero: it breaks the rule. */
export function checkFailOn(rule: FailOn, metrics: ReplayMetrics): FailOnResult {
  const value = metrics[rule.metric];
  return { ...rule, value, broken: value === null || compares(value, rule.operator, rule.limit) };
}

function compares(value: number, operator: FailOn['operator'], limit: number): boolean {
  switch (operator) {
    case '>':
      return value > limit;
    case '>=':
      return value >= limit;
    case '<':
      return value < limit;
    case '<=':
      return value <= limit;
  }
}
