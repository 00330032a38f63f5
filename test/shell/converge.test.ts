import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/adapters/clock.ts';
import { readIntent, writeIntent } from '../../src/adapters/intents.ts';
import { createProcessRuntime } from '../../src/adapters/process.ts';
import { confirmRun } from '../../src/core/flat/confirm.ts';
import type { Receipt } from '../../src/core/flat/types.ts';
import type { RunStartEvent } from '../../src/core/journal/types.ts';
import type { ProcessCopy, RuntimePort, VenuePort } from '../../src/core/ports.ts';
import { known, unknown } from '../../src/core/problem.ts';
import { type StartContext, startInstance } from '../../src/shell/converge/start.ts';
import { type StopContext, stopInstance, stopLimitMs } from '../../src/shell/converge/stop.ts';
import { localState } from '../../src/shell/local-state.ts';
import { alive, scratch, until } from '../support/puppet.ts';

let world: ReturnType<typeof scratch>;
beforeEach(() => {
  world = scratch();
  mkdirSync(world.gitDir);
});
afterEach(() => world.end());

/** A venue in memory over the same state file that the puppets trade on. */
function fileVenue(): VenuePort {
  const seen = new Map<
    string,
    { clientId: string; status: 'filled'; filled: string; averagePrice: null; costUsd: string }
  >();
  const book = () => world.book() ?? { position: '0', orders: [] };
  const now = () => systemClock.nowMs();
  return {
    evidence: 'venue',
    position: async () => known({ market: world.market, position: book().position }, now()),
    openOrders: async () =>
      known(
        book().orders.map((o) => ({ ...o, side: o.side as 'buy' })),
        now(),
      ),
    cancelAll: async () => {
      world.setBook({ orders: [] });
      return known({ canceled: null }, now());
    },
    reference: async () => known({ bid: '100.0', ask: '100.1', sizeStep: '0.01', minSize: '0.01', tick: '0.1' }, now()),
    close: async ({ side, size, clientId }) => {
      const before = seen.get(clientId);
      if (before !== undefined) return known(before, now());
      const held = Number(book().position);
      const filled = Math.min(Math.abs(held), Number(size));
      world.setBook({ position: String(side === 'buy' ? held + filled : held - filled) });
      const result = {
        clientId,
        status: 'filled' as const,
        filled: String(filled),
        averagePrice: null,
        costUsd: '0.1',
      };
      seen.set(clientId, result);
      return known(result, now());
    },
  };
}

const stopContext = (change: Partial<StopContext> = {}): StopContext => ({
  instance: 'amzn',
  where: { market: world.market, account: 'main' },
  local: localState(world),
  runtime: world.runtime,
  venue: fileVenue(),
  clock: systemClock,
  policy: {
    settleMs: 60,
    dustMaxNotionalUsd: 0,
    flatten: { attempts: 3, slippageBps: { start: 20, step: 10, max: 100 }, maxCostUsd: 50 },
  },
  stop: { signal: 'SIGINT', timeoutMs: 5_000 },
  envValues: { MM_SHUTDOWN_TIMEOUT_S: '0' },
  shuttingDown: false,
  preflight: true,
  mayClose: true,
  cause: 'digest-drift',
  iterFrom: 6,
  iterTo: 7,
  runFacts: async () => ({ runId: 'r1', botSays: null }),
  seenClientIds: [],
  marginMs: 100,
  ...change,
});
const running = async (behaviour: object = {}, environment: Record<string, string> = {}): Promise<ProcessCopy> => {
  world.behave(behaviour);
  const order = world.order();
  const copy = await world.start({ environment: { ...order.environment, ...environment } });
  await until(() => world.journal().some((e) => e['type'] === 'run_start'), 'run_start');
  return copy;
};
const receipts = (): Receipt[] => {
  const path = join(world.stateDir, 'receipts', 'amzn.jsonl');
  return existsSync(path)
    ? readFileSync(path, 'utf8')
        .trim()
        .split('\n')
        .map((l) => JSON.parse(l) as Receipt)
    : [];
};

describe('stop', () => {
  test('one signal, the bot flattens, the venue proves it, the receipt says so', async () => {
    const copy = await running({}, { PUPPET_ORDERS: '2' });
    world.setBook({ position: '0.4' });
    const phases: string[] = [];
    const result = await stopInstance(stopContext({ onPhase: (phase) => phases.push(phase) }));
    expect(result).toMatchObject({
      outcome: 'flat',
      killed: false,
      proof: { instance: 'amzn', verdict: { verdict: 'FLAT' } },
    });
    expect(world.signals()).toEqual([`${copy.pid} SIGINT`]);
    expect(alive(copy.pid)).toBe(false);
    expect(receipts()).toMatchObject([
      {
        instance: 'amzn',
        pid: copy.pid,
        startTicks: copy.startTicks,
        iterFrom: 6,
        iterTo: 7,
        killed: false,
        verdict: 'FLAT',
        orders: [],
      },
    ]);
    expect(await readIntent(world.gitDir, 'amzn')).toMatchObject({ known: true, value: null });
    expect(existsSync(join(world.stateDir, 'run', 'amzn'))).toBe(false);
    expect([...new Set(phases)]).toEqual(['draining', 'flattening', 'flat']);
  });

  test('a bot that ignores its signal is killed after its limit, and closed by us', async () => {
    const copy = await running({ ignoreSignals: true }, { PUPPET_ORDERS: '2' });
    world.setBook({ position: '-0.4' });
    const said = { positionAfter: '0', reason: 'flattened' };
    const sent: string[] = [];
    const runtime: RuntimePort = {
      ...world.runtime,
      signal: async (to, signal) => {
        sent.push(`${to.pid} ${signal}`);
        return world.runtime.signal(to, signal);
      },
    };
    const result = await stopInstance(
      stopContext({
        runtime,
        stop: { signal: 'SIGINT', timeoutMs: 300 },
        runFacts: async () => ({ runId: 'r1', botSays: said }),
      }),
    );
    expect(result).toMatchObject({ outcome: 'flat', killed: true });
    expect(sent.slice(0, 2)).toEqual([`${copy.pid} SIGINT`, `${copy.pid} SIGKILL`]);
    expect(receipts()).toMatchObject([{ killed: true, botSays: null, orders: [{ side: 'buy', size: '0.4' }] }]);
    expect(world.book()).toMatchObject({ position: '0', orders: [] });
  });

  test('a bot that says flat and is not: the venue wins and the difference is recorded', async () => {
    await running({ keepPosition: true, lieFlat: true });
    world.setBook({ position: '0.4' });
    const runFacts = async () => {
      const end = world.journal().find((e) => e['type'] === 'run_end')?.['stats'] as Record<string, string>;
      return { runId: 'r1', botSays: { positionAfter: end['shutdown_position_after_flatten']!, reason: null } };
    };
    expect(await stopInstance(stopContext({ runFacts }))).toMatchObject({ outcome: 'flat' });
    expect(receipts()[0]!.disagreement).toBe('bot says 0, venue says 0.4');
  });

  test('a stop in flight is waited for and never signalled again', async () => {
    const copy = await running({ holdStop: true });
    world.setBook({ position: '0.4' });
    const stop = { signal: 'SIGINT' as const, timeoutMs: 20_000 };
    const abort = new AbortController();
    const first = stopInstance(stopContext({ stop, signal: abort.signal }));
    await until(() => world.signals().length === 1, 'the signal');
    abort.abort();
    expect(await first).toMatchObject({ outcome: 'unknown', hold: false, receipt: null });
    expect(alive(copy.pid)).toBe(true);
    const runtime = createProcessRuntime({ fleetId: world.fleetId, stateDir: world.stateDir, clock: systemClock });
    let waits = false;
    const onPhase = (phase: string) => {
      waits ||= phase === 'draining';
    };
    const second = stopInstance(stopContext({ stop, runtime, onPhase }));
    await until(() => waits, 'the second waits for it too');
    world.behave({});
    expect(await second).toMatchObject({ outcome: 'flat', killed: false });
    expect(world.signals()).toEqual([`${copy.pid} SIGINT`]);
    const end = world.journal().find((e) => e['type'] === 'run_end')!;
    expect(end['stats']).toMatchObject({ shutdown_flatten_reason: 'flattened' });
  });

  test('a clock that jumps ahead while a bot ends does not use up its limit', async () => {
    await running({ holdStop: true });
    let [aheadMs, looks] = [0, 0];
    const clock = { ...systemClock, nowMs: () => systemClock.nowMs() + aheadMs };
    const runtime: RuntimePort = {
      ...world.runtime,
      gone: async (copy) => {
        looks += 1;
        return world.runtime.gone(copy);
      },
    };
    const stop = { signal: 'SIGINT' as const, timeoutMs: 20_000 };
    const stopped = stopInstance(stopContext({ clock, runtime, stop }));
    await until(() => world.signals().length === 1, 'the signal');
    aheadMs = 3_600_000;
    const before = looks;
    await until(() => looks > before + 2, 'it looks on');
    world.behave({});
    expect(await stopped).toMatchObject({ outcome: 'flat', killed: false });
  });

  test('a clock that is set back between two reads of a proof does not make it wait longer', async () => {
    let [reads, aheadMs] = [0, 0];
    const clock = {
      ...systemClock,
      nowMs: () => systemClock.nowMs() + aheadMs,
      sleep: async (ms: number, signal?: AbortSignal) => {
        if (reads > 0) aheadMs = -3_600_000;
        return systemClock.sleep(ms, signal);
      },
    };
    const venue: VenuePort = {
      ...fileVenue(),
      position: async () => {
        reads += 1;
        return fileVenue().position();
      },
    };
    expect(await stopInstance(stopContext({ clock, venue }))).toMatchObject({ outcome: 'flat' });
    expect([reads, aheadMs]).toEqual([2, -3_600_000]);
  });

  test.each(['a damaged record', 'a shutdown seen in the journal'])(
    'with %s it waits a full limit before any signal',
    async (name) => {
      const copy = await running({ slowStopMs: 200 });
      if (name === 'a damaged record') {
        mkdirSync(join(world.gitDir, 'mmfleet', 'stops'), { recursive: true });
        writeFileSync(join(world.gitDir, 'mmfleet', 'stops', 'amzn.json'), '{"pid": 1');
      }
      world.tell('stop');
      const result = await stopInstance(stopContext({ shuttingDown: name !== 'a damaged record' }));
      expect(result).toMatchObject({ outcome: 'flat', killed: false });
      expect(world.signals()).toEqual([]);
      expect(alive(copy.pid)).toBe(false);
    },
  );

  test('a record of another process is no stop in flight', async () => {
    const copy = await running();
    await writeIntent(world.gitDir, 'amzn', {
      pid: copy.pid,
      startTicks: '1',
      signal: 'SIGINT',
      at: new Date().toISOString(),
      cause: 'x',
    });
    expect(await stopInstance(stopContext())).toMatchObject({ outcome: 'flat' });
    expect(world.signals()).toHaveLength(1);
  });

  test('two copies: neither is touched', async () => {
    const pids = [(await running()).pid, (await running()).pid];
    expect(await stopInstance(stopContext())).toMatchObject({ outcome: 'unknown', reason: 'two-copies', hold: true });
    expect(pids.map(alive)).toEqual([true, true]);
    expect(world.signals()).toEqual([]);
  });

  test('a venue that does not answer stops nothing', async () => {
    const copy = await running();
    const venue = { ...fileVenue(), openOrders: async () => unknown('exit code 3') };
    expect(await stopInstance(stopContext({ venue }))).toMatchObject({
      outcome: 'unknown',
      reason: 'unknown-position',
      hold: false,
    });
    expect(alive(copy.pid)).toBe(true);
    expect(world.signals()).toEqual([]);
  });

  test('what tells the account of a run is kept until it is proved flat', async () => {
    await running();
    const began = () => world.runtime.startedWith('amzn', ['MM_API_KEY']);
    let reads = 0;
    const venue: VenuePort = {
      ...fileVenue(),
      position: async () => (++reads > 1 ? unknown('API key refused') : fileVenue().position()),
    };
    expect(await stopInstance(stopContext({ venue }))).toMatchObject({ outcome: 'unknown', hold: true });
    expect([await world.copies(), await began()]).toEqual([[], { MM_API_KEY: 'sesame-0123456789' }]);
    expect(await stopInstance(stopContext())).toMatchObject({ outcome: 'flat' });
    expect(await began()).toEqual({});
  });

  test('what cannot be written down is not done, and is no flat proof', async () => {
    const copy = await running();
    const stops = join(world.gitDir, 'mmfleet', 'stops');
    mkdirSync(join(stops, '..'));
    writeFileSync(stops, '');
    const stop = { signal: 'SIGINT' as const, timeoutMs: 100 };
    expect(await stopInstance(stopContext({ stop }))).toMatchObject({
      outcome: 'unknown',
      reason: 'unknown-process',
      message: expect.stringContaining('cannot be written down (E'),
    });
    expect([alive(copy.pid), world.signals()]).toEqual([true, []]);
    rmSync(stops);
    const folder = join(world.stateDir, 'receipts');
    writeFileSync(folder, '');
    expect(await stopInstance(stopContext())).toMatchObject({
      outcome: 'unknown',
      reason: 'flat-unproven',
      hold: false,
      message: expect.stringContaining('its receipt cannot be written (E'),
    });
    rmSync(folder);
    expect(await stopInstance(stopContext())).toMatchObject({ outcome: 'flat', receipt: { pid: copy.pid } });
  });

  test('an unreadable process table is not "stopped"', async () => {
    const runtime: RuntimePort = { ...world.runtime, list: async () => unknown('no /proc') };
    expect(await stopInstance(stopContext({ runtime }))).toMatchObject({
      outcome: 'unknown',
      reason: 'unknown-process',
    });
    expect(receipts()).toEqual([]);
  });

  test('a position before the first start is foreign and stays', async () => {
    world.setBook({ position: '3' });
    const result = await stopInstance(stopContext({ mayClose: false, cause: 'first-start' }));
    expect(result).toMatchObject({ outcome: 'foreign-position', reason: 'foreign-position', hold: true });
    world.setBook({ position: '0', orders: [{ id: '1', side: 'buy', price: '1', size: '1' }] });
    expect(await stopInstance(stopContext({ mayClose: false }))).toMatchObject({ outcome: 'foreign-position' });
    expect(world.book()!.orders).toHaveLength(1);
  });

  test('a helper that outlives its killed bot is ended before anything is proved', async () => {
    await running({ ignoreSignals: true, children: 'double-fork' });
    const result = await stopInstance(stopContext({ stop: { signal: 'SIGINT', timeoutMs: 300 } }));
    expect(result).toMatchObject({ outcome: 'flat', killed: true });
    expect(await world.copies()).toEqual([]);
  });

  test('the limit is the longer of the bot and the spec', () => {
    expect(stopLimitMs({}, 10_000)).toBe(30_000);
    expect(stopLimitMs({}, 60_000)).toBe(60_000);
    expect(stopLimitMs({ MM_SHUTDOWN_TIMEOUT_S: '90' }, 60_000)).toBe(90_000);
    expect(stopLimitMs({ MM_SHUTDOWN_TIMEOUT_S: 'soon' }, 10_000)).toBe(30_000);
  });
});

/** Stands for kill -9: the n-th effect on the outside world happens (or not) and then nothing runs any more. */
class Crash extends Error {}
function crashing(at: number, when: 'before' | 'after') {
  let effects = 0;
  const done = new Set<string>();
  const wrap = <T extends object>(port: T): T =>
    Object.fromEntries(
      Object.entries(port).map(([name, member]) => {
        // The wait for the end is one point in time, not one per look.
        if (typeof member !== 'function' || name === 'gone') return [name, member];
        const acts = ['signal', 'cancelAll', 'close', 'start', 'cleanup'].includes(name);
        const call = async (...args: unknown[]) => {
          effects += when === 'before' || acts ? 1 : 0;
          const mine = effects === at && (when === 'before' || acts);
          if (mine && when === 'before') throw new Crash();
          done.add(name);
          const result = await member(...args);
          if (mine) throw new Crash();
          return result;
        };
        return [name, call];
      }),
    ) as T;
  return { wrap, did: (name: string) => done.has(name) };
}
const ENOUGH_MS = 20_000;

// Some thirty worlds: patience for a busy machine.
test('killed between any two effects: one signal, one close, one start, and it ends flat and running', async () => {
  let points = 0;
  let unsent = 0;
  for (const when of ['before', 'after'] as const) {
    for (let at = 1, finished = false; !finished; at += 1, points += 1) {
      await world.end();
      world = scratch();
      mkdirSync(world.gitDir);
      const copy = await running({ keepPosition: true }, { PUPPET_ORDERS: '1' });
      world.setBook({ position: '0.4' });
      const outside = fileVenue();
      const closes: string[] = [];
      const venue: VenuePort = {
        ...outside,
        close: async (order) => {
          closes.push(order.clientId);
          return outside.close(order);
        },
      };
      const crash = crashing(at, when);
      const pass = async (wrap: <T extends object>(port: T) => T, patienceMs: number) => {
        const passStartedAtMs = systemClock.nowMs();
        const runtime = wrap(
          createProcessRuntime({ fleetId: world.fleetId, stateDir: world.stateDir, clock: systemClock }),
        );
        const list = await world.copies();
        // What the planner does: a copy that was started by us since is converged.
        if (list.some((c) => c.pid !== copy.pid)) return;
        const stopped = await stopInstance(
          stopContext({
            runtime,
            venue: wrap(venue),
            policy: { ...stopContext().policy, settleMs: 10 },
            stop: { signal: 'SIGINT', timeoutMs: patienceMs },
          }),
        );
        if (stopped.outcome !== 'flat') throw new Error(JSON.stringify(stopped));
        await startInstance(startContext({ runtime, venue: wrap(venue), proof: stopped.proof, passStartedAtMs }));
      };
      let crashed = false;
      try {
        await pass(crash.wrap, ENOUGH_MS);
      } catch (error) {
        if (!(error instanceof Crash)) throw error;
        crashed = true;
      }
      // Only for what never comes the wait is short: a bot that got its signal ends by itself, however slowly.
      const recorded = await readIntent(world.gitDir, 'amzn');
      const unsentNow = recorded.known && recorded.value !== null && !crash.did('signal');
      await pass((port) => port, unsentNow ? 800 : ENOUGH_MS);
      const name = `effect ${at} ${when}`;
      const signals = world.signals().filter((l) => l.startsWith(`${copy.pid} `)).length;
      // Killed between the record and the signal: it may have been sent, so it is waited for and never sent again.
      const neverSent = signals === 0 && when === 'before' && receipts().at(-1)!.killed;
      expect(signals === 1 || neverSent, name).toBe(true);
      unsent += neverSent ? 1 : 0;
      expect(new Set(closes).size, name).toBe(1);
      expect(Number(world.book()!.position), name).toBe(0);
      expect(await world.copies(), name).toHaveLength(1);
      if (!crashed) finished = true;
    }
  }
  expect(points).toBeGreaterThan(20);
  expect(unsent).toBe(1);
}, 240_000);

function startContext(change: Partial<StartContext> & Pick<StartContext, 'proof' | 'passStartedAtMs'>): StartContext {
  return {
    instance: 'amzn',
    market: world.market,
    runtime: world.runtime,
    venue: fileVenue(),
    clock: systemClock,
    order: world.order(),
    startTimeoutMs: 5_000,
    confirm: async () => 'yes',
    ...change,
  };
}

describe('start', () => {
  const proof = () => ({
    instance: 'amzn',
    market: world.market,
    verdict: { verdict: 'FLAT' as const },
    provedAtMs: systemClock.nowMs(),
  });
  const context = (change: Partial<StartContext> = {}) =>
    startContext({ proof: proof(), passStartedAtMs: systemClock.nowMs() - 1, ...change });
  /** The newest run_start as the journal reader gives it. */
  const confirm = (values: Record<string, string>) => async () => {
    const event = world.journal().find((e) => e['type'] === 'run_start');
    if (event === undefined) return 'no' as const;
    const { config, provenance } = event as { config: Record<string, unknown>; provenance: { env_file: string } };
    return confirmRun({ type: 'run_start', config, envFile: provenance.env_file } as RunStartEvent, {
      envFileName: '.env.amzn.iter007',
      values,
    });
  };

  test('starts on a fresh proof and is confirmed by the run itself', async () => {
    const result = await startInstance(
      context({ confirm: confirm({ MM_SPREAD_MULTIPLIER: '1.2', MM_NOT_SHOWN: '4' }) }),
    );
    expect(result).toMatchObject({ outcome: 'running', copy: { iter: 7 } });
  });

  test.each([
    {
      name: 'falls back to another env file',
      behaviour: { envFile: '/x/.env' },
      values: {},
      want: 'env file .env, want .env.amzn.iter007',
    },
    {
      name: 'runs another value',
      behaviour: { config: { spread_multiplier: '1.3' } },
      values: { MM_SPREAD_MULTIPLIER: '1.2' },
      want: 'MM_SPREAD_MULTIPLIER runs as 1.3, want 1.2',
    },
  ])('not confirmed when it $name', async ({ behaviour, values, want }) => {
    world.behave(behaviour);
    expect(await startInstance(context({ confirm: confirm(values) }))).toMatchObject({
      outcome: 'not-confirmed',
      message: want,
    });
  });

  test('unseen when no run_start comes in time', async () => {
    world.behave({ startDelayMs: 60_000 });
    expect(await startInstance(context({ confirm: confirm({}), startTimeoutMs: 300 }))).toMatchObject({
      outcome: 'unseen',
    });
  });

  test('ended during its start', async () => {
    world.behave({ exitAtStart: 1 });
    expect(await startInstance(context({ confirm: confirm({}) }))).toMatchObject({ outcome: 'exited' });
  });

  test.each<{ name: string; change: () => Partial<StartContext>; reason: string }>([
    {
      name: 'the proof is of an earlier pass',
      change: () => ({ passStartedAtMs: systemClock.nowMs() + 1_000 }),
      reason: 'flat-unproven',
    },
    {
      name: 'the proof is of another market',
      change: () => ({ proof: { ...proof(), market: 'MON-USD' } }),
      reason: 'flat-unproven',
    },
    {
      name: 'the position cannot be read',
      change: () => ({ venue: { ...fileVenue(), position: async () => unknown('x') } }),
      reason: 'unknown-position',
    },
    {
      name: 'the orders cannot be read',
      change: () => ({ venue: { ...fileVenue(), openOrders: async () => unknown('x') } }),
      reason: 'unknown-position',
    },
    {
      name: 'the process table cannot be read',
      change: () => ({ runtime: { ...world.runtime, list: async () => unknown('x') } }),
      reason: 'unknown-process',
    },
    {
      name: 'a late fill came after the proof',
      change: () => {
        world.setBook({ position: '0.1' });
        return {};
      },
      reason: 'flat-unproven',
    },
  ])('refused when $name', async ({ change, reason }) => {
    expect(await startInstance(context(change()))).toMatchObject({ outcome: 'refused', reason });
    expect(await world.copies()).toEqual([]);
  });

  test('refused while a copy lives', async () => {
    const copy = await running();
    expect(await startInstance(context())).toMatchObject({ outcome: 'refused' });
    expect((await world.copies()).map((c) => c.pid)).toEqual([copy.pid]);
  });

  test('a program that is not there is a problem, and no env file is left', async () => {
    const order = world.order({ command: ['no-such-program-here'] });
    expect(await startInstance(context({ order }))).toMatchObject({
      outcome: 'failed',
      problem: { code: 'runtime-command-missing' },
    });
    expect(existsSync(join(world.stateDir, 'run', 'amzn'))).toBe(false);
  });
});
