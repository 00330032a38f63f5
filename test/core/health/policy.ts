import { parseSpecs } from '../../../src/core/spec/parse.ts';
import type { HealthPolicy, TuningPolicy } from '../../../src/core/spec/types.ts';

const FLEET = 'apiVersion: mmfleet/v1\nkind: Fleet\nmetadata: { name: test }\nspec: { git: { remote: origin } }\n';
const INSTANCE = `apiVersion: mmfleet/v1
kind: Instance
metadata: { name: sol }
spec:
  market: SOL-USD
  account: main
  baseEnv: env/sol/.env.sol
  secrets: []
  runtime: { process: { command: [bot], cwd: .. } }
  venue: { journal: {} }
`;

/** The product's own defaults: what a spec without a word about health and tuning means. */
const { instances, problems } = parseSpecs([
  { path: 'fleet/fleet.yaml', text: FLEET },
  { path: 'fleet/sol.yaml', text: INSTANCE },
]);
if (instances[0] === undefined) throw new Error(problems.map((problem) => problem.message).join('\n'));

export const HEALTH: HealthPolicy = instances[0].health;
export const TUNING: TuningPolicy = instances[0].tuning;

/** A base env in the mode in which every seed key of the spread theme acts. */
export const BASE: Readonly<Record<string, string>> = {
  MM_MARKET_NAME: 'SOL-USD',
  MM_OFFSET_MODE: 'dynamic',
  MM_SPREAD_MULTIPLIER: '1.2',
  MM_MIN_OFFSET_BPS: '4',
  MM_MAX_OFFSET_BPS: '60',
  MM_MAX_POSITION_SIZE: '50',
};
