import { expect, test } from 'vitest';
import { readScenarios, type Scenario } from '../support/loopback-venue/scenario.ts';
import { loopbackWorld, prove } from '../support/loopback-venue/world.ts';

test.concurrent.each(readScenarios())('$name', async ({ scenario }: { scenario: Scenario }) => {
  const { server, venue } = await loopbackWorld(scenario);
  try {
    const { verdict, receipt } = await prove(venue, scenario);
    const { want } = scenario;
    expect(verdict, receipt.rule).toMatchObject({ verdict: want.verdict });
    if (want.rule !== undefined) expect(receipt.rule).toContain(want.rule);
    if (want.trades !== undefined) expect(server.trades()).toHaveLength(want.trades);
    if (want.left !== undefined) expect(server.truth().position).toBe(want.left);
    if (want.verdict === 'FLAT') expect(server.truth()).toEqual({ position: '0', orders: 0 });
  } finally {
    await server.close();
  }
});
