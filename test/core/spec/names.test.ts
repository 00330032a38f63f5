import { describe, expect, test } from 'vitest';
import { resolveNames } from '../../../src/core/spec/names.ts';
import { isInside, resolveFrom } from '../../../src/core/spec/paths.ts';
import { nearest } from '../../../src/core/spec/suggest.ts';

const instance = (name: string, market: string) => ({
  name,
  market,
  baseEnv: `fleet/env/${name}/.env.${name}`,
  file: `fleet/${name}.yaml`,
});
const FLEET = [
  instance('amzn', 'AMZN-USD'),
  instance('amzn24', 'AMZN_24_5-USD'),
  instance('mon', 'MON-USD'),
  instance('mon2', 'MON-EUR'),
];

describe('naming instances', () => {
  test.each([
    'amzn',
    'AMZN',
    'AMZN-USD',
    'amzn-usd',
    '.env.amzn',
    'env.amzn',
    'fleet/amzn.yaml',
    './fleet/amzn.yaml',
    'amzn.yaml',
    'fleet/env/amzn/.env.amzn',
  ])('%s is amzn', (word) => {
    expect(resolveNames([word], FLEET)).toEqual({ ok: true, value: [FLEET[0]] });
  });

  test('a market that only begins the same is another instance', () => {
    expect(resolveNames(['AMZN_24_5-USD'], FLEET)).toEqual({ ok: true, value: [FLEET[1]] });
  });

  test('no name is all, a name twice is once, order is kept', () => {
    expect(resolveNames([], FLEET)).toEqual({ ok: true, value: FLEET });
    expect(resolveNames(['mon', 'amzn', 'MON-USD'], FLEET)).toEqual({ ok: true, value: [FLEET[2], FLEET[0]] });
  });

  test('an ambiguous word is refused with the candidates', () => {
    const two = [instance('a', 'BTC-USD'), { ...instance('b', 'BTC-USD') }];
    expect(resolveNames(['BTC-USD'], two)).toMatchObject({
      ok: false,
      problem: { code: 'name-ambiguous', hint: 'name one of a, b' },
    });
  });

  test('an unknown word gets a suggestion', () => {
    expect(resolveNames(['amznn'], FLEET)).toMatchObject({
      ok: false,
      problem: { code: 'name-unknown', hint: 'did you mean "amzn"?' },
    });
    expect(resolveNames(['zzzzzz'], FLEET)).toMatchObject({
      ok: false,
      problem: { hint: 'known: amzn, amzn24, mon, mon2' },
    });
  });
});

test.each([
  ['fleet/a.yaml', 'env/.env.a', 'fleet/env/.env.a'],
  ['fleet/a.yaml', '../secrets/a.env', 'secrets/a.env'],
  ['fleet/a.yaml', '../../bot', '../bot'],
  ['fleet/a.yaml', './x//y/./z', 'fleet/x/y/z'],
  ['fleet/a.yaml', '/srv/../../bot', '/bot'],
  ['fleet/a.yaml', '..', '.'],
])('a path in %s: %s is %s', (from, path, want) => {
  expect(resolveFrom(from, path)).toBe(want);
});

test('inside the repository', () => {
  expect(['fleet/a', 'a', '..a'].map(isInside)).toEqual([true, true, true]);
  expect(['../a', '..', '/a', '.'].map(isInside)).toEqual([false, false, false, false]);
});

test('the nearest word is named only when it is near and alone', () => {
  expect(nearest('helth', ['health', 'host'])).toBe('health');
  expect(nearest('Stoped', ['Running', 'Stopped'])).toBe('Stopped');
  expect(nearest('min', ['max'])).toBeUndefined();
  expect(nearest('mox', ['mix', 'max'])).toBeUndefined();
});
