/** From a person's push until the bot runs what it says, against the time that the bot itself takes to stop. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { fleetWorld } from '../support/fleet-world.ts';

/** Seconds of wall time. `stop`: from the signal to the end of the process, as the receipt of that stop says. */
export type Converged = { push: number; stop: number };

const STOP_MS = 3_000;
/** Flat for ever, at the cost of a printf; it settles as long as it does by default. */
const FLAT_VENUE = `  venue:
    settle: 2s
    command:
      position: [printf, '{"market":"%s","position":"0"}', "{market}"]
      orders: [printf, '{"market":"%s","orders":[]}', "{market}"]
      cancel: [printf, '{"market":"%s","canceled":0}', "{market}"]
      close: ["false"]
      reference: [printf, '{"market":"%s","bid":"100.0","ask":"100.1","sizeStep":"0.01","minSize":"0.01","tick":"0.1"}', "{market}"]
`;

/** One flat bot on a local bare remote: `rounds` pushes that ask for a restart, each followed by `reconcile --once`. */
export async function pushToConverged(rounds: number): Promise<Converged[]> {
  const w = await fleetWorld([{ name: 'amzn', market: 'AMZN-USD' }]);
  try {
    const person = join(w.dir, 'person');
    const fleet = join(person, 'fleet/fleet.yaml');
    w.put('fleet/amzn.yaml', `${readFileSync(join(w.ops, 'fleet/amzn.yaml'), 'utf8')}${FLAT_VENUE}`);
    await w.commit('fleet: a venue that answers at once');
    w.behave('AMZN-USD', { slowStopMs: STOP_MS });
    await converge();
    await execa('git', ['clone', '--quiet', w.remote, person]);
    const found: Converged[] = [];
    for (let n = 1; n <= rounds; n += 1) {
      await w.git(['pull', '--quiet', '--ff-only'], person);
      const text = readFileSync(fleet, 'utf8').replace(/"ROUND":"\d+",/, '');
      writeFileSync(fleet, text.replace('environment: {', `environment: {"ROUND":"${n}",`));
      await w.git(['commit', '--quiet', '-am', `fleet: round ${n}`], person);
      const before = await w.pidOf('amzn');
      const startMs = performance.now();
      await w.git(['push', '--quiet', 'origin', 'main'], person);
      await converge();
      const push = (performance.now() - startMs) / 1000;
      if ((await w.pidOf('amzn')) === before) throw new Error('the push restarted nothing');
      found.push({ push, stop: lastStop(join(w.ops, 'fleet/receipts/amzn.jsonl')) });
    }
    return found;
  } finally {
    await w.end();
  }

  async function converge(): Promise<void> {
    const { code, err } = await w.cli('reconcile', '--once');
    if (code !== 0) throw new Error(`reconcile ended with ${code}: ${err}`);
  }
}

function lastStop(receipts: string): number {
  const line = readFileSync(receipts, 'utf8').trimEnd().split('\n').at(-1) ?? '';
  const { signalAt, exitedAt } = JSON.parse(line) as { signalAt: string; exitedAt: string };
  return (Date.parse(exitedAt) - Date.parse(signalAt)) / 1000;
}
