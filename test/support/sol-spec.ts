/** The plainest declaration: one instance whose bot writes its journal into `data`. */
export const FLEET_YAML = 'apiVersion: mmfleet/v1\nkind: Fleet\nmetadata: { name: f }\nspec: {}\n';

export const SOL_YAML = `apiVersion: mmfleet/v1
kind: Instance
metadata: { name: sol }
spec:
  market: SOL-USD
  account: main
  baseEnv: env/.env.sol
  runtime: { process: { command: [bot], cwd: .., envFileVariable: ENV } }
  journal: { path: "../data/mm_{market}_*.jsonl" }
  venue: { sim: { url: "http://127.0.0.1:1" } }
`;
