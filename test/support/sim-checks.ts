/** The promises, looked at from outside: from what the simulated world did and saw, never from what mmfleet says of itself. */

import type { Receipt } from '../../src/core/flat/types.ts';
import type { ProcessCopy, StartOrder } from '../../src/core/ports.ts';
import { parseReceipts } from '../../src/core/trail/receipts.ts';
import { stopLimitMs } from '../../src/shell/converge/stop.ts';
import type { Proc } from './sim-bots.ts';
import { READ_LAG_MS, SETTLE_MS, type Seen } from './sim-exchange.ts';
import type { SimCommit } from './sim-git.ts';
import type { Life } from './sim-loop.ts';
import type { SimWorld } from './sim-world.ts';

/** What may count as dust: 5 USD at about 100, in hundredths of the base unit. */
const DUST = 5;

/** P2, P3, P4, P8: what must be true at the moment a bot is started. */
export function checkStart(world: SimWorld, life: Life, order: StartOrder): void {
  const { instance: name } = order;
  const { bots, exchange, git } = world;
  const broken = (promise: string, what: string) => world.broken(promise, `start of ${name}: ${what}`);
  const sweep = bots.lastSweep.get(name);
  if (sweep === undefined || sweep.life !== life.number || !sweep.known)
    broken('P8', 'the process table was not readable when last looked at');
  const alive = bots.live(name).filter((p) => !p.stranger || p.copy.startedAtMs < (sweep?.atMs ?? 0));
  if (alive.length > 0) broken('P3', `pid ${alive.map((p) => p.copy.pid).join(', ')} lives`);

  const market = exchange.market(world.marketOf(name));
  const mine = bots.procs.filter((p) => p.copy.instance === name && p.goneAtMs !== null);
  const since = Math.max(0, ...mine.map((p) => p.goneAtMs ?? 0));
  const own = market.seen.filter((s) => s.life === life.number && s.atMs >= since);
  const touched = own.findLastIndex((s) => s.what === 'cancel' || s.what === 'close');
  const reads = own.slice(touched + 1);
  const isFlat = (s: Seen) => s.what === 'position' && s.value !== null && Math.abs(s.value) <= DUST;
  const lastOpen = reads.findLastIndex((s) => s.what === 'position' && s.value !== null && !isFlat(s));
  const since0 = reads.slice(lastOpen + 1);
  const flat = since0.filter(isFlat);
  const [first, last] = [flat[0], flat.at(-1)];
  if (first === undefined || last === undefined || last.atMs - first.atMs < SETTLE_MS)
    broken('P2', 'no two flat reads a settle interval apart since its last process was gone');
  else if (!since0.some((s) => s.what === 'orders' && s.value === 0 && s.atMs >= first.atMs && s.atMs <= last.atMs))
    broken('P2', 'no empty order list between its flat reads');
  if (reads.findLast((s) => s.what === 'position')?.value == null) broken('P8', 'the last read of its position failed');
  if (reads.findLast((s) => s.what === 'orders')?.value !== 0)
    broken('P8', 'the last read of its orders failed, or showed some');
  const byStranger = market.strangerMs >= (last?.atMs ?? 0) - READ_LAG_MS;
  if (!byStranger && Math.abs(market.position) > DUST) broken('P2', `the market holds ${market.position / 100}`);
  if (!byStranger && market.orders.length > 0) broken('P2', `${market.orders.length} orders rest in the market`);

  const commit = git.commits.get(order.markers['MMFLEET_REVISION'] ?? '');
  if (commit === undefined || !git.isAncestor(commit, git.remote)) broken('P4', 'its commit is not on the remote');
  const wanted = commit === undefined ? undefined : world.wantedAt(commit).get(name);
  if (wanted?.digest !== order.markers['MMFLEET_DIGEST'] || wanted?.envText !== order.envText)
    broken('P4', 'it is not what its commit says');
  if (wanted?.state !== 'Running' || wanted.held) broken('P4', 'its commit says that it must not run');
}

/** P5, P8 and the single signal: what must be true when a process is signalled. */
export function checkSignal(world: SimWorld, life: Life, proc: Proc, copy: ProcessCopy, signal: string): void {
  const { instance: name } = copy;
  const broken = (promise: string, what: string) =>
    world.broken(promise, `${signal} to ${name} pid ${copy.pid}: ${what}`);
  const sweep = world.bots.lastSweep.get(name);
  if (sweep === undefined || sweep.life !== life.number || !sweep.known)
    broken('P8', 'the process table was not readable when last looked at');
  const seen = world.bots.live(name).filter((p) => p.copy.startedAtMs < (sweep?.atMs ?? 0));
  if (proc.signals.length === 0 && seen.length > 1 && seen.some((p) => p.stranger))
    broken('two copies', 'it is not told which of them is ours');
  const before = proc.signals.filter((s) => s.pid === copy.pid);
  const intent = world.local.intents.get(name);
  if (intent?.pid !== copy.pid && !(proc.leaderAlive === false && copy.startId === proc.copy.startId))
    broken('P12', 'no stop intent was written first');
  if (signal === 'SIGKILL') {
    const limitMs = stopLimitMs({ MM_SHUTDOWN_TIMEOUT_S: '2' }, 3_000);
    if (intent === undefined || world.loop.nowMs - Date.parse(intent.at) < limitMs)
      broken('P12', 'killed inside its own shutdown limit');
    return;
  }
  if (before.length > 0) broken('P12', 'a second signal');
  if (copy.pid !== proc.copy.pid) return; // a helper of a dead bot
  const reasons = [...world.headsOfLife].map((commit) => reasonToStop(world, commit, proc));
  if (reasons.every((r) => !r)) broken('P5', 'it runs what is wanted, and nothing is wrong with it');
  const market = world.exchange.market(proc.market);
  const ready = (what: string) => market.seen.findLast((s) => s.life === life.number && s.what === what)?.value ?? null;
  if (ready('position') === null || ready('orders') === null) broken('P8', 'the venue did not answer before it');
}

function reasonToStop(world: SimWorld, commit: SimCommit, proc: Proc): boolean {
  const wanted = world.wantedAt(commit).get(proc.copy.instance);
  if (wanted === undefined) return false;
  return (
    wanted.digest !== proc.copy.digest ||
    wanted.state !== 'Running' ||
    wanted.held ||
    wanted.parked ||
    // A copy started by hand writes nothing here: what the newest journal says is all there is to go by.
    (proc.run ?? world.bots.newestRun.get(proc.copy.instance))?.day === 'losing'
  );
}

/** A receipt may say FLAT only of a market that is. */
export function checkReceipt(world: SimWorld, receipt: Receipt): void {
  if (receipt.verdict !== 'FLAT') return;
  const market = world.exchange.market(receipt.market);
  const lastReadMs = market.seen.findLast((s) => s.what === 'position')?.atMs ?? 0;
  if (market.strangerMs >= lastReadMs - READ_LAG_MS) return; // nobody could have seen it
  if (market.position !== 0) world.broken('P2', `proved flat with ${market.position / 100} in ${market.name}`);
  if (market.orders.length > 0) world.broken('P2', `proved flat with ${market.orders.length} orders in ${market.name}`);
  if (world.bots.live(receipt.instance).some((p) => !p.stranger))
    world.broken('P2', `proved flat while a process of ${receipt.instance} lives`);
}

/** P3 after every event. */
export function checkAlways(world: SimWorld): void {
  for (const name of world.names) {
    const own = world.bots.live(name).filter((p) => !p.stranger);
    if (own.length > 1) world.broken('P3', `${name} lives ${own.length} times`);
  }
}

/** P12 and P13: how one instance stands once everything has come to rest; null = as wanted or held. */
export function unsettled(world: SimWorld, name: string): string | null {
  const { bots, exchange, git } = world;
  const wanted = world.wantedAt(git.remote).get(name);
  const live = bots.live(name);
  const market = exchange.market(world.marketOf(name));
  const flat = Math.abs(market.position) <= DUST && market.orders.length === 0;
  if (git.local !== git.remote) return 'the clone and its remote differ';
  const tracked = (git.text(git.remote, `fleet/receipts/${name}.jsonl`) ?? '').split('\n').filter((l) => l !== '');
  if (new Set(tracked).size < tracked.length) return 'a receipt is tracked twice';
  const local = parseReceipts(world.local.receipts.get(name) ?? '').receipts;
  if (local.some(({ line, receipt }) => receipt.verdict === 'FLAT' && !tracked.includes(line)))
    return 'a receipt never reached git';
  if (wanted === undefined) return 'its spec is gone';
  if (wanted.held) return null;
  if (wanted.invalid || live.some((p) => p.stranger) || live.length > 1) return null; // a derived hold: left as it is
  if (wanted.state !== 'Running' || wanted.parked) {
    if (live.length > 0) return 'it must not run, and does';
    return flat || market.strangerMs > 0 ? null : `it is down and holds ${market.position / 100}`;
  }
  if (live.length === 0) return 'it must run, and does not';
  return live[0]!.copy.digest === wanted.digest ? null : 'it runs another env than wanted';
}
