import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compareDecimals, Decimal } from '../../src/core/decimal.ts';

const digits = (maxLength: number) =>
  fc.array(fc.constantFrom(...'0123456789'), { minLength: 1, maxLength }).map((each) => each.join(''));
const number = fc
  .tuple(
    fc.constantFrom('', '-', '+'),
    digits(14),
    fc.constantFrom('', '.'),
    digits(14),
    fc.constantFrom('', 'e3', 'E-7', 'e-400', 'e999'),
  )
  .map(([sign, whole, dot, part, power]) =>
    dot === '' ? `${sign}${whole}${power}` : `${sign}${whole}.${part}${power}`,
  );

test('two decimals are in the order of their exact values, however they are written', () => {
  const near = fc.tuple(number, fc.constantFrom('', '0', '1', '00')).map(([a, end]): [string, string] => {
    return [a, a.includes('.') && !/e/i.test(a) ? a + end : a];
  });
  fc.assert(
    fc.property(fc.oneof(fc.tuple(number, number), near), ([a, b]) => {
      expect(Math.sign(compareDecimals(a, b))).toBe(new Decimal(a).cmp(b));
      expect(Math.sign(compareDecimals(b, a))).toBe(new Decimal(b).cmp(a));
    }),
  );
});
