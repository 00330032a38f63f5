/** Rules of one instance that a schema cannot say. */
import { parseIterName } from '../env/iter.ts';
import { isForbiddenKey, isSecretKey } from '../env/keys.ts';
import { keyLimits, range } from '../env/validate.ts';
import { isUtc } from '../trail/utc.ts';
import { CATALOGUE } from '../tuning/catalogue.ts';
import { isInside } from './paths.ts';
import { type Flaw, pathText } from './schema.ts';
import { didYouMean } from './suggest.ts';
import type { Instance } from './types.ts';

/** Everything wrong with a valid-looking instance; warnings carry their severity. */
export function ruleFlaws(instance: Instance): Flaw[] {
  return [
    ...pathFlaws(instance),
    ...suspendFlaws(instance),
    ...environmentFlaws(instance),
    ...boundsFlaws(instance),
    ...customKeyFlaws(instance),
    ...crossedFlaws(instance),
    ...noisyRule(instance),
  ];
}

function flaw(path: string[], text: string, hint: string): Flaw {
  return { code: 'spec-rule', path, at: 'value', message: `${pathText(path)}: ${text}`, hint };
}

function pathFlaws({ baseEnv }: Instance): Flaw[] {
  const path = ['spec', 'baseEnv'];
  if (!isInside(baseEnv)) {
    return [
      flaw(
        path,
        'found a path outside the repository, want one inside',
        'the base env is tracked: move it under fleet/env/',
      ),
    ];
  }
  // Iters are committed beside it: what git cannot be told would refuse the commits of every other instance too.
  if (/[\u0000-\u001f"\\]/.test(baseEnv) || baseEnv.split('/').some((part) => part.toLowerCase() === '.git')) {
    return [
      flaw(
        path,
        'found a quote, a backslash, a control character or a .git folder, want a plain path',
        'git mv it to a plain path, such as fleet/env/NAME/.env.NAME',
      ),
    ];
  }
  const iter = parseIterName(baseEnv);
  return iter === null
    ? []
    : [
        flaw(
          path,
          'found an iter, want the base env',
          `iters belong to ${iter.basePath.slice(iter.basePath.lastIndexOf('/') + 1)}`,
        ),
      ];
}

function suspendFlaws({ suspend }: Instance): Flaw[] {
  if (suspend?.until == null || isUtc(suspend.until)) return [];
  return [
    flaw(
      ['spec', 'suspend', 'until'],
      `found ${suspend.until}, want a day that exists`,
      'write it as 2026-12-01T06:00:00Z',
    ),
  ];
}

function environmentFlaws({ runtime }: Instance): Flaw[] {
  if (runtime.kind !== 'process') return [];
  return Object.keys(runtime.environment).flatMap((key) => {
    const path = ['spec', 'runtime', 'process', 'environment', key];
    if (isSecretKey(key))
      return [
        {
          ...flaw(path, 'found a secret key in a tracked file', 'put it into a file named in spec.secrets'),
          at: 'key' as const,
        },
      ];
    if (/^MM(FLEET)?_/i.test(key))
      return [
        {
          ...flaw(path, 'a variable of the process beats the env file', 'put it into the base env'),
          at: 'key' as const,
        },
      ];
    return [];
  });
}

function boundsFlaws({ tuning }: Instance): Flaw[] {
  const known = [...Object.keys(CATALOGUE), ...Object.keys(tuning.keys)];
  return Object.entries(tuning.bounds).flatMap(([key, { min, max }]) => {
    const path = ['spec', 'tuning', 'bounds', key];
    if (isForbiddenKey(key)) return [{ ...flaw(path, 'this key is never tuned', 'remove it'), at: 'key' as const }];
    if (!known.includes(key)) {
      return [
        {
          ...flaw(path, 'found a key that is not tuned', didYouMean(key, known) ?? 'opt it in under spec.tuning.keys'),
          at: 'key' as const,
        },
      ];
    }
    const limits = Object.hasOwn(tuning.keys, key) ? undefined : keyLimits(key);
    const flaws: Flaw[] = [];
    for (const [name, value] of [
      ['min', min],
      ['max', max],
    ] as const) {
      if (value === null || limits === undefined) continue;
      const low =
        limits.hardMin !== null &&
        (limits.exclusiveMin ? value <= Number(limits.hardMin) : value < Number(limits.hardMin));
      const high = limits.hardMax !== null && value > Number(limits.hardMax);
      if (low || high)
        flaws.push(
          flaw(
            [...path, name],
            `found ${value}, want ${range(limits)}`,
            'bounds may narrow, never pass the limits at which the bot refuses to start',
          ),
        );
      if (limits.type === 'int' && !Number.isInteger(value))
        flaws.push(
          flaw(
            [...path, name],
            `found ${value}, want a whole number (${limits.unit})`,
            'the bot refuses fractions of it',
          ),
        );
    }
    const info = Object.hasOwn(CATALOGUE, key) ? CATALOGUE[key] : undefined;
    const lowest = min ?? (info?.min == null ? null : Number(info.min));
    const highest = max ?? (info?.max == null ? null : Number(info.max));
    if (lowest !== null && highest !== null && lowest > highest)
      flaws.push(
        flaw(path, `found ${lowest}..${highest}, want min <= max`, 'a side that is not named keeps its default'),
      );
    return flaws;
  });
}

function customKeyFlaws({ tuning }: Instance): Flaw[] {
  return Object.entries(tuning.keys).flatMap(([key, custom]) => {
    const path = ['spec', 'tuning', 'keys', key];
    if (isForbiddenKey(key)) return [{ ...flaw(path, 'this key is never tuned', 'remove it'), at: 'key' as const }];
    if (custom.min !== null && custom.max !== null && custom.min > custom.max)
      return [flaw(path, `found ${custom.min}..${custom.max}, want min <= max`, 'swap them')];
    return [];
  });
}

function crossedFlaws({ venue, runtime, tuning, health }: Instance): Flaw[] {
  const pairs: [path: string[], low: number, high: number, words: string][] = [
    [
      ['spec', 'venue', 'flatten', 'slippageBps'],
      venue.flatten.slippageBps.start,
      venue.flatten.slippageBps.max,
      'start <= max',
    ],
    [['spec', 'runtime', runtime.kind, 'backoff'], runtime.backoff.initialMs, runtime.backoff.maxMs, 'initial <= max'],
    [['spec', 'tuning', 'park'], tuning.park.forMs, tuning.park.maxMs, 'for <= max'],
    [['spec', 'tuning', 'recover'], tuning.recover.quietForMs, tuning.recover.maxWaitMs, 'quietFor <= maxWait'],
    ...Object.entries(health.signals).map(([name, signal]): [string[], number, number, string] => [
      ['spec', 'health', 'signals', name],
      signal.minFills,
      signal.windowFills,
      'minFills <= windowFills',
    ]),
  ];
  return pairs
    .filter(([, low, high]) => low > high)
    .map(([path, low, high, words]) => flaw(path, `found ${low} and ${high}, want ${words}`, 'correct one of the two'));
}

/** Measured in simulation: the literal rule stops a healthy instance 22.9 times a day. */
function noisyRule({ health }: Instance): Flaw[] {
  const { min, lastFills, action } = health.limits.realizedPnlUsd;
  if (min === null || action === 'report' || lastFills >= 100) return [];
  return [
    {
      ...flaw(
        ['spec', 'health', 'limits', 'realizedPnlUsd'],
        `acting on the PnL of the last ${lastFills} fills mistakes noise for loss: with 10 fills it stopped a healthy instance 22.9 times a day`,
        'keep action: report; the signals decide over hundreds of fills',
      ),
      severity: 'warning',
    },
  ];
}
