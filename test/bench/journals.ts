/** Whole-file analysis, the tail, and layouts of other bots. */
import { linkSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FLEET_YAML, SOL_YAML } from '../support/sol-spec.ts';
import {
  cli,
  folder,
  generate,
  installed,
  medianOf,
  node,
  nothing,
  pair,
  peak,
  peakOf,
  row,
  run,
  skip,
} from './measure.ts';

export const LARGE_MB = Number(process.env['BENCH_LARGE_MB'] ?? 300);
export const MEDIUM_MB = Number(process.env['BENCH_MEDIUM_MB'] ?? 100);
const SMALL_MB = 10;
const DUCKDB = process.env['BENCH_DUCKDB'] ?? 'duckdb';

/** As a user types it. */
const ours = (path: string) => cli('analyse', path);

export function wholeFile(): void {
  const small = generate('small', SMALL_MB);
  const medium = generate('medium', MEDIUM_MB);
  const large = generate('large', LARGE_MB);
  skip('G1', 'analyse, CPU', 'the bot’s own analyser (Python)', 'not at hand; G4 and G5 stand in');
  row({
    goal: 'G1',
    what: `analyse ${MEDIUM_MB} MB, peak MiB`,
    peer: '-',
    ratio: peak('analyse', medium),
    limit: 70,
    unit: 'MiB',
  });
  const memory = medianOf(() => peak('analyse', large) / peak('analyse', small));
  row({ goal: 'G2', what: `peak memory, ${LARGE_MB} MB`, peer: `analyse ${SMALL_MB} MB`, ratio: memory, limit: 1.2 });
  pair({ goal: 'G2', what: `analyse ${LARGE_MB} MB, CPU`, peer: 'wc -l', limit: 10 }, ours(large), ['wc', '-l', large]);
  const rg = { goal: 'G2', what: `analyse ${LARGE_MB} MB, CPU`, peer: 'ripgrep writing the fills', limit: 5 };
  if (installed('rg')) pair(rg, ours(large), ['rg', '-N', '"type": "fill"', large]);
  else skip(rg.goal, rg.what, rg.peer, 'not installed');
  const duck = { goal: 'G4', what: `analyse ${MEDIUM_MB} MB, CPU`, peer: 'DuckDB read_json', limit: 0.35 };
  const held = { ...duck, what: `analyse ${MEDIUM_MB} MB, peak memory`, limit: 0.4 };
  const query = [DUCKDB, '-c', duckQuery(medium)];
  if (installed(DUCKDB)) {
    pair(duck, ours(medium), query);
    row({ ...held, ratio: medianOf(() => peakOf(ours(medium)) / peakOf(query)) });
  } else for (const { goal, what, peer } of [duck, held]) skip(goal, what, peer, 'not installed');
  const plain = { goal: 'G5', what: `analyse ${MEDIUM_MB} MB, CPU`, peer: 'readline + JSON.parse', limit: 0.3 };
  pair(plain, ours(medium), node('parse-all', medium));
}

/** What the report has, but for the PnL of the last fills: counts, times, sums, means and the six markouts. */
function duckQuery(path: string): string {
  const texts = ['type', 'side', 'price', 'qty', 'fee', 'edge_bps', 'position', 'mid', 'best_bid', 'best_ask'];
  const columns = ["ts: 'DOUBLE'", ...texts.map((name) => `${name}: 'VARCHAR'`)].join(', ');
  const json = `read_json('${path}', format='newline_delimited', columns={${columns}}, ignore_errors=true)`;
  const mid = 'coalesce(mid::DOUBLE, (best_bid::DOUBLE + best_ask::DOUBLE) / 2)';
  const sums = 'sum(price::DECIMAL(18,6) * qty::DECIMAL(18,6)), sum(fee::DECIMAL(18,6)), avg(edge_bps::DOUBLE)';
  const gain = "case when side like '%BUY%' then 1 else -1 end * (m.mid - f.price) / f.price";
  return `with e as materialized (select *, ${mid} as m from ${json}),
    f as (select ts, side, price::DOUBLE as price from e where type = 'fill'),
    m as (select ts, m as mid from e where m is not null)
    select type, count(*), min(ts), max(ts), ${sums}, count(position) from e group by type
    union all
    select h::VARCHAR, count(*), 0, 0, 0, 0, 1e4 * avg(${gain}), 0
    from (f cross join (values (0.25), (1), (5), (30), (60), (120)) as t(h)) as f asof join m on m.ts >= f.ts + f.h
    where m.ts <= f.ts + f.h + 60 group by h`;
}

/** The last 500 fills whose markouts are known. */
export function tailFirst(): void {
  const [medium, large] = [join(folder, 'medium.jsonl'), join(folder, 'large.jsonl')];
  const what = `analyse --tail, 500 fills of ${LARGE_MB} MB`;
  const tail = (path: string) => cli('analyse', '--tail', '--last-fills', '500', path);
  pair({ goal: 'G3', what, peer: 'node -e 0', limit: 2 }, tail(large), nothing());
  pair({ goal: 'G3', what, peer: `the same of ${MEDIUM_MB} MB`, limit: 1.2 }, tail(large), tail(medium));
}

/**
 * The same for a person who asks how an instance does: `status` and `why` of one whose newest run is long, as a rule (what
 * was read before is kept) and when nothing is kept.
 */
export function longRun(): void {
  const [short, long] = [opsWith('short', 'small'), opsWith('long', 'large')];
  const status = (ops: string) => cli('-C', ops, 'status');
  const why = (ops: string) => cli('-C', ops, 'why', 'sol');
  const anew = (ops: string, asked = status) => [
    ...['sh', '-c', 'rm -rf "$1/.mmfleet"; shift; exec "$@"', 'sh'],
    ...[ops, ...asked(ops)],
  ];
  const peer = `the same of ${SMALL_MB} MB`;
  for (const ops of [short, long]) run(status(ops));
  pair({ goal: 'G3', what: `status, run of ${LARGE_MB} MB`, peer, limit: 1.2 }, status(long), status(short));
  pair({ goal: 'G3', what: `status, ${LARGE_MB} MB, nothing kept`, peer, limit: 1.2 }, anew(long), anew(short));
  pair({ goal: 'G3', what: `why, ${LARGE_MB} MB, nothing kept`, peer, limit: 1.2 }, anew(long, why), anew(short, why));
}

/** An operations repository with one instance, whose newest run is the journal of that name. */
function opsWith(name: string, journal: string): string {
  const ops = join(folder, `ops-${name}`);
  for (const part of ['fleet/env', 'data']) mkdirSync(join(ops, part), { recursive: true });
  writeFileSync(join(ops, '.gitignore'), '.mmfleet/\n/data/\n');
  writeFileSync(join(ops, 'fleet/env/.env.sol'), 'MM_MARKET_NAME=SOL-USD\nMM_ENVIRONMENT=testnet\n');
  writeFileSync(join(ops, 'fleet/fleet.yaml'), FLEET_YAML);
  writeFileSync(join(ops, 'fleet/sol.yaml'), SOL_YAML);
  linkSync(join(folder, `${journal}.jsonl`), join(ops, 'data/mm_SOL-USD_20260216_000000.jsonl'));
  const git = (...args: string[]) =>
    run(['git', '-C', ops, '-c', 'user.name=b', '-c', 'user.email=b@localhost', ...args]);
  git('init', '-q', '-b', 'main');
  git('add', '-A');
  git('commit', '-q', '-m', 'init');
  return ops;
}

export function foreignLayouts(): void {
  const [plain, compact, shuffled] = (['default', 'compact', 'shuffled'] as const).map((l) =>
    generate(`l-${l}`, 40, l),
  );
  pair(
    { goal: 'G6', what: 'compact spacing, 40 MB', peer: 'default spacing', limit: 1.2 },
    ours(compact!),
    ours(plain!),
  );
  const order = { goal: 'G6', what: 'shuffled keys, 40 MB', peer: 'readline + JSON.parse', limit: 1.3 };
  pair(order, ours(shuffled!), node('parse-all', shuffled!));
  for (const [kind, mb] of [
    ['long-line', 5],
    ['untyped', 20],
  ] as const) {
    const [one, two] = [join(folder, `${kind}-1.jsonl`), join(folder, `${kind}-2.jsonl`)];
    run(node(kind, one, String(mb * 1e6)));
    run(node(kind, two, String(2 * mb * 1e6)));
    pair({ goal: 'G6', what: `${kind}, ${2 * mb} MB`, peer: `${mb} MB`, limit: 2.2 }, ours(two), ours(one));
  }
  const twice = generate('l-double', 80);
  pair({ goal: 'G6', what: 'default, 80 MB', peer: '40 MB', limit: 2.2 }, ours(twice), ours(plain!));
}
