/** Spec texts that say only what a test is about. */
export const FLEET = 'apiVersion: mmfleet/v1\nkind: Fleet\nmetadata: { name: equities }\n';

export const AMZN = `apiVersion: mmfleet/v1
kind: Instance
metadata: { name: amzn }
spec:
  market: AMZN-USD
  baseEnv: env/amzn/.env.amzn
  runtime:
    process: { command: [python, -m, market_maker], cwd: ../../bot }
  venue:
    sim: { url: "http://127.0.0.1:9000" }
`;

export const MON = AMZN.replaceAll('amzn', 'mon').replaceAll('AMZN', 'MON');

export const file = (path: string, text: string) => ({ path: `fleet/${path}`, text });
