import type { Bot, Money } from './bot.ts';
import { startBot, stepBot, stopBot } from './bot.ts';
import { type Action, type EngineName, newEngine, type Policy } from './engines.ts';
import { newMarket, stepMarket } from './market.ts';
import { baseEnv, type Market, type Scenario } from './scenarios.ts';

/** One instance looked after by one engine for some days. */
export type Outcome = Money & {
  days: number;
  /** Seconds of simulated time at which the engine acted. */
  actions: { atS: number; alarm: boolean; park: boolean; what: string; scoredUsd: number }[];
  endValues: Readonly<Record<string, string>>;
};

/** Stop, prove flat, start again. */
const DOWNTIME_S = 60;
const START_TS = 1_771_200_000;

export function simulate(input: {
  market: Market;
  scenario: Scenario;
  engine: EngineName;
  policy: Policy;
  seed: number;
  days: number;
}): Outcome {
  const { market, scenario, seed, days } = input;
  const base = baseEnv(market, scenario);
  const engine = newEngine(input.engine, base, input.policy);
  const money: Money = { scoredUsd: 0, rawUsd: 0, fills: 0 };
  const state = newMarket(market, seed, START_TS);
  const outcome: Outcome = { ...money, days, actions: [], endValues: base };
  let runs = 0;
  const start = (values: Readonly<Record<string, string>>): Bot => {
    runs += 1;
    outcome.endValues = values;
    const bot = startBot(market, values, money, seed * 1000 + runs, engine.observe);
    announce(bot, state.second.ts, values);
    return bot;
  };
  let bot: Bot | null = start(base);
  let idle: { until: number; action: Action } | null = null;
  for (let second = 0; second < days * 86_400; second += 1) {
    const now = stepMarket(state, market, scenario, second / 3600);
    if (bot === null) {
      if (idle !== null && now.ts >= idle.until) bot = start(idle.action.values);
      continue;
    }
    stepBot(bot, now);
    if (now.ts % 60 !== 1) continue;
    const action = engine.look(now.ts);
    if (action === null) continue;
    outcome.actions.push({
      atS: second,
      alarm: action.alarm,
      park: action.parkS > 0,
      what: action.what,
      scoredUsd: money.scoredUsd,
    });
    stopBot(bot, now);
    bot = null;
    idle = { until: now.ts + DOWNTIME_S + action.parkS, action };
  }
  if (bot !== null) stopBot(bot, state.second);
  return { ...outcome, ...money };
}

function announce(bot: Bot, ts: number, values: Readonly<Record<string, string>>): void {
  bot.sink?.({
    ts,
    runId: bot.runId,
    market: '',
    position: '0',
    mid: null,
    type: 'run_start',
    environment: 'testnet',
    config: { max_position_size: values['MM_MAX_POSITION_SIZE'] },
    tickSize: null,
    minOrderSize: null,
    sizeStep: null,
    envFile: null,
  });
}
