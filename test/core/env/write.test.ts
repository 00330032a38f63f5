// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the references are the bot's own, not ours
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseEnv } from '../../../src/core/env/read.ts';
import { removeKeys, setValues } from '../../../src/core/env/write.ts';

const WRITES: { name: string; given: string; set: [string, string][]; want: string }[] = [
  {
    name: 'keeps spacing and comment',
    given: 'MM_A  =  4   # c\n',
    set: [['MM_A', '4.5']],
    want: 'MM_A  =  4.5   # c\n',
  },
  {
    name: 'keeps quotes',
    given: `MM_A="4"\nMM_B='1'\n`,
    set: [
      ['MM_A', '5'],
      ['MM_B', '2'],
    ],
    want: `MM_A="5"\nMM_B='2'\n`,
  },
  { name: 'all duplicates', given: 'MM_A=1\nexport MM_A=2\n', set: [['MM_A', '3']], want: 'MM_A=3\nexport MM_A=3\n' },
  { name: 'other case', given: 'mm_a=1\n', set: [['MM_A', '3']], want: 'mm_a=3\n' },
  {
    name: 'the # of a glued comment is part of the value',
    given: 'MM_A=4#c\n',
    set: [['MM_A', '5']],
    want: 'MM_A=5\n',
  },
  { name: 'appends a missing key', given: 'MM_A=1', set: [['MM_B', '2']], want: 'MM_A=1\nMM_B=2\n' },
  { name: 'appends with CRLF', given: 'MM_A=1\r\n', set: [['MM_B', '2']], want: 'MM_A=1\r\nMM_B=2\r\n' },
  { name: 'gives a key alone its value', given: 'MM_A\n', set: [['MM_A', '2']], want: 'MM_A=2\n' },
  { name: 'an empty value before a comment', given: 'MM_A=1 # c\n', set: [['MM_A', '']], want: 'MM_A="" # c\n' },
  { name: 'no change, no byte', given: 'MM_A="1"', set: [['MM_A', '1']], want: 'MM_A="1"' },
];

test.each(WRITES)('writing: $name', ({ given, set, want }) => {
  const changes = set.map(([key, to]) => ({ key, to }));
  expect(setValues(given, changes)).toBe(want);
});

test('removing keys takes their lines only', () => {
  const text = 'A=1\n  export MM_API_KEY = "x\ny" # c\nB=2\nMM_API_KEY=z';
  expect(removeKeys(text, (key) => key === 'MM_API_KEY')).toBe('A=1\nB=2\n');
});

const value = fc.oneof(
  fc.integer().map(String),
  fc.string({ unit: 'grapheme', maxLength: 12 }).map((s) => s.replace(/\r/g, '')),
  fc
    .array(fc.constantFrom('\\', '"', "'", '#', ' ', '$', '{', '}', '${MM_A}', '\n', 'a', '='), { maxLength: 8 })
    .map((p) => p.join('')),
);
const key = fc.constantFrom('MM_A', 'MM_B', 'MM_C', 'MM_D');
/** Lines that parse, in every form the reader knows. */
const line = fc.oneof(
  fc.constantFrom('', '# a comment', '   ', 'hello', 'mm_a', '# "quoted" \' words'),
  fc
    .tuple(
      fc.constantFrom('', 'export ', '  '),
      key,
      fc.constantFrom('=', ' = ', '= '),
      fc.constantFrom('1.5', '"2"', "'3'", '', '4#c', 'a b', '"x\ny"', String.raw`"a\"b"`),
      fc.constantFrom('', ' # c', '  '),
    )
    .map((parts) => parts.join('')),
);
const file = fc
  .tuple(fc.array(line, { maxLength: 8 }), fc.constantFrom('\n', '\r\n'), fc.boolean())
  .map(([lines, eol, end]) => lines.join(eol) + (end ? eol : ''));

describe('properties of writing', () => {
  test('what is written is read back, and nothing else changes', () => {
    fc.assert(
      fc.property(file, fc.dictionary(key, value, { maxKeys: 3 }), (text, wanted) => {
        const before = parseEnv(text, '');
        const after = parseEnv(
          setValues(
            text,
            Object.entries(wanted).map(([k, to]) => ({ key: k, to })),
          ),
          '',
        );
        const untouched = Object.entries(before.values).filter(([k]) => !Object.hasOwn(wanted, k));
        expect(after.values).toEqual({ ...Object.fromEntries(untouched), ...wanted });
        expect(after.problems.map((p) => p.code)).not.toContain('env-unknown-reference');
      }),
      { numRuns: 2000 },
    );
  });

  test('every byte that is not a changed value stays', () => {
    fc.assert(
      fc.property(file, key, value, (text, changed, to) => {
        const written = setValues(text, [{ key: changed, to }]);
        const frame = (source: string) => {
          const parts: string[] = [];
          let from = 0;
          for (const entry of parseEnv(source, '').entries) {
            if (entry.key !== changed) continue;
            parts.push(source.slice(from, entry.start));
            from = entry.end;
          }
          return [...parts, source.slice(from)];
        };
        const given = frame(text);
        const got = frame(written);
        if (given.length === 1) expect(written.startsWith(text)).toBe(true);
        else expect(got.map((part) => part.replace(/=$/, ''))).toEqual(given.map((part) => part.replace(/=$/, '')));
      }),
      { numRuns: 1000 },
    );
  });

  test('setting the values a file has changes nothing', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(key, value), { maxLength: 4 }), (pairs) => {
        const once = setValues(
          '',
          pairs.map(([k, to]) => ({ key: k, to })),
        );
        const { values } = parseEnv(once, '');
        expect(
          setValues(
            once,
            Object.entries(values).map(([k, to]) => ({ key: k, to })),
          ),
        ).toBe(once);
      }),
    );
  });
});
