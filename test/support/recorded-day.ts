/** Hours of a bot's journal from the simulated market, seeded, in the bot's own format. */
import { configDump } from '../../src/shell/demo/bot-settings.ts';
import { gridText } from '../../src/shell/demo/grid.ts';
import { happeningLine, line, openRun, positionText } from '../../src/shell/demo/journal-lines.ts';
import { type Happening, startSim, stepSim } from '../../src/shell/demo/market.ts';
import { quoteSettings } from '../../src/shell/demo/quoting.ts';
import { MARKETS, type MarketName, SCENARIOS, type ScenarioName } from '../../src/shell/demo/scenarios.ts';

export const DAY_START = 1_771_200_000;

/** What every recorded config shares; a scenario's own keys win. */
export const RECORDED_ENV: Readonly<Record<string, string>> = {
  MM_OFFSET_MODE: 'dynamic',
  MM_NUM_PRICE_LEVELS: '2',
  MM_SPREAD_MULTIPLIER: '2',
  MM_MIN_OFFSET_BPS: '4.5',
  MM_MAX_OFFSET_BPS: '40',
  MM_MAX_POSITION_SIZE: '6',
  MM_REPRICE_TOLERANCE_PERCENT: '0.3',
  MM_MIN_REPRICE_INTERVAL_S: '2.0',
  MM_MAX_ORDER_AGE_S: '60',
  MM_INVENTORY_SKEW_FACTOR: '0.3',
};

export type Recording = {
  market?: MarketName;
  scenario: ScenarioName;
  hours: number;
  seed: number;
  startTs?: number;
  runId?: string;
  envFile?: string;
};

/** Lines with their line feeds: `run_start`, what happened, a heartbeat each 30 s, `run_end`. */
export function recordedLines(recording: Recording): string[] {
  const { scenario, hours, seed, startTs = DAY_START } = recording;
  const params = MARKETS[recording.market ?? 'AMZN-USD'];
  const values = { ...RECORDED_ENV, ...SCENARIOS[scenario].env, MM_MARKET_NAME: params.market };
  const ctx = { params, scenario: SCENARIOS[scenario], settings: quoteSettings(values, params) };
  const sim = startSim(ctx, seed);
  const run = openRun(recording.runId ?? 'a'.repeat(31) + String(seed % 10), params, startTs, startTs);
  const lines = [
    line(run, startTs, 'run_start', {
      environment: 'testnet',
      config: configDump(values),
      market_static: {
        tick_size: gridText(params.tick, 1),
        min_order_size: gridText(params.lot, 1),
        min_order_size_change: gridText(params.lot, 1),
      },
      provenance: { env_file: recording.envFile ?? '.env.amzn', cwd: '/srv/bot', git_sha: null },
    }),
  ];
  const out: Happening[] = [];
  for (let s = 0; s < hours * 3600; s += 1) {
    stepSim(sim, ctx, out);
    for (const happening of out) lines.push(happeningLine(run, happening, 4));
    out.length = 0;
    if (s % 30 === 29) {
      const position = positionText(params.lot, sim.desk.positionLots);
      lines.push(
        line(run, startTs + s + 0.99, 'heartbeat', {
          position,
          event_count: run.seq,
          active_orders: 4,
          uptime_s: { float: s },
        }),
      );
    }
  }
  lines.push(line(run, startTs + hours * 3600, 'run_end', { reason: 'shutdown', stats: {} }));
  return lines;
}
