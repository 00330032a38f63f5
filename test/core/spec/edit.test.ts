import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { type EditValue, editScalar } from '../../../src/core/spec/edit.ts';
import { AMZN, MON } from './support.ts';

const HEAD = 'metadata: { name: a }\nspec:\n';
const SUSPEND = { reason: 'exchange maintenance', until: '2026-12-01T06:00:00Z' };
const EDITS: { name: string; given: string; path: string[]; value: EditValue; want: string }[] = [
  {
    name: 'replaces a scalar',
    given: `${HEAD}  state: Running   # wish\n  market: X\n`,
    path: ['spec', 'state'],
    value: 'Stopped',
    want: `${HEAD}  state: Stopped   # wish\n  market: X\n`,
  },
  {
    name: 'adds a scalar at the end of its block',
    given: `${HEAD}  market: X # m\n\n# end\n`,
    path: ['spec', 'state'],
    value: 'Stopped',
    want: `${HEAD}  market: X # m\n  state: Stopped\n\n# end\n`,
  },
  {
    name: 'adds behind a nested block',
    given: `${HEAD}  journal:\n    path: x\nextra: 1\n`,
    path: ['spec', 'state'],
    value: 'Stopped',
    want: `${HEAD}  journal:\n    path: x\n  state: Stopped\nextra: 1\n`,
  },
  {
    name: 'adds without a last line break',
    given: `${HEAD}  market: X`,
    path: ['spec', 'state'],
    value: 'Stopped',
    want: `${HEAD}  market: X\n  state: Stopped\n`,
  },
  {
    name: 'keeps CRLF',
    given: 'spec:\r\n  market: X\r\n',
    path: ['spec', 'state'],
    value: 'Stopped',
    want: 'spec:\r\n  market: X\r\n  state: Stopped\r\n',
  },
  {
    name: 'adds to a flow mapping',
    given: 'spec: { market: X }\n',
    path: ['spec', 'state'],
    value: 'Stopped',
    want: 'spec: { market: X, state: Stopped }\n',
  },
  {
    name: 'adds a small mapping',
    given: `${HEAD}  market: X\n`,
    path: ['spec', 'suspend'],
    value: SUSPEND,
    want: `${HEAD}  market: X\n  suspend: { reason: "exchange maintenance", until: 2026-12-01T06:00:00Z }\n`,
  },
  {
    name: 'replaces a block mapping',
    given: `${HEAD}  suspend:\n    reason: old\n    until: x\n  market: X\n`,
    path: ['spec', 'suspend'],
    value: SUSPEND,
    want: `${HEAD}  suspend: { reason: "exchange maintenance", until: 2026-12-01T06:00:00Z }\n  market: X\n`,
  },
  {
    name: 'removes a line',
    given: `${HEAD}  market: X\n  suspend: { reason: a }  # b\n  state: Running\n`,
    path: ['spec', 'suspend'],
    value: null,
    want: `${HEAD}  market: X\n  state: Running\n`,
  },
  {
    name: 'removes a block',
    given: `${HEAD}  suspend:\n    reason: a\n  state: Running\n`,
    path: ['spec', 'suspend'],
    value: null,
    want: `${HEAD}  state: Running\n`,
  },
  {
    name: 'removes from a flow mapping',
    given: 'spec: { a: 1, suspend: { reason: x }, b: 2 }\n',
    path: ['spec', 'suspend'],
    value: null,
    want: 'spec: { a: 1, b: 2 }\n',
  },
  {
    name: 'removes the last of a flow mapping',
    given: 'spec: { a: 1, suspend: { reason: x } }\n',
    path: ['spec', 'suspend'],
    value: null,
    want: 'spec: { a: 1 }\n',
  },
  {
    name: 'removing what is not there changes nothing',
    given: `${HEAD}  a: 1\n`,
    path: ['spec', 'suspend'],
    value: null,
    want: `${HEAD}  a: 1\n`,
  },
  ...(
    [
      // Where a block list ends the mapping, the next line is not its last.
      ['a list', `${HEAD}  a:\n    - b: 1\n    - c\n---\nother: 1\n`, 'c\n', 'c\n  state: Stopped\n'],
      ['a block of text', `${HEAD}  a: |+\n    b\n\n---\nother: 1\n`, 'b\n\n', 'b\n\n  state: Stopped\n'],
      ['a comment in a flow mapping', 'spec: {\n  a: 1 # one\n}\n', '1 #', '1, state: Stopped #'],
      ['a comma and a comment', 'spec: {\n  a: 1, # one\n}\n', '1, #', '1, state: Stopped #'],
    ] as const
  ).map(([after, given, from, to]) => ({
    name: `adds after ${after}`,
    given,
    path: ['spec', 'state'],
    value: 'Stopped',
    want: given.replace(from, to),
  })),
  {
    name: 'writes a value where only a comment stands',
    given: 'spec:\n  state: # not yet\n  a: 1\n',
    path: ['spec', 'state'],
    value: 'Stopped',
    want: 'spec:\n  state: Stopped # not yet\n  a: 1\n',
  },
  {
    name: 'leaves alone what says it already',
    given: 'spec:\n  state: "Stopped"\n',
    path: ['spec', 'state'],
    value: 'Stopped',
    want: 'spec:\n  state: "Stopped"\n',
  },
  {
    name: 'removes the last of a flow mapping, the comment before it stays',
    given: 'spec: {\n  a: 1, # one\n  suspend: { reason: x },\n}\n',
    path: ['spec', 'suspend'],
    value: null,
    want: 'spec: {\n  a: 1, # one\n}\n',
  },
  {
    name: 'quotes what could be read as something else',
    given: 'spec:\n  a: 1\n',
    path: ['spec', 'a'],
    value: 'no: "#x"',
    want: 'spec:\n  a: "no: \\"#x\\""\n',
  },
];

describe('editing one value', () => {
  test.each(EDITS)('$name', ({ given, path, value, want }) => {
    expect(editScalar(given, path, value, given.includes('---') ? 'a' : undefined)).toEqual({ ok: true, value: want });
  });

  test('chooses the document by its name', () => {
    const text = `# two\n${AMZN}---\n${MON}`;
    const edited = editScalar(text, ['spec', 'state'], 'Stopped', 'mon');
    expect(edited).toEqual({ ok: true, value: `# two\n${AMZN}---\n${MON}  state: Stopped\n` });
    const first = editScalar(text, ['spec', 'state'], 'Stopped', 'amzn');
    expect(first).toEqual({ ok: true, value: `# two\n${AMZN}  state: Stopped\n---\n${MON}` });
  });

  test.each([
    ['spec: [1, 2]\n', 'its parent is not a mapping'],
    ['spec: { a: 1\n', 'the document is not there or does not parse'],
    ['spec:\n  a: *nothing\n', 'the document has no value'],
    ['spec: &s\n  a: *s\n', 'the document has no value'],
    ['spec: &a { a: 1 }\nother: *a\n', 'it is written in a form that is not edited'],
  ])('refuses %j', (text, why) => {
    const result = editScalar(text, ['spec', 'state'], 'Stopped');
    expect(result).toMatchObject({ ok: false, problem: { message: `cannot change spec.state: ${why}` } });
  });
});

const word = fc.constantFrom('a', 'b', 'state', 'suspend', 'market');
const simple = fc.constantFrom(
  'Running',
  '"quoted # text"',
  '12',
  "'x'",
  '2026-12-01T06:00:00Z',
  '[1, 2]',
  '{ r: 1, s: x }',
  'plain words',
  '',
);
const pairLine = fc.tuple(
  word,
  fc.oneof(simple, fc.constantFrom('\n    r: 1\n    s: x', '\n    - 1\n    - 2', ' |\n    text\n    more')),
  fc.constantFrom('', '  # note'),
);
const spec = fc
  .tuple(
    fc.uniqueArray(pairLine, { selector: ([k]) => k, minLength: 1, maxLength: 5 }),
    fc.constantFrom('', '\n', '\n\n# tail\n', '\nlast: 1\n'),
  )
  .map(
    ([pairs, tail]) =>
      `# head\nspec:\n${pairs.map(([k, v, note]) => `  ${k}:${v.startsWith('\n') || v.startsWith(' ') ? v : ` ${v}${note}`}`).join('\n')}${tail}`,
  );
const wanted = fc.oneof(
  fc.constantFrom('Stopped', 'a: b', '- x', 'true', ''),
  fc.string({ maxLength: 10 }),
  fc.constant(null),
  fc.constant({ reason: 'it #1' }),
);

test('property: an edit says the new value, everything else stays said, and the other lines stay byte for byte', () => {
  let refused = 0;
  let runs = 0;
  fc.assert(
    fc.property(spec, word, wanted, (text, key, value) => {
      runs += 1;
      const result = editScalar(text, ['spec', key], value);
      if (!result.ok) {
        refused += 1;
        return;
      }
      const { [key]: _was, ...others } = parseYaml(text).spec;
      const now = parseYaml(result.value);
      const { [key]: said, ...rest } = now.spec;
      expect(rest).toEqual(others);
      expect(said).toEqual(value === null ? undefined : value);
      const foreign = (source: string) =>
        source.split('\n').filter((line) => /^\S|^ {2}\w/.test(line) && !line.startsWith(`  ${key}:`));
      expect(foreign(result.value)).toEqual(foreign(text));
    }),
    { numRuns: 1500 },
  );
  expect(refused / runs).toBeLessThan(0.2);
});
