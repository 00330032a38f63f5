/** Env files that nobody meant well: read in time and memory that their size bounds, or refused. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { envDigest } from '../../src/core/env/digest.ts';
import { parseEnv } from '../../src/core/env/read.ts';
import { validateEnv } from '../../src/core/env/validate.ts';
import { setValues } from '../../src/core/env/write.ts';
import { pollutedKeys } from './support.ts';

const read = (text: string) => parseEnv(text, '.env.amzn');
const codes = (text: string) => read(text).problems.map((p) => p.code);
const wide = (n: number, line: (k: number) => string) => Array.from({ length: n }, (_, k) => line(k)).join('\n');

test('ten thousand keys are read, changed and digested', () => {
  const text = wide(10_000, (k) => `MM_KEY_${k}=${k}`);
  const env = read(text);
  expect(env.problems).toEqual([]);
  expect(Object.keys(env.values)).toHaveLength(10_000);
  expect(validateEnv(env, text, '.env.amzn')).toEqual([]);
  const changed = read(setValues(text, [{ key: 'MM_KEY_9999', to: '7' }]));
  expect(changed.values).toEqual({ ...env.values, MM_KEY_9999: '7' });
  expect(envDigest(changed.values)).not.toBe(envDigest(env.values));
});

describe('text that is slow for a careless reader', () => {
  // Each of these takes minutes to years when a pattern is tried from every character, or doubles with each line.
  const N = 900_000;
  const CASES: { name: string; given: string; value: string | RegExp }[] = [
    { name: 'a megabyte of blanks before a letter', given: `K=a${' '.repeat(N)}b`, value: /^a +b$/ },
    { name: 'a megabyte of blanks before the end', given: `K=a${' '.repeat(N)}`, value: 'a' },
    { name: 'a megabyte of blanks before a comment', given: `K=a${' '.repeat(N)}#c`, value: 'a' },
    { name: 'a megabyte of open references', given: `K=${'${'.repeat(N / 2)}`, value: /^(\$\{)+$/ },
    { name: 'open references before a colon', given: `K=${'${'.repeat(N / 2)}:}`, value: /^(\$\{)+:\}$/ },
    { name: 'open fallbacks', given: `K=${'${a:-'.repeat(N / 5)}`, value: /^(\$\{a:-)+$/ },
    { name: 'a long quoted value', given: `K="${'x'.repeat(N)}"`, value: /^x+$/ },
    { name: 'a long value of escaped quotes', given: `K='${"\\'".repeat(N / 2)}'`, value: /^'+$/ },
  ];
  test.each(CASES)('$name', ({ given, value }) => {
    expect(read(given).values['K']).toMatch(value);
  });

  test.each([
    ['a quote that never closes', `K="${'x\n'.repeat(N / 2)}`],
    ['quotes on every line', wide(N / 8, () => 'A="\\"')],
    ['a line of equals signs', '='.repeat(N)],
    ['only quotes', `'`.repeat(N)],
  ])('%s: a problem, no value', (_name, given) => {
    expect(read(given).problems.length).toBeGreaterThan(0);
    expect(read(given).values['K']).toBeUndefined();
  });

  test('billion laughs: each line refers to the one before ten times', () => {
    const given = wide(40, (k) => (k === 0 ? 'A0=lol' : `A${k}=${`\${A${k - 1}}`.repeat(10)}`));
    const env = read(given);
    expect(env.problems.map((p) => p.code)).toEqual(['env-too-large']);
    expect(JSON.stringify(env.values).length).toBeLessThan(5_000_000);
  });

  test('more than a megabyte is refused unread', () => {
    expect(read(`A=1\n#${'x'.repeat(1_000_000)}`)).toMatchObject({ values: {}, problems: [{ code: 'env-too-large' }] });
  });
});

describe('characters', () => {
  test.each([
    ['NUL in a value', 'A=1\nB=x\0y', 2, 4],
    ['NUL in a key', 'A\0=1', 1, 2],
    ['invalid UTF-8', Buffer.from('A=1\n# caf\xe9', 'latin1').toString('utf8'), 2, 6],
    ['invalid UTF-8 after carriage returns', Buffer.from('A=1\rB=\xff', 'latin1').toString('utf8'), 2, 3],
  ])('%s is an error with its place', (_name, given, line, column) => {
    const found = read(given).problems.find((p) => p.code === 'env-encoding');
    expect(found).toMatchObject({ line, column });
    expect(found?.severity).toBeUndefined();
  });

  test('carriage returns alone end lines', () => {
    expect(read('A=1\rB=2\r\rC=3').values).toEqual({ A: '1', B: '2', C: '3' });
  });

  test('names that mean something to JavaScript are plain names', () => {
    const env = read(`__proto__=1\nconstructor=2\ntoString=3\nhasOwnProperty=4\nA=\${__proto__}\${valueOf:-none}`);
    expect(Object.keys(env.values)).toEqual(['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'A']);
    expect(env.values['A']).toBe('1none');
    expect(Object.getOwnPropertyDescriptor(env.values, '__proto__')?.value).toBe('1');
    expect(Object.getPrototypeOf(env.values)).toBe(Object.prototype);
    expect(validateEnv(env, '', '.env')).toEqual([]);
    expect(pollutedKeys()).toEqual([]);
  });

  test('a value is never in a problem', () => {
    const given = 'MM_API_KEY="canary-value-1234\nMM_X=\'canary-value-1234" x\nMM_TOKEN canary-value-1234\n\0';
    expect(codes(given).length).toBeGreaterThan(0);
    expect(JSON.stringify(validateEnv(read(given), given, '.env'))).not.toContain('canary-value');
  });
});

test('property: any text is read in one go, and changing a value of a clean file changes nothing else', () => {
  const pieces = fc.constantFrom(
    'A',
    'MM_X',
    '=',
    '"',
    "'",
    '\\',
    '#',
    ' ',
    '\t',
    '\n',
    '\r',
    '${',
    '}',
    ':-',
    'export ',
    'é',
    '\0',
  );
  const text = fc.array(pieces, { maxLength: 30 }).map((parts) => parts.join(''));
  fc.assert(
    fc.property(text, (given) => {
      const env = read(given);
      for (const entry of env.entries) expect(entry.end).toBeLessThanOrEqual(given.length);
      if (env.problems.length > 0) return;
      const after = read(setValues(given, [{ key: 'MM_NEW', to: '1' }]));
      expect(after.values).toEqual({ ...env.values, MM_NEW: '1' });
    }),
    { numRuns: 3000, interruptAfterTimeLimit: 8_000 },
  );
});

test('property: references mean what the pattern says that the bot uses', () => {
  const pieces = fc.constantFrom('${', '}', ':', '-', ':-', '$', '{', 'A', 'B', 'x');
  const value = fc.array(pieces, { maxLength: 16 }).map((parts) => parts.join(''));
  fc.assert(
    fc.property(value, (given) => {
      const known: Record<string, string> = { A: 'one' };
      const want = given.replace(/\$\{([^}:]*)(?::-([^}]*))?\}/g, (_all, name: string, fallback?: string) =>
        Object.hasOwn(known, name) ? known[name]! : (fallback ?? ''),
      );
      expect(read(`A=one\nK='${given}'`).values['K']).toBe(want);
    }),
    { numRuns: 3000, interruptAfterTimeLimit: 8_000 },
  );
});
