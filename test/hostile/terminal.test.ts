/** What may reach a terminal: text. Escape sequences of names, journals and commits are shown, never acted on. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { hide, masked, shown } from '../../src/shell/hidden.ts';

const ESCAPE = '\u001b';
const acting = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;

const CASES: { name: string; given: string; want: string }[] = [
  { name: 'clearing the screen', given: `a${ESCAPE}[2J${ESCAPE}[Hb`, want: 'a\\u001b[2J\\u001b[Hb' },
  { name: 'a window title', given: `${ESCAPE}]0;pwned\u0007`, want: '\\u001b]0;pwned\\u0007' },
  { name: 'a link', given: `${ESCAPE}]8;;http://x${ESCAPE}\\x`, want: '\\u001b]8;;http://x\\u001b\\x' },
  { name: 'going back over the line', given: 'held\rok  ', want: 'held\\u000dok  ' },
  { name: 'backspaces', given: 'bad\b\b\bok', want: 'bad\\u0008\\u0008\\u0008ok' },
  { name: 'an 8-bit control', given: 'a\u009b2Jb', want: 'a\\u009b2Jb' },
  { name: 'text turned round', given: 'a\u202eb', want: 'a\\u202eb' },
  { name: 'a colour', given: `${ESCAPE}[31mred${ESCAPE}[0m`, want: 'red' },
  { name: 'hidden text', given: `a${ESCAPE}[8mb${ESCAPE}[0m`, want: 'ab' },
  { name: 'lines and tabs', given: 'a\tb\nc\n', want: 'a\tb\nc\n' },
  { name: 'other alphabets', given: 'größe → 日本 …', want: 'größe → 日本 …' },
];
test.each(CASES)('$name', ({ given, want }) => {
  expect(shown(given, false)).toBe(want);
});

test('with colours on, our own colours stay and no other code does', () => {
  expect(shown(`${ESCAPE}[31mred${ESCAPE}[0m ${ESCAPE}[8mx${ESCAPE}[5;41my`, true)).toBe(
    `${ESCAPE}[31mred${ESCAPE}[0m xy`,
  );
});

test('JSON stays the same JSON, whatever its texts hold', () => {
  fc.assert(
    fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
      const text = JSON.stringify({ value, odd: '\u009b\u202e\u007f\u001b[2J' });
      expect(JSON.parse(shown(text, false))).toEqual(JSON.parse(text));
    }),
    { numRuns: 500, interruptAfterTimeLimit: 4_000 },
  );
});

test('property: no text at all acts on a terminal', () => {
  const pieces = fc.constantFrom(
    ESCAPE,
    '[',
    ']',
    '0',
    '31',
    ';',
    'm',
    '2J',
    '\r',
    '\u0007',
    '\u009b',
    '\u0090',
    '\u202e',
    'x',
    '\n',
  );
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 30 }),
    fc.array(pieces, { maxLength: 20 }).map((parts) => parts.join('')),
  );
  fc.assert(
    fc.property(text, (given) => {
      expect(shown(given, false)).not.toMatch(acting);
      expect(shown(given, true).replace(/\u001b\[(?:0|1|2|22|31|32|33)m/g, '')).not.toMatch(acting);
    }),
    { numRuns: 2000, interruptAfterTimeLimit: 5_000 },
  );
});

test('hidden values are cut out in every spelling; short ones only behind the name of a secret', () => {
  hide(['sesame-0123456789/+"é', '904417', '', '  ']);
  const value = 'sesame-0123456789/+"é';
  const bytes = Buffer.from(value);
  for (const text of [
    value,
    JSON.stringify(value),
    encodeURIComponent(value),
    bytes.toString('base64'),
    bytes.toString('hex'),
  ])
    expect(masked(`<${text}>`)).toMatch(/^<"?\*\*\*=*"?>$/);
  expect(masked('MM_VAULT_ID=904417 {"mm_vault_id": "904417"} x')).toBe('MM_VAULT_ID=*** {"mm_vault_id": "***"} x');
  expect(masked('pid 904417, "n": 904417, MM_X=904417')).toBe('pid 904417, "n": 904417, MM_X=904417');
});
