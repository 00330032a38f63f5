/** Output for chat agents and cron announcers: exit 0, quiet stderr, one table and one action line, or NO_REPLY. */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { label } from '../core/plan/plan.ts';
import type { Metric, StatusItem } from '../core/plan/status.ts';
import type { Problem } from '../core/problem.ts';
import { EXIT } from './exit.ts';
import type { Io } from './io.ts';
import type { Ops } from './ops.ts';
import type { Look } from './pass.ts';
import { table } from './render/table.ts';
import { statusItems } from './status-items.ts';

/** Prints the answer; everything expected exits 0. What did not change since the last answer is `NO_REPLY`. */
export function printChat(ops: Ops, io: Io, look: Look | null, commits: string[], problems: Problem[]): number {
  const said = (cell: Cell) =>
    look === null ? `status=unavailable reason=${reasonOf(problems)}\n` : chatText(look, { commits, problems }, cell);
  const text = said(metric);
  const digest = createHash('sha256')
    .update(stable(said(kindOfMetric)))
    .digest('hex');
  const path = join(ops.stateDir, 'chat.last');
  // What was done just now is news, also when it is what was done the last time.
  if (commits.length === 0 && digest === readLast(path)) {
    io.out('NO_REPLY\n');
    return EXIT.ok;
  }
  // Said first: what is remembered and was never said would be lost.
  io.out(text);
  remember(path, digest);
  return EXIT.ok;
}

/** The answer when not even the repository opens. */
export function chatUnopened(io: Io, problem: Problem): number {
  io.out(`status=unavailable reason=${reasonOf([problem])}\n`);
  return EXIT.ok;
}

/** How a metric is written into the table. */
type Cell = (name: string, m: StatusItem['positionBase']) => string;

function chatText(look: Look, { commits, problems }: { commits: string[]; problems: Problem[] }, cell: Cell): string {
  const shown = new Set(look.planned.map((p) => p.item.name));
  const items = statusItems(look).filter((i) => shown.has(i.name) || i.lifecycle === 'orphan');
  const columns = ['NAME', 'STATE', 'HEALTH', 'ITER', 'POSITION', 'MO+5S', 'PNL/50'].map((title) => ({ title }));
  const rows = items.map((i) => [
    i.name,
    i.lifecycle,
    i.health,
    label(i.iter.desired),
    cell('position', i.positionBase),
    cell('markout5sBps', i.metrics.markout5sBps),
    cell('pnl', i.metrics.realizedPnlUsd),
  ]);
  return `${table(columns, rows).join('\n')}\n${actionLine(look, commits, problems)}\n`;
}

/** What was done, else what needs a person, else that nothing is to do. */
function actionLine(look: Look, commits: string[], problems: Problem[]): string {
  if (problems.length > 0)
    return `action: ${[...commits, ''].join('; ') || 'none, '}reconcile=unavailable reason=${reasonOf(problems)}`;
  if (commits.length > 0) return `action: ${commits.join('; ')}`;
  const stuck = look.planned.filter((p) => p.standing === 'held' || p.standing === 'unknown');
  if (stuck.length > 0)
    return `action: none, ${stuck.map((p) => `${p.item.name} ${p.standing} (${p.item.reason})`).join(', ')}`;
  const pending = look.planned.filter((p) => p.effect !== null);
  if (pending.length > 0)
    return `action: pending ${pending.map((p) => `${p.item.name} ${p.item.action} (${p.item.reason})`).join(', ')}`;
  const waiting = look.planned.filter((p) => p.standing === 'waiting');
  return waiting.length > 0
    ? `action: none, ${waiting.map((p) => `${p.item.name} waits (${p.item.reason})`).join(', ')}`
    : 'action: none, all as declared';
}

function metric(name: string, m: StatusItem['positionBase']): string {
  if (!('value' in m))
    return `${name}=unavailable reason=${short((m as Extract<Metric, { unavailable: string }>).unavailable)}`;
  return typeof m.value === 'number' ? m.value.toFixed(1) : m.value;
}

/** Numbers drift at every look: what counts as a change is whether there is one. */
function kindOfMetric(name: string, m: StatusItem['positionBase']): string {
  return 'value' in m ? '#' : metric(name, m);
}

const reasonOf = (problems: Problem[]) => short(problems[0]?.code ?? 'unknown');

const short = (text: string) => text.replace(/\s+/g, '-').slice(0, 40);

/** The same text however wide its columns are, and whatever the numbers of an action are. */
function stable(text: string): string {
  return text
    .split('\n')
    .map((line) => line.replace(/[+-]?\d+\.\d+/g, '#').replace(/\s+/g, ' '))
    .join('\n');
}

/** Where it cannot be written (a full disk) the same is said once more. */
function remember(path: string, digest: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, digest);
  } catch {
    // Nothing but the next answer depends on it.
  }
}

function readLast(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
