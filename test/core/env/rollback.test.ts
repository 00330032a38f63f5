import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isForbiddenKey } from '../../../src/core/env/keys.ts';
import { rollbackValues } from '../../../src/core/env/rollback.ts';
import type { EnvValues } from '../../../src/core/tuning/types.ts';

const FREE = { keys: {}, bounds: {} };
const base: EnvValues = {
  MM_MAX_POSITION_SIZE: '100',
  MM_LOG: 'info',
  MM_SPREAD_MULTIPLIER: '1.2',
  MM_MIN_OFFSET_BPS: '4',
};

test.each([
  {
    name: 'the target is the base: tuned values go back',
    given: { base, desired: { ...base, MM_SPREAD_MULTIPLIER: '1.8' }, target: base },
    want: { onBase: [], changes: [{ key: 'MM_SPREAD_MULTIPLIER', from: '1.8', to: '1.2' }], kept: [] },
  },
  {
    name: 'forbidden and unknown keys stay as in the base of today',
    given: {
      base,
      desired: base,
      target: { ...base, MM_MAX_POSITION_SIZE: '50', MM_LOG: 'debug', MM_MIN_OFFSET_BPS: '6' },
    },
    want: {
      onBase: [{ key: 'MM_MIN_OFFSET_BPS', from: '4', to: '6' }],
      changes: [{ key: 'MM_MIN_OFFSET_BPS', from: '4', to: '6' }],
      kept: ['MM_LOG', 'MM_MAX_POSITION_SIZE'],
    },
  },
  {
    name: 'a hand-edited forbidden key of what is desired goes back as well',
    given: { base, desired: { ...base, MM_MAX_POSITION_SIZE: '500' }, target: base },
    want: { onBase: [], changes: [{ key: 'MM_MAX_POSITION_SIZE', from: '500', to: '100' }], kept: [] },
  },
  {
    name: 'a tunable key that neither base nor target has gets its default, so that no key vanishes',
    given: { base, desired: { ...base, MM_NUM_PRICE_LEVELS: '5' }, target: base },
    want: {
      onBase: [{ key: 'MM_NUM_PRICE_LEVELS', from: null, to: '2' }],
      changes: [{ key: 'MM_NUM_PRICE_LEVELS', from: '5', to: '2' }],
      kept: [],
    },
  },
  {
    name: 'a key that the base got since stays',
    given: { base: { ...base, MM_MAX_OFFSET_BPS: '40' }, desired: { ...base, MM_MAX_OFFSET_BPS: '40' }, target: base },
    want: { onBase: [], changes: [], kept: [] },
  },
])('$name', ({ given, want }) => expect(rollbackValues(given, FREE)).toMatchObject(want));

test('a value outside the bounds is kept and named', () => {
  const policy = { keys: {}, bounds: { MM_SPREAD_MULTIPLIER: { min: 0.8, max: 1.5 } } };
  const target = { ...base, MM_SPREAD_MULTIPLIER: '1.8' };
  const rolled = rollbackValues({ base, desired: base, target }, policy);
  expect(rolled.outOfBounds).toEqual(['MM_SPREAD_MULTIPLIER=1.8, bounds 0.8..1.5']);
  expect(rolled.onBase).toEqual([{ key: 'MM_SPREAD_MULTIPLIER', from: '1.2', to: '1.8' }]);
});

test('never a change of a forbidden key on the base', () => {
  const key = fc.constantFrom('MM_MAX_POSITION_SIZE', 'MM_API_KEY', 'MM_OFFSET_MODE', 'MM_MIN_OFFSET_BPS', 'MM_LOG');
  const env = fc.dictionary(key, fc.constantFrom('1', '2', 'x'));
  fc.assert(
    fc.property(env, env, env, (b, desired, target) => {
      const rolled = rollbackValues({ base: b, desired, target }, FREE);
      expect(rolled.onBase.filter((c) => isForbiddenKey(c.key))).toEqual([]);
    }),
  );
});
