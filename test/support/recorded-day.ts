/** Hours of a bot's journal from the model market, seeded, in the bot's own format. */
import { configDump } from '../../src/shell/demo/bot-settings.ts';
import { gridText } from '../../src/shell/demo/grid.ts';
import { happeningLine, line, openRun, positionText } from '../../src/shell/demo/journal-lines.ts';
import { LISTINGS, type MarketName } from '../../src/shell/demo/listings.ts';
import { baseEnv, SCENARIOS } from '../../src/shell/demo/model/scenarios.ts';
import {
  type Happening,
  joinMarket,
  positionLots,
  restingOrders,
  startMarket,
  stepSim,
} from '../../src/shell/demo/sim.ts';

export const DAY_START = 1_771_200_000;

export type Recording = {
  market?: MarketName;
  scenario: 'tuned' | 'too tight';
  hours: number;
  seed: number;
  startTs?: number;
  runId?: string;
  envFile?: string;
};

/** The env values of a scenario in a market; every tunable key is named. */
export function recordedEnv(market: MarketName, name: Recording['scenario'] = 'tuned'): Record<string, string> {
  return { ...baseEnv(LISTINGS[market].model, scenarioOf(name)), MM_MARKET_NAME: market };
}

/** Lines with their line feeds: `run_start`, what happened, a heartbeat each 30 s, `run_end`. */
export function recordedLines(recording: Recording): string[] {
  const { hours, seed, startTs = DAY_START } = recording;
  const listing = LISTINGS[recording.market ?? 'AMZN-USD'];
  const values = recordedEnv(recording.market ?? 'AMZN-USD', recording.scenario);
  const ctx = { listing, scenario: scenarioOf(recording.scenario), values };
  const sim = joinMarket(ctx, startMarket(ctx, seed), seed);
  const run = openRun(recording.runId ?? 'a'.repeat(31) + String(seed % 10), listing, startTs, startTs);
  const lines = [
    line(run, startTs, 'run_start', {
      environment: 'testnet',
      config: configDump(values),
      market_static: {
        tick_size: gridText(listing.tick, 1),
        min_order_size: gridText(listing.lot, 1),
        min_order_size_change: gridText(listing.lot, 1),
      },
      provenance: { env_file: recording.envFile ?? '.env.amzn', cwd: '/srv/bot', git_sha: null },
    }),
  ];
  const out: Happening[] = [];
  for (let s = 0; s < hours * 3600; s += 1) {
    stepSim(sim, ctx, out);
    const active = restingOrders(sim, ctx).length;
    for (const happening of out) lines.push(happeningLine(run, happening, active));
    out.length = 0;
    if (s % 30 === 29) {
      lines.push(
        line(run, startTs + s + 0.99, 'heartbeat', {
          position: positionText(listing.lot, positionLots(sim, listing)),
          event_count: run.seq,
          active_orders: active,
          uptime_s: { float: s },
        }),
      );
    }
  }
  lines.push(line(run, startTs + hours * 3600, 'run_end', { reason: 'shutdown', stats: {} }));
  return lines;
}

function scenarioOf(name: string) {
  const found = SCENARIOS.find((scenario) => scenario.name === name);
  if (found === undefined) throw new Error(`no scenario ${name}`);
  return found;
}
