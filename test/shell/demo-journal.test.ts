import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseLine } from '../../src/core/journal/parse.ts';
import { parseSpecs } from '../../src/core/spec/parse.ts';
import { gridSteps, gridText } from '../../src/shell/demo/grid.ts';
import { happeningLine, line, openRun, positionText } from '../../src/shell/demo/journal-lines.ts';
import { LISTINGS } from '../../src/shell/demo/listings.ts';
import { pyJson } from '../../src/shell/demo/python-json.ts';
import { type Happening, joinMarket, startMarket, stepSim } from '../../src/shell/demo/sim.ts';
import { demoListing, demoScenario } from '../../src/shell/demo/story.ts';

const FLEET = join(import.meta.dirname, '..', '..', 'fleet');

describe('python json', () => {
  test.each([
    [{ a: [1, 'x'], b: null }, '{"a": [1, "x"], "b": null}'],
    [{ f: { float: 30 }, g: { float: 0.25 } }, '{"f": 30.0, "g": 0.25}'],
    [1784963886257016900n, '1784963886257016900'],
    ['caf\u00e9 "x"\n', '"caf\\u00e9 \\"x\\"\\n"'],
    [[true, false], '[true, false]'],
  ])('case %#', (value, want) => {
    expect(pyJson(value)).toBe(want);
  });
});

describe('grid', () => {
  test('text and steps are each other', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -1e9, max: 1e9 }),
        fc.integer({ min: 0, max: 8 }),
        fc.constantFrom(1, 5, 10, 100),
        (steps, scale, unit) => {
          expect(gridSteps({ unit, scale }, gridText({ unit, scale }, steps))).toBe(steps);
        },
      ),
    );
  });

  test.each(['', 'x', '1e3', '0.001', '1,5', '--1'])('%j is not on a grid of hundredths', (text) => {
    expect(gridSteps({ unit: 1, scale: 2 }, text)).toBeNull();
  });
});

describe('journal lines', () => {
  const listing = demoListing('PUMP-USD');
  const values = { MM_OFFSET_MODE: 'dynamic', MM_MIN_OFFSET_BPS: '0.3', MM_SPREAD_MULTIPLIER: '0.1' };
  const ctx = { listing, scenario: demoScenario('too-tight', 'PUMP-USD'), values };
  const sim = joinMarket(ctx, startMarket(ctx, 21), 21);
  const happenings: Happening[] = [];
  for (let s = 0; s < 2 * 3600; s += 1) stepSim(sim, ctx, happenings);
  const run = openRun('5f0c0ffee0ddba115f0c0ffee0ddba11', listing, 1771200000, 1771200000);
  const lines = happenings.map((h) => happeningLine(run, h, 3));
  const events = lines.map((text) => {
    const parsed = parseLine(text.trimEnd());
    if (!parsed.ok) throw new Error(`${parsed.reason}: ${text}`);
    return parsed.event;
  });

  test('every kind is there, and the reader takes every line', () => {
    const kinds = new Set(happenings.map((h) => h.kind));
    expect([...kinds].sort()).toEqual(['book', 'cancelled', 'decision', 'failed', 'fill', 'placed', 'rejected']);
    expect(events).toHaveLength(happenings.length);
  });

  test('the envelope comes first, in order, and time and number never run backwards', () => {
    let lastTs = 0;
    lines.forEach((text, i) => {
      const shape =
        /^\{"ts": (\d+\.\d{1,7}), "seq": (\d+), "run_id": "[0-9a-f]{32}", "schema_version": 2, "type": "[a-z_]+", "market": "PUMP-USD", .*\}\n$/;
      const match = shape.exec(text);
      expect(match, text).not.toBeNull();
      expect(Number(match![1])).toBeGreaterThanOrEqual(lastTs);
      lastTs = Number(match![1]);
      expect(match![2]).toBe(String(i + 1));
    });
  });

  test('fills say what happened: ids of 19 digits that never repeat, price, size, side, edge', () => {
    const fills = happenings.filter((h) => h.kind === 'fill');
    const read = events.filter((e) => e.type === 'fill');
    expect(new Set(read.map((e) => e.tradeId)).size).toBe(fills.length);
    read.forEach((event, i) => {
      const happened = fills[i]!;
      expect(event.tradeId).toMatch(/^\d{19}$/);
      expect(event.side).toBe(happened.order.side);
      expect(event.price).toBe(gridText(listing.tick, happened.order.ticks));
      expect(event.qty).toBe(positionText(listing.lot, happened.lots));
      expect(event.position).toBe(positionText(listing.lot, happened.positionLots));
      expect(event.edgeBps).toBeCloseTo(event.edgeRecomputedBps!, 9);
      expect(event.level).toBe(happened.order.level);
    });
  });

  test('a refused placement counts as post-only', () => {
    const refused = events.filter((e) => e.type === 'rejection');
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.every((e) => e.postOnly)).toBe(true);
  });

  test('two runs do not share ids', () => {
    const other = openRun('6f0c0ffee0ddba115f0c0ffee0ddba11', listing, 1771200000, 1771203600);
    const idsOf = (texts: string[]) => texts.flatMap((text) => /"exchange_id": "(\d+)"/.exec(text)?.[1] ?? []);
    const first = new Set(idsOf(lines));
    expect(idsOf(happenings.map((h) => happeningLine(other, h, 3))).filter((id) => first.has(id))).toEqual([]);
  });

  test('time does not run backwards when a happening is late', () => {
    const late = openRun('5f0c0ffee0ddba115f0c0ffee0ddba11', listing, 1771200000, 1771200000);
    const ts = (text: string) => Number(/"ts": ([\d.]+)/.exec(text)![1]);
    expect(ts(line(late, 100.5, 'a', {}))).toBe(100.5);
    expect(ts(line(late, 99, 'b', {}))).toBeGreaterThan(100.5);
  });
});

describe('the demo fleet', () => {
  const files = readdirSync(FLEET).filter((name) => name.endsWith('.yaml'));
  const specs = parseSpecs(
    files.map((name) => ({ path: `fleet/${name}`, text: readFileSync(join(FLEET, name), 'utf8') })),
  );

  test('is valid', () => {
    expect(specs.problems).toEqual([]);
    expect(specs.instances.map((i) => i.market).sort()).toEqual(Object.keys(LISTINGS));
  });

  test('holds no secret value', () => {
    const envs = readdirSync(join(FLEET, 'env'), { recursive: true, encoding: 'utf8' }).filter((name) =>
      /\.env\./.test(name),
    );
    expect(envs).toHaveLength(3);
    for (const name of envs)
      expect(readFileSync(join(FLEET, 'env', name), 'utf8')).not.toMatch(/API_KEY|PRIVATE_KEY|SECRET/);
  });
});
