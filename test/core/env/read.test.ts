// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the references are the bot's own, not ours
import { describe, expect, test } from 'vitest';
import { parseEnv } from '../../../src/core/env/read.ts';

/** Each pair was read with python-dotenv 1.x and pydantic-settings' treatment of names. */
const READS: { name: string; given: string; want: Record<string, string> }[] = [
  { name: 'plain', given: 'MM_A=4\n', want: { MM_A: '4' } },
  { name: 'comment, blank line, export, blanks around =', given: '# c\n\n  export MM_A = 4 \n', want: { MM_A: '4' } },
  { name: 'inline comment', given: 'MM_A=4 # c', want: { MM_A: '4' } },
  { name: 'no blank before #: part of the value', given: 'MM_A=4#c', want: { MM_A: '4#c' } },
  { name: 'a value that begins with #', given: 'MM_A= #c', want: { MM_A: '#c' } },
  { name: 'double quotes', given: 'MM_A="4" # c', want: { MM_A: '4' } },
  { name: 'escapes in double quotes', given: String.raw`MM_A="a\tb\"c\\d\n\q"`, want: { MM_A: 'a\tb"c\\d\n\\q' } },
  { name: 'escapes in single quotes', given: String.raw`MM_A='a\tb\'c\\d'`, want: { MM_A: "a\\tb'c\\d" } },
  { name: 'a value over two lines', given: 'MM_A="1\r\n2"\r\nMM_B=3', want: { MM_A: '1\n2', MM_B: '3' } },
  { name: 'the last of duplicates wins', given: 'MM_A=1\nMM_B=2\nMM_A=3', want: { MM_A: '3', MM_B: '2' } },
  { name: 'case does not count', given: 'mm_a=1', want: { MM_A: '1' } },
  { name: 'names equal but for case: the later first use wins', given: 'MM_A=1\nmm_a=2\nMM_A=3', want: { MM_A: '2' } },
  { name: 'CRLF', given: 'MM_A=1\r\nMM_B=2\r\n', want: { MM_A: '1', MM_B: '2' } },
  { name: 'CR alone', given: 'MM_A=1\rMM_B=2', want: { MM_A: '1', MM_B: '2' } },
  { name: 'interpolation', given: 'MM_A=4\nMM_B=${MM_A}.5', want: { MM_A: '4', MM_B: '4.5' } },
  { name: 'interpolation in single quotes', given: "MM_A=4\nMM_B='${MM_A}'", want: { MM_A: '4', MM_B: '4' } },
  { name: 'interpolation with a fallback', given: 'MM_B=${X:-7}', want: { MM_B: '7' } },
  { name: 'a line without = takes the value away', given: 'MM_A=1\nMM_A\n', want: {} },
  { name: 'a line that does not parse is left out', given: 'MM_A="1" x\nMM_B=2', want: { MM_B: '2' } },
  { name: 'an unterminated quote costs its own line', given: 'MM_A="1\nMM_B=2', want: { MM_B: '2' } },
  { name: 'a quoted key', given: "'MM_A'=1", want: { MM_A: '1' } },
  { name: 'an empty value', given: 'MM_A=\nMM_B=""', want: { MM_A: '', MM_B: '' } },
];

describe('reading an env file as the bot does', () => {
  test.each(READS)('$name', ({ given, want }) => {
    expect(parseEnv(given, '.env').values).toEqual(want);
  });
});

const PROBLEMS: { name: string; given: string; want: object[] }[] = [
  { name: 'a lost value is an error', given: 'MM_A=1\nMM_B="2', want: [{ code: 'env-bad-line', line: 2, column: 1 }] },
  { name: 'words are a warning', given: 'hello there', want: [{ code: 'env-bad-line', severity: 'warning', line: 1 }] },
  { name: 'a key alone is a warning', given: '\n MM_A', want: [{ code: 'env-no-equals', line: 2, column: 2 }] },
  {
    name: 'an unknown reference',
    given: 'MM_A=${HOME}',
    want: [{ code: 'env-unknown-reference', severity: 'warning' }],
  },
  { name: 'a byte order mark', given: '\ufeffMM_A=1', want: [{ code: 'env-byte-order-mark', line: 1 }] },
];

test.each(PROBLEMS)('problem: $name', ({ given, want }) => {
  expect(parseEnv(given, '.env').problems).toMatchObject(want.map((w) => ({ file: '.env', ...w })));
});

test('a problem never shows a value', () => {
  const text = 'MM_API_KEY="abcdefgh1234\nsecretword99 = "x\n${HOME}abcdefgh1234\n';
  expect(JSON.stringify(parseEnv(text, '.env').problems)).not.toContain('abcdefgh1234');
});

test('ten thousand keys are read in one go', () => {
  const text = Array.from({ length: 10_000 }, (_, i) => `MM_KEY_${i}=${i} # comment\n`).join('');
  const { entries, values, problems } = parseEnv(text, '.env');
  expect(problems).toEqual([]);
  expect(entries).toHaveLength(10_000);
  expect(values['MM_KEY_9999']).toBe('9999');
  expect(entries[9_999]).toMatchObject({ line: 10_000, column: 1 });
});
