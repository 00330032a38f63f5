import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { systemClock } from '../../src/adapters/clock.ts';
import { createCommandVenue } from '../../src/adapters/command-venue.ts';
import { createJournalVenue, type JournalEvidence } from '../../src/adapters/journal-venue.ts';

const TOOL = join(import.meta.dirname, '..', 'support', 'command-venue.mjs');
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mmfleet-venue-'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(dir, { recursive: true, force: true });
});

const state = () => join(dir, 'venue.json');
const node = (...args: string[]) => [process.execPath, ...args];
const tool = (call: string, ...args: string[]) => node(TOOL, state(), call, '{market}', ...args);
function venue(change: Partial<Parameters<typeof createCommandVenue>[0]['driver']> = {}) {
  const driver = {
    kind: 'command' as const,
    position: tool('position'),
    orders: tool('orders'),
    cancel: tool('cancel'),
    close: tool('close', '{side}', '{size}', '{limitPrice}', '{clientId}'),
    reference: tool('reference'),
    timeoutMs: 5_000,
    ...change,
  };
  return createCommandVenue({
    driver,
    market: 'AMZN-USD',
    cwd: dir,
    secrets: { MM_API_KEY: 'sesame' },
    clock: systemClock,
  });
}
const prints = (text: string) => node('-e', `process.stdout.write(${JSON.stringify(text)})`);
const setBook = (book: object) =>
  writeFileSync(state(), JSON.stringify({ markets: { 'AMZN-USD': book }, closes: {}, log: [] }));
const BOOK = {
  position: '-0.42',
  orders: [{ id: '17', side: 'buy', price: '221.1', size: '0.1' }],
  bid: '221.1',
  ask: '221.2',
  sizeStep: '0.01',
  minSize: '0.01',
  tick: '0.1',
};

test('reads, cancels and closes through the commands', async () => {
  setBook(BOOK);
  const v = venue();
  expect(await v.position()).toMatchObject({ known: true, value: { market: 'AMZN-USD', position: '-0.42' } });
  expect(await v.openOrders()).toMatchObject({ known: true, value: BOOK.orders });
  expect(await v.cancelAll()).toMatchObject({ known: true, value: { canceled: 1 } });
  expect(await v.openOrders()).toMatchObject({ known: true, value: [] });
  expect(await v.reference()).toMatchObject({ known: true, value: { bid: '221.1', tick: '0.1' } });
  const order = { side: 'buy' as const, size: '0.42', limitPrice: '221.7', clientId: 'mmf-1' };
  const first = await v.close(order);
  expect(first).toMatchObject({ known: true, value: { clientId: 'mmf-1', status: 'filled', filled: '0.42' } });
  expect(await v.close(order)).toMatchObject({ known: true, value: first.known ? first.value : null });
  expect(await v.position()).toMatchObject({ value: { position: '0' } });
});

test('without a reference command every price is absent, which is known', async () => {
  expect(await venue({ reference: null }).reference()).toMatchObject({
    known: true,
    value: { bid: null, ask: null, tick: null },
  });
});

const good = JSON.stringify({ market: 'AMZN-USD', position: '1' });
const orders = (list: unknown) => prints(JSON.stringify({ market: 'AMZN-USD', orders: list }));
describe('unknown, with a reason', () => {
  test.each([
    {
      name: 'non-zero exit',
      command: node(
        '-e',
        `console.log(${JSON.stringify(JSON.stringify({ market: 'AMZN-USD', position: '0' }))}); process.exit(3)`,
      ),
      want: 'exit code 3',
    },
    { name: 'nothing printed', command: prints(''), want: 'one JSON object' },
    { name: 'a web page', command: prints('<html>busy</html>'), want: 'one JSON object' },
    { name: 'text after the object', command: prints(`${good}\nwarning`), want: 'one JSON object' },
    { name: 'two objects', command: prints(`${good}\n${good}`), want: 'one JSON object' },
    { name: 'a list', command: prints('[]'), want: 'one JSON object' },
    { name: 'null', command: prints('null'), want: 'one JSON object' },
    { name: 'another market', command: prints(good.replace('AMZN', 'MON')), want: 'does not name AMZN-USD' },
    { name: 'no market', command: prints('{"position":"0"}'), want: 'does not name AMZN-USD' },
    { name: 'no position', command: prints('{"market":"AMZN-USD"}'), want: 'not a decimal' },
    { name: 'a number for a position', command: prints('{"market":"AMZN-USD","position":0}'), want: 'not a decimal' },
    { name: 'an empty position', command: prints('{"market":"AMZN-USD","position":""}'), want: 'not a decimal' },
    { name: 'NaN', command: prints('{"market":"AMZN-USD","position":"NaN"}'), want: 'not a decimal' },
    { name: 'no such program', command: ['no-such-program-here'], want: 'did not start' },
    { name: 'too much output', command: node('-e', "process.stdout.write('x'.repeat(3e6))"), want: 'more output' },
    { name: 'killed', command: node('-e', "process.kill(process.pid, 'SIGKILL')"), want: 'ended by SIGKILL' },
  ])('$name', async ({ command, want }) => {
    const reply = await venue({ position: command }).position();
    expect(reply).toMatchObject({ known: false, reason: expect.stringContaining(want) });
  });

  test.each([
    { name: 'no list', list: null },
    { name: 'an order without an id', list: [{ side: 'buy', price: '1', size: '1' }] },
    { name: 'a side that is neither', list: [{ id: '1', side: 'BUY', price: '1', size: '1' }] },
    { name: 'a size that is a number', list: [{ id: '1', side: 'buy', price: '1', size: 1 }] },
  ])('orders: $name', async ({ list }) => {
    expect((await venue({ orders: orders(list) }).openOrders()).known).toBe(false);
  });

  test.each([
    { name: 'another client id', change: { clientId: 'x' } },
    { name: 'an open status', change: { status: 'open' } },
    { name: 'a negative fill', change: { filled: '-1' } },
    { name: 'a cost in words', change: { costUsd: 'none' } },
  ])('close: $name', async ({ change }) => {
    const answer = {
      market: 'AMZN-USD',
      clientId: 'c',
      status: 'filled',
      filled: '1',
      averagePrice: null,
      costUsd: null,
      ...change,
    };
    const v = venue({ close: prints(JSON.stringify(answer)) });
    expect((await v.close({ side: 'buy', size: '1', limitPrice: null, clientId: 'c' })).known).toBe(false);
  });

  test('a time-out, and the whole family of the command is ended', async () => {
    const pidFile = join(dir, 'pid');
    const script = `require('child_process').spawn('sleep',['60'],{stdio:'inherit'}); require('fs').writeFileSync('${pidFile}', ''+process.pid); setInterval(()=>{},1000)`;
    // As long as it takes for there to be a family.
    for (let timeoutMs = 200; !existsSync(pidFile); timeoutMs *= 2) {
      const reply = await venue({ position: node('-e', script), timeoutMs }).position();
      expect(reply).toEqual({ known: false, reason: `position command: no answer within ${timeoutMs / 1000}s` });
    }
    const group = readFileSync(pidFile, 'utf8');
    const members = () =>
      readdirSync('/proc').filter((pid) => {
        try {
          const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
          return fields[2] === group && fields[0] !== 'Z';
        } catch {
          return false;
        }
      });
    await vi.waitUntil(() => members().length === 0, { timeout: 5_000 });
  });
});

test('commands see the secrets, the folder and no MM_ or MMFLEET_ variable of ours; arguments are never split', async () => {
  vi.stubEnv('MM_LEAK', '1');
  vi.stubEnv('MMFLEET_LEAK', '1');
  const script = `console.log(JSON.stringify({ market: 'AMZN-USD', position: '0', env: 1 }));
    require('fs').writeFileSync('seen.json', JSON.stringify({ argv: process.argv.slice(1), env: process.env }))`;
  await venue({ position: node('-e', script, '{market} $HOME; rm', '{other}') }).position();
  const seen = JSON.parse(readFileSync(join(dir, 'seen.json'), 'utf8'));
  expect(seen.argv).toEqual(['AMZN-USD $HOME; rm', '{other}']);
  expect(seen.env.MM_API_KEY).toBe('sesame');
  expect(Object.keys(seen.env).filter((k) => /LEAK/.test(k))).toEqual([]);
});

describe('journal venue', () => {
  const CLEAN: JournalEvidence = {
    exitClean: true,
    runEnd: { positionAfter: '0', activeOrders: 0, hasStats: true },
    lastPosition: '0.3',
  };
  const read = async (evidence: JournalEvidence) => {
    const v = createJournalVenue({ market: 'AMZN-USD', evidence: () => evidence, clock: systemClock });
    return { position: await v.position(), orders: await v.openOrders(), cancel: await v.cancelAll() };
  };
  test('a clean run_end speaks for position and orders', async () => {
    const { position, orders, cancel } = await read(CLEAN);
    expect(position).toMatchObject({ known: true, value: { position: '0' } });
    expect(orders).toMatchObject({ known: true, value: [] });
    expect(cancel.known).toBe(false);
  });
  test.each<{ name: string; given: Partial<JournalEvidence> }>([
    { name: 'no run_end', given: { runEnd: null } },
    { name: 'killed', given: { exitClean: false } },
    { name: 'empty statistics', given: { runEnd: { positionAfter: null, activeOrders: null, hasStats: false } } },
    {
      name: 'no position at all',
      given: { runEnd: { positionAfter: null, activeOrders: 0, hasStats: true }, lastPosition: null },
    },
  ])('$name is unknown', async ({ given }) => {
    expect((await read({ ...CLEAN, ...given })).position.known).toBe(false);
  });
  test('orders that run_end still counts are there', async () => {
    const { orders } = await read({ ...CLEAN, runEnd: { positionAfter: '0', activeOrders: 2, hasStats: true } });
    expect(orders).toMatchObject({ known: true, value: [{}, {}] });
  });
});
