import { startBot, stepBot, stopBot } from '../../../src/shell/demo/model/bot.ts';
import { newMarket, stepMarket } from '../../../src/shell/demo/model/market.ts';
import { baseEnv, type Market, type Scenario } from '../../../src/shell/demo/model/scenarios.ts';
import type { Bot, Money } from '../../../src/shell/demo/model/state.ts';
import { type Action, type EngineName, newEngine, type Policy } from './engines.ts';
import { type RunJournal, runJournal } from './journal.ts';

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
  const start = (values: Readonly<Record<string, string>>): { bot: Bot; journal: RunJournal } => {
    runs += 1;
    outcome.endValues = values;
    const runSeed = seed * 1000 + runs;
    const journal = runJournal(`run${runSeed}`, engine.observe);
    journal.announce(state.second.ts, values['MM_MAX_POSITION_SIZE']!);
    return { bot: startBot(market, values, money, runSeed, journal.sink), journal };
  };
  let run: ReturnType<typeof start> | null = start(base);
  let idle: { until: number; action: Action } | null = null;
  for (let second = 0; second < days * 86_400; second += 1) {
    const now = stepMarket(state, market, scenario, second / 3600);
    if (run === null) {
      if (idle !== null && now.ts >= idle.until) run = start(idle.action.values);
      continue;
    }
    stepBot(run.bot, now);
    run.journal.beat(run.bot, now);
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
    stopBot(run.bot, now);
    run = null;
    idle = { until: now.ts + DOWNTIME_S + action.parkS, action };
  }
  if (run !== null) stopBot(run.bot, state.second);
  return { ...outcome, ...money };
}
