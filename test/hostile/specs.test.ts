/** Spec and holds files that nobody meant well: a value or problems, never an exception, a hang or a half-read instance. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatProblem } from '../../src/core/problem.ts';
import { parseSpecs } from '../../src/core/spec/parse.ts';
import { parseHolds } from '../../src/core/trail/holds-file.ts';
import { pollutedKeys } from './support.ts';

const FLEET = {
  path: 'fleet/fleet.yaml',
  text: 'apiVersion: mmfleet/v1\nkind: Fleet\nmetadata: { name: f }\nspec: {}\n',
};
const SPEC = `apiVersion: mmfleet/v1
kind: Instance
metadata: { name: amzn }
spec:
  market: AMZN-USD
  baseEnv: env/amzn/.env.amzn
  runtime: { process: { command: [bot], cwd: .. } }
  venue: { sim: { url: "http://127.0.0.1:1" } }
`;
const HOLDS = `apiVersion: mmfleet/v1
kind: Holds
holds:
  - { instance: amzn, kind: hold, reason: by hand, since: 2026-12-01T06:00:00Z }
`;

const specs = (text: string) => parseSpecs([FLEET, { path: 'fleet/amzn.yaml', text }]);
const errors = (text: string) => specs(text).problems.filter((p) => p.severity !== 'warning');

test('the spec that the cases below change is valid', () => {
  expect(errors(SPEC)).toEqual([]);
  expect(specs(SPEC).instances.map((i) => i.name)).toEqual(['amzn']);
});

const laughs = (levels: number) =>
  ['a0: &a0 [x,x,x,x,x,x,x,x,x,x]']
    .concat(Array.from({ length: levels }, (_, n) => `a${n + 1}: &a${n + 1} [${Array(10).fill(`*a${n}`).join(',')}]`))
    .join('\n');
const wide = (n: number, line: (k: number) => string) => Array.from({ length: n }, (_, k) => line(k)).join('\n');

test('the merge of defaults and an instance ends, also where both hold themselves', () => {
  const own = '  health: &h { limits: *h }\n';
  const fleet = { ...FLEET, text: FLEET.text.replace('spec: {}', `spec:\n  defaults:\n  ${own}`) };
  const read = parseSpecs([fleet, { path: 'fleet/amzn.yaml', text: SPEC + own }]);
  expect(read.fleet).toBe(null);
  expect(read.instances).toEqual([]);
  expect(read.problems.map((p) => p.code)).toEqual(['spec-yaml', 'spec-yaml']);
});

const CASES: { name: string; given: string; wantCode: string | RegExp }[] = [
  { name: 'billion laughs', given: `${SPEC}${laughs(12)}\n`, wantCode: 'spec-yaml' },
  { name: 'an alias to itself', given: `${SPEC}x: &x [*x]\n`, wantCode: 'spec-yaml' },
  { name: 'an alias inside its own mapping', given: `${SPEC}x: &x { y: *x }\n`, wantCode: 'spec-yaml' },
  { name: 'flow nesting 100 deep', given: `${SPEC}x: ${'['.repeat(100)}${']'.repeat(100)}\n`, wantCode: 'spec-yaml' },
  {
    name: 'flow nesting 5000 deep',
    given: `${SPEC}x: ${'['.repeat(5000)}${']'.repeat(5000)}\n`,
    wantCode: 'spec-yaml',
  },
  { name: 'flow nesting 200,000 deep', given: `${SPEC}x: ${'['.repeat(200_000)}\n`, wantCode: 'spec-yaml' },
  { name: 'block nesting 700 deep', given: wide(700, (k) => `${' '.repeat(k)}a:`), wantCode: 'spec-yaml' },
  { name: 'a line of a million letters', given: `${SPEC}${'a'.repeat(990_000)}\n`, wantCode: /^spec-/ },
  { name: 'a million characters and more', given: `${SPEC}#${'a'.repeat(1_000_000)}\n`, wantCode: 'spec-too-large' },
  { name: '10,000 documents', given: wide(10_000, () => '---\nkind: X'), wantCode: 'spec-kind' },
  {
    name: '20,000 unknown fields',
    given: `${SPEC}${wide(20_000, (k) => `u${k}: 1`)}\n`,
    wantCode: 'spec-unknown-field',
  },
  { name: 'the same key 20,000 times', given: wide(20_000, () => 'kind: Instance'), wantCode: 'spec-yaml' },
  {
    name: 'a key __proto__',
    given: SPEC.replace('spec:', 'spec:\n  __proto__: { state: Stopped }'),
    wantCode: 'spec-yaml',
  },
  {
    name: 'a key constructor',
    given: SPEC.replace('spec:', 'spec:\n  constructor: { prototype: { state: Stopped } }'),
    wantCode: 'spec-unknown-field',
  },
  { name: 'a merge key', given: `${SPEC}<<: { kind: Fleet }\n`, wantCode: 'spec-unknown-field' },
  { name: 'a name __proto__', given: SPEC.replace('name: amzn', 'name: __proto__'), wantCode: 'spec-value' },
  { name: 'a name with a slash', given: SPEC.replace('name: amzn', 'name: ../../etc/cron'), wantCode: 'spec-value' },
  { name: 'a name with an escape', given: SPEC.replace('name: amzn', 'name: "a\\e]0;x\\a"'), wantCode: 'spec-value' },
  { name: 'NUL', given: SPEC.replace('AMZN-USD', 'AMZN\0USD'), wantCode: 'spec-encoding' },
  { name: 'NUL as an escape', given: SPEC.replace('[bot]', '["bot\\0x"]'), wantCode: 'spec-encoding' },
  {
    name: 'invalid UTF-8',
    given: Buffer.from(`${SPEC}# \xff\xfe\n`, 'latin1').toString('utf8'),
    wantCode: 'spec-encoding',
  },
  { name: 'a tag', given: SPEC.replace('[bot]', '!!js/function "x"'), wantCode: /^spec-/ },
  { name: 'a binary file', given: '\u007fELF\u0002\u0001\u0001\u0003', wantCode: /^spec-/ },
  ...['AMZN-USD; rm -rf /', '$(reboot)', '`id`', 'A|B', "A'B", 'A&&B', 'A\nB', '../A', 'A/../B', '-rf', '{size}'].map(
    (market) => ({
      name: `market ${JSON.stringify(market)}`,
      given: SPEC.replace('market: AMZN-USD', `market: ${JSON.stringify(market)}`),
      wantCode: 'spec-value',
    }),
  ),
  ...['../../.ssh/id_rsa', '/etc/passwd', 'env/../../../x', '..'].map((path) => ({
    name: `base env ${path}`,
    given: SPEC.replace('env/amzn/.env.amzn', path),
    wantCode: 'spec-rule',
  })),
  ...['.inf', '-.inf', '.nan', '1e400', '0x', '9'.repeat(400)].map((number) => ({
    name: `interval of ${number.slice(0, 9)}`,
    given: `${SPEC}  journal: { staleAfter: ${number} }\n`,
    wantCode: 'spec-value',
  })),
];

test.each(CASES)('$name is a problem with a place, and no instance', ({ given, wantCode }) => {
  const read = specs(given);
  expect(read.problems.map((p) => p.code)).toContainEqual(expect.stringMatching(wantCode));
  expect(read.instances).toEqual([]);
  for (const problem of read.problems) expect(formatProblem(problem).length).toBeLessThan(3000);
  expect(pollutedKeys()).toEqual([]);
});

test('carriage returns alone end lines: the place of a problem is right', () => {
  const [problem] = errors(SPEC.replaceAll('\n', '\r'));
  expect(problem).toBeDefined();
  expect(problem!.line).toBe(1);
});

test('property: any text is read or refused, and an instance is never taken from a file with an error', () => {
  const pieces = fc.constantFrom(
    ...'{}[]:,&*!|>-?"\'%@`# \n\t\r\0'.split(''),
    ...SPEC.split(/(?<=\n)/),
    '&a',
    '*a',
    '---\n',
    '<<: ',
  );
  const text = fc.oneof(
    fc.array(pieces, { maxLength: 40 }).map((parts) => parts.join('')),
    fc
      .tuple(fc.nat(SPEC.length), fc.string({ unit: 'binary', maxLength: 6 }), fc.nat(10))
      .map(([at, inserted, cut]) => SPEC.slice(0, at) + inserted + SPEC.slice(at + cut)),
  );
  fc.assert(
    fc.property(text, (given) => {
      const read = specs(given);
      for (const problem of read.problems) expect(formatProblem(problem)).toBeTypeOf('string');
      const names = new Set(read.problems.filter((p) => p.severity !== 'warning').map((p) => p.instance));
      for (const instance of read.instances) expect(names.has(instance.name)).toBe(false);
    }),
    { numRuns: 500, interruptAfterTimeLimit: 10_000 },
  );
});

const HOLD_CASES: { name: string; given: string }[] = [
  { name: 'deep nesting', given: `${HOLDS}x: ${'['.repeat(3000)}${']'.repeat(3000)}\n` },
  { name: 'deeper nesting', given: `${HOLDS}x: ${'['.repeat(100_000)}\n` },
  { name: 'a deep value of an entry', given: HOLDS.replace('by hand', `${'['.repeat(900)}${']'.repeat(900)}`) },
  { name: 'billion laughs', given: `${laughs(12)}\n${HOLDS}` },
  { name: 'laughs as an entry', given: `${HOLDS}  - *a3\n${laughs(12)}` },
  { name: 'an alias of an entry', given: `${HOLDS}  - *gone\n` },
  { name: '2 MB', given: `${HOLDS}#${'x'.repeat(2_000_000)}` },
  { name: '__proto__ in an entry', given: HOLDS.replace('kind: hold', '__proto__: { kind: hold }') },
  { name: 'a path as a name', given: HOLDS.replace('amzn', '../../x') },
  { name: 'an end that is no time', given: HOLDS.replace('kind: hold', 'kind: park, until: never') },
];

test.each(HOLD_CASES)('holds with $name: a problem, which blocks every instance', ({ given }) => {
  const read = parseHolds(given, 'fleet/holds.yaml');
  expect(read.problems.length).toBeGreaterThan(0);
  for (const problem of read.problems) expect(formatProblem(problem).length).toBeLessThan(3000);
  expect(pollutedKeys()).toEqual([]);
});

test('property: any change to a holds file leaves its entries readable or says that it cannot', () => {
  const text = fc
    .tuple(fc.nat(HOLDS.length), fc.string({ unit: 'binary', maxLength: 8 }), fc.nat(20))
    .map(([at, inserted, cut]) => HOLDS.slice(0, at) + inserted + HOLDS.slice(at + cut));
  fc.assert(
    fc.property(text, (given) => {
      const { holds, problems } = parseHolds(given, 'fleet/holds.yaml');
      // The one entry may be renamed or be gone with its line; it is never half there.
      for (const hold of holds)
        expect(hold).toMatchObject({ kind: expect.stringMatching(/^(hold|park)$/), since: expect.any(String) });
      if (given.trim() !== '' && holds.length === 0 && problems.length === 0) expect(given).not.toMatch(/^ {2}- \{/m);
    }),
    { numRuns: 500, interruptAfterTimeLimit: 8_000 },
  );
});
