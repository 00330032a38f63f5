import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { envDigest, runtimeDigest } from '../../../src/core/env/digest.ts';
import { desiredEnvPath, iterFileName, listIters, parseIterName, renderIter } from '../../../src/core/env/iter.ts';
import { FORBIDDEN_KEYS, isForbiddenKey, isSecretKey } from '../../../src/core/env/keys.ts';
import { parseEnv } from '../../../src/core/env/read.ts';
import { rebaseIter } from '../../../src/core/env/rebase.ts';
import { validateEnv } from '../../../src/core/env/validate.ts';
import type { Instance } from '../../../src/core/spec/types.ts';
import type { IterStory } from '../../../src/core/trail/types.ts';

const BASE = 'fleet/env/amzn/.env.amzn';

describe('names of iter files', () => {
  test('three digits at least', () => {
    expect(iterFileName(BASE, 7)).toBe(`${BASE}.iter007`);
    expect(iterFileName(BASE, 1234)).toBe(`${BASE}.iter1234`);
  });

  test.each(['.iter000', '.iter7', '.iter0007', '.iter007.bak', '', '.iterx'])('%s is no iter', (suffix) => {
    expect(parseIterName(BASE + suffix)).toBeNull();
  });

  test('the name and its number are one thing', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 999_999_999 }), (iter) => {
        expect(parseIterName(iterFileName(BASE, iter))).toEqual({ basePath: BASE, iter });
      }),
    );
  });

  test('the highest iter present should run, else the base', () => {
    const paths = [
      BASE,
      `${BASE}.iter009`,
      `${BASE}.iter1000`,
      `${BASE}.verdicts`,
      'fleet/env/amzn/.env.amzn2.iter2000',
    ];
    expect(listIters(paths, BASE)).toEqual([9, 1000]);
    expect(desiredEnvPath(paths, BASE)).toEqual({ path: `${BASE}.iter1000`, iter: 1000 });
    expect(desiredEnvPath([BASE], BASE)).toEqual({ path: BASE, iter: null });
  });
});

const STORY: IterStory = {
  instance: 'amzn',
  market: 'AMZN-USD',
  iter: 7,
  parentIter: 6,
  theme: 'spread-offset',
  step: 'widen x1.5',
  trigger: 'fast, markout5sBps -1.32 < -0.50 (n=204, 10 in a row)',
  changes: [
    { key: 'MM_SPREAD_MULTIPLIER', from: '1.2', to: '1.8' },
    { key: 'MM_MIN_OFFSET_BPS', from: '4', to: '6' },
  ],
};

describe('the text of an iter', () => {
  const parent = [
    '# mmfleet iter006 of .env.amzn, parent base',
    '# theme: reprice',
    '# trigger: by hand',
    '# change: MM_NUM_PRICE_LEVELS 3 -> 2',
    '# our own comment',
    'MM_SPREAD_MULTIPLIER="1.2"  # wide',
    'MM_API_KEY=abcdefgh',
    'MM_MIN_OFFSET_BPS=4',
    '',
  ].join('\n');

  test('is the parent with the changes, less secrets, headed by its own story only', () => {
    expect(renderIter(parent, '.env.amzn', STORY)).toEqual({
      text: [
        '# mmfleet iter007 of .env.amzn, parent iter006',
        '# theme: spread-offset',
        '# trigger: fast, markout5sBps -1.32 < -0.50 (n=204, 10 in a row)',
        '# change: MM_SPREAD_MULTIPLIER 1.2 -> 1.8, MM_MIN_OFFSET_BPS 4 -> 6',
        '# our own comment',
        'MM_SPREAD_MULTIPLIER="1.8"  # wide',
        'MM_MIN_OFFSET_BPS=6',
        '',
      ].join('\n'),
      secretKeysRemoved: ['MM_API_KEY'],
    });
  });

  test('headers do not pile up', () => {
    const once = renderIter(parent, '.env.amzn', STORY).text;
    const twice = renderIter(once, '.env.amzn', { ...STORY, iter: 8, parentIter: 7 }).text;
    expect(twice.match(/# mmfleet/g)).toHaveLength(1);
    expect(twice).toContain('# mmfleet iter008 of .env.amzn, parent iter007');
  });

  test('a trigger with a line break cannot smuggle in a setting', () => {
    const text = renderIter('A=1\r\n', '.env.amzn', {
      ...STORY,
      changes: [],
      trigger: 'x\nMM_MARKET_NAME=BTC-USD',
    }).text;
    expect(parseEnv(text, '').values).toEqual({ A: '1' });
    expect(text.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/);
  });
});

const RUNTIME: Instance['runtime'] = {
  kind: 'process',
  command: ['python', '-m', 'market_maker'],
  cwd: '../bot',
  envFileVariable: 'ENV',
  environment: {},
  stop: { signal: 'SIGINT', timeoutMs: 60_000 },
  startTimeoutMs: 60_000,
  backoff: { initialMs: 10_000, maxMs: 600_000, stableAfterMs: 600_000, crashLoopAfter: 5 },
};

describe('digests', () => {
  const digestOf = (text: string) => envDigest(parseEnv(text, '').values);

  test('comments, quotes and the order of lines do not count; values do', () => {
    expect(digestOf('# x\nB="2"\nA=1 # c\n')).toBe(digestOf('A=1\r\nB=2'));
    expect(digestOf('A=1')).not.toBe(digestOf('A=2'));
    expect(digestOf('A=1\nB=2')).not.toBe(digestOf('A="1\nB=2"'));
  });

  test('is pinned: it stands in commits', () => {
    // printf '{"A":"1","B":"2"}' | sha256sum
    expect(digestOf('B=2\nA=1')).toBe('sha256:3eda2f06741f1d082a60e34bf134dace8b60136ae69b552a2137bd898f27ea85');
  });

  test('the running digest counts the runtime block and the names of secrets, in any order', () => {
    const one = runtimeDigest({ A: '1' }, RUNTIME, ['MM_API_KEY', 'X']);
    expect(runtimeDigest({ A: '1' }, RUNTIME, ['X', 'MM_API_KEY'])).toBe(one);
    expect(runtimeDigest({ A: '1' }, RUNTIME, ['X'])).not.toBe(one);
    expect(runtimeDigest({ A: '1' }, { ...RUNTIME, cwd: '../other' }, ['X', 'MM_API_KEY'])).not.toBe(one);
  });
});

const REBASES: { name: string; old: string; now: string; iter: string; want: Record<string, string> }[] = [
  {
    name: 'tuned keys move onto the new base',
    old: 'MM_A=1\nMM_B=1',
    now: 'MM_A=1\nMM_B=2',
    iter: 'MM_A=5\nMM_B=1',
    want: { MM_A: '5' },
  },
  { name: 'a tuned key the person changed follows the person', old: 'MM_A=1', now: 'MM_A=2', iter: 'MM_A=5', want: {} },
  { name: 'a tuned key the person removed follows the person', old: 'MM_A=1', now: '', iter: 'MM_A=5', want: {} },
  {
    name: 'another spelling of a number is no change',
    old: 'MM_A=1',
    now: 'MM_A=1.0',
    iter: 'MM_A=5',
    want: { MM_A: '5' },
  },
  { name: 'a key that only the iter has', old: '', now: 'MM_X=1', iter: 'MM_A=5', want: { MM_A: '5' } },
  {
    name: 'a forbidden key is never carried',
    old: 'MM_MARKET_NAME=A',
    now: 'MM_MARKET_NAME=A',
    iter: 'MM_MARKET_NAME=B',
    want: {},
  },
  {
    name: 'a carried value never crosses the person in an order',
    old: 'MM_MIN_OFFSET_BPS=3\nMM_MAX_OFFSET_BPS=50',
    now: 'MM_MIN_OFFSET_BPS=3\nMM_MAX_OFFSET_BPS=5',
    iter: 'MM_MIN_OFFSET_BPS=9\nMM_MAX_OFFSET_BPS=50',
    want: {},
  },
];

test.each(REBASES)('rebase: $name', ({ old, now, iter, want }) => {
  const changes = rebaseIter(parseEnv(old, '').values, parseEnv(now, '').values, parseEnv(iter, '').values);
  expect(Object.fromEntries(changes.map((c) => [c.key, c.to]))).toEqual(want);
});

const ENVS: { name: string; given: string; want: string[] }[] = [
  {
    name: 'a good file',
    given: 'MM_NUM_PRICE_LEVELS=3.0\nMM_SPREAD_MULTIPLIER=1E-1\nMM_ADAPTIVE_POF_ENABLED=yes',
    want: [],
  },
  { name: 'a glued comment', given: 'MM_SPREAD_MULTIPLIER=4#c', want: ['env-refused'] },
  { name: 'an empty number', given: 'MM_SPREAD_MULTIPLIER=', want: ['env-refused'] },
  { name: 'an empty position cap', given: 'MM_MAX_POSITION_SIZE=', want: ['env-refused'] },
  { name: 'a broken integer', given: 'MM_NUM_PRICE_LEVELS=3.5', want: ['env-refused'] },
  { name: 'past the hard limit', given: 'MM_NUM_PRICE_LEVELS=21', want: ['env-refused'] },
  { name: 'the excluded minimum', given: 'MM_SPREAD_MULTIPLIER=0', want: ['env-refused'] },
  { name: 'not a number at all', given: 'MM_MIN_OFFSET_BPS=NaN', want: ['env-refused'] },
  { name: 'a broken boolean', given: 'MM_ADAPTIVE_POF_ENABLED=maybe', want: ['env-refused'] },
  { name: 'only the last of duplicates counts', given: 'MM_NUM_PRICE_LEVELS=x\nMM_NUM_PRICE_LEVELS=2', want: [] },
  { name: 'offsets crossed', given: 'MM_MIN_OFFSET_BPS=20\nMM_MAX_OFFSET_BPS=10', want: ['env-ordering'] },
  { name: 'crossed against a default', given: 'MM_MIN_OFFSET_BPS=101', want: ['env-ordering'] },
  { name: 'regimes crossed', given: 'MM_VOL_REGIME_CALM_BPS=21', want: ['env-ordering'] },
  { name: 'bands crossed', given: 'MM_INVENTORY_CRITICAL_PCT=0.96', want: ['env-ordering'] },
  { name: 'post-only distance above its maximum', given: 'MM_POST_ONLY_SAFETY_TICKS=9', want: ['env-ordering'] },
  { name: 'a secret', given: 'MM_API_KEY=abcdefgh', want: ['env-secret-in-git'] },
  { name: 'a secret under a later empty one', given: 'MM_API_KEY=abcdefgh\nMM_API_KEY=', want: ['env-secret-in-git'] },
  { name: 'a secret in a comment', given: '# MM_API_KEY=abcdefgh', want: ['env-secret-in-comment'] },
  { name: 'a secret key without a value', given: 'MM_API_KEY=', want: [] },
];

test.each(ENVS)('checking an env: $name', ({ given, want }) => {
  const problems = validateEnv(parseEnv(given, '.env'), given, '.env');
  expect(problems.map((p) => p.code)).toEqual(want);
  expect(JSON.stringify(problems)).not.toContain('abcdefgh');
});

test('a refused value comes with its place and line', () => {
  const text = '# levels\nMM_NUM_PRICE_LEVELS=21\n';
  expect(validateEnv(parseEnv(text, '.env'), text, '.env')).toMatchObject([
    {
      message: 'MM_NUM_PRICE_LEVELS: found "21", want a whole number (levels) 1..20; the bot would refuse to start',
      file: '.env',
      line: 2,
      column: 1,
      sourceLine: 'MM_NUM_PRICE_LEVELS=21',
    },
  ]);
});

test('the eleven forbidden keys and every secret-like name', () => {
  expect(FORBIDDEN_KEYS).toHaveLength(11);
  for (const name of [
    'mm_api_key',
    'DB_PASSWORD',
    'SOME_TOKEN_2',
    'MM_STARK_PUBLIC_KEY',
    'MM_VAULT_ID',
    'X_MNEMONIC',
  ]) {
    expect(isSecretKey(name), name).toBe(true);
  }
  expect(isSecretKey('MM_SPREAD_MULTIPLIER')).toBe(false);
  expect(FORBIDDEN_KEYS.filter((key) => !isForbiddenKey(key.toLowerCase()))).toEqual([]);
});
