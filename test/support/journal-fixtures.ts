import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

const FIXTURES = join(import.meta.dirname, '..', 'fixtures', 'journals');

/** Names of the recorded journals with independently computed numbers. */
export const SCENARIOS = readdirSync(FIXTURES).sort();

/** What a correct, tolerant reader gets on a scenario; decimals as text. */
export type Expected = {
  market: string;
  expect: {
    events: number;
    fills: number;
    orders: number;
    snapshots: number;
    duration_s: number;
    fill_rate_pct: string | null;
    avg_edge_bps: string | null;
    adverse_fill_count: number;
    adverse_fill_ratio: string | null;
    final_position: string | null;
    markout_bps: Record<string, string | null>;
    markout_counts: Record<string, number>;
    taker_fill_notional_ratio: string;
    realized_pnl_last_n: Record<string, string | null>;
    cancellations: number | null;
    rejections: number | null;
    post_only_rejects: number | null;
  };
  dropped: Record<string, { line: number; why: string }[]>;
};

/** Unpacks a scenario's journal (and its `latest` link) into a folder. */
export function unpackScenario(name: string, into: string): Expected {
  const from = join(FIXTURES, name);
  mkdirSync(into, { recursive: true });
  let newest = '';
  for (const file of readdirSync(from).filter((f) => f.endsWith('.gz'))) {
    newest = file.slice(0, -3);
    writeFileSync(join(into, newest), gunzipSync(readFileSync(join(from, file))));
  }
  symlinkSync(newest, join(into, newest.replace(/_\d{8}_\d{6}.*/, '_latest.jsonl')));
  return JSON.parse(readFileSync(join(from, 'expected.json'), 'utf8')) as Expected;
}
