import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { parseLine } from '../../src/core/journal/parse.ts';
import type { JournalEvent } from '../../src/core/journal/types.ts';
import { type RunningVenue, startVenue } from '../../src/shell/demo/venue.ts';

const KEY = 'demo-secret-0123456789';
const MARKET = 'PUMP-USD';
const ENV = readFileSync(join(import.meta.dirname, '..', '..', 'fleet', 'env', 'pump', '.env.pump'), 'utf8');

let program: string;
let dir: string;
let venue: RunningVenue;
let bots: ChildProcess[];

beforeAll(async () => {
  program = join(mkdtempSync(join(tmpdir(), 'demo-bot-program-')), 'bot.mjs');
  const entry = join(import.meta.dirname, '..', '..', 'src', 'shell', 'demo', 'bot.ts');
  await build({
    entryPoints: [entry],
    outfile: program,
    bundle: true,
    platform: 'node',
    format: 'esm',
    logLevel: 'error',
  });
});

afterAll(() => rmSync(join(program, '..'), { recursive: true }));

beforeEach(async () => {
  bots = [];
  dir = mkdtempSync(join(tmpdir(), 'demo-bot-'));
  venue = await startVenue(KEY);
  mkdirSync(join(dir, 'demo'));
  writeFileSync(join(dir, 'demo', 'venue.url'), `${venue.url}\n`);
  const startedAtMs = Date.now();
  const world = {
    startedAtMs,
    epochTs: Math.floor(startedAtMs / 1000) - 86_400,
    speed: 600,
    story: 'too-tight',
    seed: 3,
  };
  writeFileSync(join(dir, 'demo', 'world.json'), JSON.stringify(world));
  writeFileSync(join(dir, '.env.pump.iter001'), `${ENV}\nMM_API_KEY=${KEY}\n`);
});

afterEach(async () => {
  for (const bot of bots) if (bot.exitCode === null && bot.signalCode === null) bot.kill('SIGKILL');
  await venue.close();
  rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
});

function startBot(env: Record<string, string> = {}): ChildProcess {
  const bot = spawn(process.execPath, [program], {
    cwd: dir,
    env: { PATH: process.env['PATH'], ENV: '.env.pump.iter001', DEMO_WORLD: 'demo', ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  bots.push(bot);
  return bot;
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`waited too long: ${what}`);
    await new Promise((done) => setTimeout(done, 20));
  }
}

async function exitOf(bot: ChildProcess): Promise<number | null> {
  if (bot.exitCode !== null) return bot.exitCode;
  const [code] = (await once(bot, 'exit')) as [number | null];
  return code;
}

const journals = () => {
  const folder = join(dir, 'data', 'mm_journal');
  try {
    return readdirSync(folder)
      .filter((name) => !name.includes('latest'))
      .sort()
      .map((name) => join(folder, name));
  } catch {
    return [];
  }
};

function events(path: string): JournalEvent[] {
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
  return lines.map((text) => {
    const parsed = parseLine(text);
    if (!parsed.ok) throw new Error(`${parsed.reason}: ${text}`);
    return parsed.event;
  });
}

const position = () => venue.ledger.markets.get(MARKET)?.position;

describe('demo bot', () => {
  test('quotes, and on one signal cancels, flattens at the venue and ends its journal', async () => {
    const bot = startBot();
    await until('a market', () => position() !== undefined);
    // More than it could lose again before it hears of the signal.
    const held = venue.ledger.markets.get(MARKET)!;
    held.position = held.position.plus(1_000_100);
    bot.kill('SIGINT');
    expect(await exitOf(bot)).toBe(0);
    expect(position()?.isZero()).toBe(true);
    expect(venue.ledger.markets.get(MARKET)?.orders).toEqual([]);

    const [path] = journals();
    expect(path).toMatch(/mm_PUMP-USD_\d{8}_\d{6}\.jsonl$/);
    const link = join(dir, 'data', 'mm_journal', `mm_${MARKET}_latest.jsonl`);
    expect(readlinkSync(link)).toBe(path!.split('/').at(-1));
    const all = events(path!);
    const [first, last] = [all[0], all.at(-1)];
    expect(first).toMatchObject({ type: 'run_start', environment: 'testnet', envFile: join(dir, '.env.pump.iter001') });
    expect(first).toMatchObject({
      tickSize: '0.0000005',
      sizeStep: '100',
      config: { min_offset_bps: '12.0', num_price_levels: 2 },
    });
    // The reader keeps no secret key at all; the bot itself blanks it, as the real one does.
    expect(readFileSync(path!, 'utf8').split('\n')[0]).toContain('"api_key": "***redacted***"');
    expect(last).toMatchObject({
      type: 'run_end',
      reason: 'shutdown',
      flatten: { positionAfter: '0', attempted: true, submitted: true, reason: 'flattened', activeOrders: 0 },
    });
    expect(all.filter((e) => e.type === 'fill').at(-1)).toMatchObject({ isTaker: true, level: null, position: '0' });
    const beats = all.filter((e) => e.type === 'heartbeat').map((e) => e.ts);
    for (let i = 1; i < beats.length; i += 1) expect(beats[i]! - beats[i - 1]!).toBeLessThan(60);
    expect(readFileSync(path!, 'utf8')).not.toContain(KEY);
  });

  test('the next run goes on in the same market, later in journal time', async () => {
    const first = startBot();
    await until('fills', () => (journals()[0] === undefined ? 0 : events(journals()[0]!).length) > 50);
    first.kill('SIGTERM');
    expect(await exitOf(first)).toBe(0);
    const second = startBot();
    await until('a second journal', () => journals().length === 2 && events(journals()[1]!).length > 50);
    second.kill('SIGINT');
    expect(await exitOf(second)).toBe(0);
    const [before, after] = journals().map(events) as [JournalEvent[], JournalEvent[]];
    expect(after[0]!.ts).toBeGreaterThan(before.at(-1)!.ts);
    expect(after[0]!.runId).not.toBe(before[0]!.runId);
    const mid = (list: JournalEvent[]) => list.flatMap((e) => (e.mid === null ? [] : [e.mid]));
    const jump = Math.abs(mid(after)[0]! / mid(before).at(-1)! - 1);
    // Market time runs on between the two, 240 times as fast: the price is near, a market begun anew would be far off.
    expect(jump).toBeLessThan(0.1);
  });

  test('a second signal skips the flatten', async () => {
    const bot = startBot();
    await until('a position', () => position()?.isZero() === false);
    bot.kill('SIGINT');
    bot.kill('SIGTERM');
    expect(await exitOf(bot)).toBe(0);
    const end = events(journals()[0]!).at(-1);
    expect(end).toMatchObject({ type: 'run_end', flatten: { attempted: false } });
    const after = end?.type === 'run_end' ? end.flatten.positionAfter : undefined;
    expect(position()?.toFixed()).toBe(after);
    expect(venue.ledger.markets.get(MARKET)?.orders).toEqual([]);
  });

  test('killed, it leaves its position at the venue and no last line', async () => {
    const bot = startBot();
    await until('a position', () => position()?.isZero() === false);
    bot.kill('SIGKILL');
    await exitOf(bot);
    expect(events(journals()[0]!).some((e) => e.type === 'run_end')).toBe(false);
  });

  test.each([
    ['no env file', { ENV: '.env.gone' }],
    ['an unknown market', { MM_MARKET_NAME: 'NONE-USD' }],
    ['a number it cannot read', { MM_MIN_OFFSET_BPS: 'wide' }],
  ])('refuses %s', async (_, env) => {
    expect(await exitOf(startBot(env))).toBe(1);
    expect(journals()).toEqual([]);
  });

  test('a variable of the process wins over the file', async () => {
    const bot = startBot({ MM_MIN_OFFSET_BPS: '7.5' });
    await until('a journal', () => journals().length === 1 && readFileSync(journals()[0]!, 'utf8').includes('\n'));
    expect(events(journals()[0]!)[0]).toMatchObject({ config: { min_offset_bps: '7.5' } });
    bot.kill('SIGINT');
    expect(await exitOf(bot)).toBe(0);
  });
});
