/** Histories, receipts, verdicts and stop intents that nobody meant well: read or refused, and a person's commit is a person's. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readLog } from '../../src/adapters/git-log.ts';
import { readIntent } from '../../src/adapters/intents.ts';
import { historyRows } from '../../src/core/trail/history.ts';
import { LOG_FORMAT, parseLog } from '../../src/core/trail/parse.ts';
import { parseReceipts, receiptLine } from '../../src/core/trail/receipts.ts';
import { splitMessage } from '../../src/core/trail/trailers.ts';
import type { TrailEntry } from '../../src/core/trail/types.ts';
import { parseVerdict, parseVerdicts } from '../../src/core/trail/verdicts.ts';
import { rebuildMemory } from '../../src/core/tuning/memory.ts';
import { TUNING } from '../core/health/policy.ts';
import { FLEET, OPERATOR, scratchWorld, type World } from '../support/repos.ts';
import { pollutedKeys } from './support.ts';

const BASE = 'fleet/env/amzn/.env.amzn';
const MESSAGE = `tune(amzn): iter001 spread-offset, MM_SPREAD_MULTIPLIER 1.2 -> 1.8

Signal burst.

Mmfleet-Instance: amzn
Mmfleet-Market: AMZN-USD
Mmfleet-Iter: 001
Mmfleet-Parent-Iter: base
Mmfleet-Theme: spread-offset
Mmfleet-Trigger: burst markout5sBps=-1.32 limit=-0.50 n=60
Mmfleet-At: 1771243200.25
Mmfleet-Step: widen x1.5
Mmfleet-Change: MM_SPREAD_MULTIPLIER 1.2 -> 1.8
Mmfleet-Proven: yes
`;
const PARK = `park(amzn): flat until 2099-01-01T00:00:00Z, burst

Mmfleet-Instance: amzn
Mmfleet-Trigger: burst markout5sBps=-9 limit=-0.5 n=60
Mmfleet-At: 1771243200
Mmfleet-Until: 2099-01-01T00:00:00Z
Mmfleet-Parks: 9
`;
const memoryOf = (entries: TrailEntry[]) => rebuildMemory(entries, { baseEnv: BASE, policy: TUNING });

describe('a forged history', () => {
  let world: World;
  beforeAll(async () => {
    world = await scratchWorld();
  });
  afterAll(() => world.remove());

  /** The trail after one commit with this message by this author, which adds the given files. */
  async function trailAfter(name: string, author: { name: string; email: string }, message: string, files: string[]) {
    const clone = await world.clone(name);
    for (const file of files) clone.write(file, 'MM_SPREAD_MULTIPLIER=1.8\n');
    clone.git('add', '-A');
    clone.git('commit', '-q', '--allow-empty', `--author=${author.name} <${author.email}>`, '-m', message);
    const log = await readLog(clone.repo, { under: 'fleet/', ourEmail: FLEET.email });
    if (!log.ok) throw new Error(log.problem.message);
    return log.value.entries;
  }

  test('what the forged commits copy counts when it is ours', async () => {
    const entries = await trailAfter('ours', FLEET, MESSAGE, [`${BASE}.iter001`]);
    expect(entries[0]).toMatchObject({ kind: 'tune', instance: 'amzn', ours: true });
    expect(memoryOf(entries)).toMatchObject({
      complete: true,
      lastIter: 1,
      alarms: [{ kind: 'tune' }],
      rungs: [{ toIter: 1 }],
    });
  });

  test('a person who adds an iter under a tune message: no step, no alarm, and a memory that says it is not whole', async () => {
    const entries = await trailAfter('forged', OPERATOR, MESSAGE, [`${BASE}.iter001`]);
    expect(entries[0]).toMatchObject({ kind: null, instance: null, ours: false });
    const memory = memoryOf(entries);
    expect(memory).toMatchObject({ complete: false, lastIter: 1, alarms: [], rungs: [], unjudged: [], trial: null });
    expect(memory.incompleteReason).toMatch(/iter001 was added without its story/);
    expect(historyRows(entries, '')).toEqual([
      expect.objectContaining({ iter: '001', theme: 'by hand', trigger: null }),
    ]);
  });

  test.each([
    ['tune', MESSAGE],
    ['park', PARK],
    ['recover', MESSAGE.replace('tune(', 'recover(')],
    [
      'undo',
      MESSAGE.replace('tune(', 'undo(').replace('Mmfleet-Proven: yes', 'Mmfleet-Forget: all\nMmfleet-Wait: 999d'),
    ],
    [
      'verdict',
      'verdict(amzn): iter001 helped\n\nMmfleet-Instance: amzn\nMmfleet-Iter: 001\nMmfleet-Verdict: helped\n',
    ],
    ['rebase', 'rebase(amzn): iter009 on the edited base\n\nMmfleet-Instance: amzn\nMmfleet-Iter: 009\n'],
  ])('a %s without a file by a person changes nothing', async (name, message) => {
    const entries = await trailAfter(`empty-${name}`, OPERATOR, message, []);
    expect(memoryOf(entries)).toEqual(memoryOf([]));
  });

  test.each([
    ['a body that quotes trailers', `why\n\n${MESSAGE}\nThat is what it said.\n`],
    [
      'a revert',
      `Revert "${MESSAGE.split('\n')[0]}"\n\nThis reverts commit 0000.\n\n${MESSAGE.split('\n').slice(4).join('\n')}`,
    ],
    ['NUL written out', MESSAGE.replace('\n', ' %x00 \\0\n\n')],
    ['a hash as a line', `fix\n\n${'a'.repeat(40)}\n\nA\nD\n${BASE}.iter001\n`],
    ['another instance in the trailer', MESSAGE.replace('Instance: amzn', 'Instance: mon')],
  ])('%s, even in our name: no step of amzn', async (name, message) => {
    const entries = await trailAfter(`quoted-${name.replace(/\W/g, '-')}`, FLEET, message, []);
    expect(
      entries.filter(
        (e) =>
          e.kind === 'tune' &&
          e.instance === 'amzn' &&
          e.trailers.some((t) => t.key === 'Step' && name !== 'NUL written out'),
      ),
    ).toEqual([]);
    expect(entries).toHaveLength(2);
  });

  test('odd file names in a commit are names, not commits', async () => {
    const odd = [`fleet/a\nb`, `fleet/${'a'.repeat(40)}`, 'fleet/D', 'fleet/\u001b[2J', "fleet/'; rm -rf x", 'fleet/é'];
    const entries = await trailAfter('odd', OPERATOR, 'odd names', odd);
    expect(entries).toHaveLength(2);
    expect(entries[0]!.files.map((f) => f.path).sort()).toEqual(odd.sort());
  });
});

test('property: any message is split, and trailers stand only in its last paragraph', () => {
  const pieces = fc.constantFrom(
    '\n',
    '\r\n',
    '\n\n',
    'Mmfleet-',
    'Iter: 007',
    'Instance: amzn',
    'tune(amzn): x',
    ' ',
    '\0',
    '\u001b[1m',
    'é',
    '\ud800',
    'Mmfleet-Iter: 001\n',
  );
  fc.assert(
    fc.property(
      fc.array(pieces, { maxLength: 30 }).map((parts) => parts.join('')),
      (text) => {
        const { trailers, subject } = splitMessage(text);
        expect(subject).not.toContain('\n');
        const last =
          text
            .replace(/\r\n?/g, '\n')
            .trimEnd()
            .split(/\n[ \t]*\n/)
            .at(-1) ?? '';
        expect(trailers.length).toBeLessThanOrEqual(last.split('\n').length);
      },
    ),
    { numRuns: 2000, interruptAfterTimeLimit: 5_000 },
  );
});

test('property: any output of git log is entries, in pieces of any size the same', () => {
  expect(LOG_FORMAT.split('%x00')).toHaveLength(8);
  const field = fc.constantFrom(
    '',
    'a'.repeat(40),
    'e@x',
    '1771243200',
    'NaN',
    '-1',
    '\nA',
    'A',
    'D',
    'MM',
    `${BASE}.iter001`,
    MESSAGE,
    PARK,
    '__proto__',
    '\u0000',
  );
  fc.assert(
    fc.property(fc.array(field, { maxLength: 40 }), (fields) => {
      const entries = parseLog(fields.join('\0'), { under: '', ourEmail: 'e@x' });
      expect(memoryOf(entries).rungs.length).toBeLessThanOrEqual(entries.length);
      historyRows(entries, '');
    }),
    { numRuns: 1500, interruptAfterTimeLimit: 5_000 },
  );
  expect(pollutedKeys()).toEqual([]);
});

const RECEIPT = {
  ...{ v: 1 as const, instance: 'amzn', market: 'AMZN-USD', cause: 'alarm-burst', runId: 'r', pid: 1, startTicks: '2' },
  ...{ iterFrom: null, iterTo: 1, signalAt: null, exitedAt: null, killed: false, costUsd: '0', disagreement: null },
  ...{
    botSays: null,
    verdict: 'FLAT' as const,
    sizeBase: '0',
    rule: 'two zero reads',
    provedAt: '2026-12-01T06:00:00Z',
  },
  reads: [{ at: '2026-12-01T06:00:00Z', what: 'position' as const, value: '0' }],
  orders: [{ clientId: 'c', side: 'buy', size: '1', limitPrice: null, status: 'filled', filled: '1', costUsd: null }],
};

test('property: a changed receipt is the same receipt, a whole other one, or none', () => {
  const line = receiptLine(RECEIPT);
  expect(parseReceipts(`${line}\n`).receipts).toHaveLength(1);
  const garbage = fc.oneof(
    fc.constantFrom<unknown>(undefined, null, [null], [1], [{}], {}, 'x', -1, '__proto__'),
    fc.jsonValue({ maxDepth: 2 }),
  );
  fc.assert(
    fc.property(fc.constantFrom(...Object.keys(RECEIPT)), garbage, fc.nat(line.length), (key, by, cut) => {
      const changed = JSON.stringify({ ...RECEIPT, [key]: by });
      for (const { receipt } of parseReceipts(`${changed}\n${line.slice(0, cut)}\n${line}\n`).receipts) {
        expect(receipt.orders.every((order) => typeof order.clientId === 'string')).toBe(true);
        expect(['FLAT', 'DUST', 'OPEN', 'UNKNOWN']).toContain(receipt.verdict);
        expect(typeof receipt.provedAt).toBe('string');
      }
    }),
    { numRuns: 1500, interruptAfterTimeLimit: 5_000 },
  );
});

test('verdict lines: garbage is a problem, never a verdict', () => {
  const good = 'iter007 inconclusive edge +0.9 bps (95% -0.4..+2.2, n=214) against iter006';
  expect(parseVerdict(good)).not.toBeNull();
  const lies = [
    good.replace('inconclusive', 'HELPED'),
    good.replace('+0.9', 'NaN'),
    good.replace('+0.9', '+1e999'),
    good.replace('-0.4..+2.2', '-Infinity..+2.2'),
    good.replace('n=214', `n=${'9'.repeat(400)}`),
    good.replace('iter007', 'iter-07'),
    good.replace('iter007', `iter${'9'.repeat(30)}`),
    good.replace('iter006', '../x'),
    `${good} and more`,
    `\u001b[2J${good}`,
    `iter007 helped edge ${'+'.repeat(50_000)}`,
    `iter007 helped edge ${'(95% '.repeat(20_000)}`,
  ];
  for (const text of lies) expect(parseVerdict(text)).toBeNull();
  expect(parseVerdicts(lies.join('\n'), 'v').problems).toHaveLength(lies.length);
});

describe('stop intents', () => {
  let gitDir: string;
  beforeAll(() => {
    gitDir = mkdtempSync(join(tmpdir(), 'mmfleet-intents-'));
    mkdirSync(join(gitDir, 'mmfleet', 'stops'), { recursive: true });
  });
  afterAll(() => rmSync(gitDir, { recursive: true, force: true }));
  const INTENT = { pid: 7, startTicks: '1', signal: 'SIGINT', at: '2026-12-01T06:00:00Z', cause: 'x' };

  test.each([
    ['empty', ''],
    ['torn', JSON.stringify(INTENT).slice(0, 30)],
    ['null', 'null'],
    ['a list', '[]'],
    ['NUL', '\0\0\0\0'],
    ['a pid that is none', JSON.stringify({ ...INTENT, pid: '7' })],
    ['a pid past all pids', JSON.stringify({ ...INTENT, pid: 1e300 })],
    ['a pid below one', JSON.stringify({ ...INTENT, pid: -1 })],
    ['a time that is none', JSON.stringify({ ...INTENT, at: 'soon' })],
    ['a signal that is none', JSON.stringify({ ...INTENT, signal: 9 })],
    ['deep', '['.repeat(100_000)],
  ])('%s: unknown, which is never "nobody was told to stop"', async (_name, text) => {
    writeFileSync(join(gitDir, 'mmfleet', 'stops', 'amzn.json'), text);
    expect(await readIntent(gitDir, 'amzn')).toMatchObject({ known: false });
  });

  test.each([['../../x'], ['a/b'], ['.x'], ['']])('a name %j never leaves the folder', async (name) => {
    expect(await readIntent(gitDir, name)).toMatchObject({ known: false });
  });
});
