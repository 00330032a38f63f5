/** `diff NAME`: the base env, the desired env and what runs, where they differ. Never a secret value. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { iterFileName } from '../../core/env/iter.ts';
import { isSecretKey } from '../../core/env/keys.ts';
import { parseEnv } from '../../core/env/read.ts';
import { label } from '../../core/plan/plan.ts';
import type { EnvValues } from '../../core/tuning/types.ts';
import type { DesiredEnv } from '../desired.ts';
import { type EnvDiff, envDiff, type SecretSide } from '../env-diff.ts';
import { EXIT } from '../exit.ts';
import { type Ops, openOps } from '../ops.ts';
import { look } from '../pass.ts';
import { table } from '../render/table.ts';
import type { Situation } from '../views.ts';
import { printJson, printProblems, problemsOf, refuse, select, usage } from './common.ts';
import type { CommonOptions } from './options.ts';

/** Reads the last fetched revision, the process table, the journal's first line and the secrets that cost nothing to read. */
export async function runDiff(names: string[], options: CommonOptions): Promise<number> {
  const { io } = options;
  const opened = await openOps(options.C, { host: options.host, looksOnly: true });
  if (!opened.ok) return refuse(options, 'Diff', opened.problem);
  const ops = opened.value;
  const only = await select(ops, names, io);
  if (only === 'bad') return EXIT.usage;
  const name = [...(only ?? [])][0];
  if (name === undefined || only?.size !== 1) return usage(io, 'diff takes one instance');
  const seen = await look(ops, { only, tune: false, push: true, fetch: false });
  if (!seen.ok) return refuse(options, 'Diff', seen.problem);
  const situation = seen.value.situations.find((s) => s.instance.name === name);
  const env = situation?.instance.env ?? null;
  if (situation === undefined || env === null) {
    printProblems(io, problemsOf(seen.value, only));
    return EXIT.usage;
  }
  const running = await runningEnv(ops, situation, env);
  const diff = envDiff({
    base: env.baseValues,
    desired: env.values,
    running: running?.values ?? null,
    shown: situation.observed.journal.state === 'ok' && running !== null ? (shownConfig(situation) ?? {}) : {},
    secrets: await secretSides(ops, situation, running !== null),
  });
  const drift = running !== null && running.digest !== situation.view.desired?.digest;
  if (options.json === true) {
    const summary = {
      name,
      desired: label(env.iter),
      running: running === null ? null : label(running.iter),
      drift,
    };
    printJson(io, 'Diff', seen.value, diff, problemsOf(seen.value, only), summary);
  } else {
    printProblems(io, problemsOf(seen.value, only));
    io.out(`${text(name, env, running, diff, drift).join('\n')}\n`);
  }
  return options.detailedExitcode === true && drift ? EXIT.differences : EXIT.ok;
}

type Running = { iter: number | null; pid: number; digest: string; revision: string; values: EnvValues | null };

function text(name: string, env: DesiredEnv, running: Running | null, diff: EnvDiff[], drift: boolean): string[] {
  const titles = ['KEY', 'BASE', `DESIRED ${label(env.iter)}`];
  const runs = running === null ? 'RUNNING nothing' : `RUNNING ${label(running.iter)}`;
  const rows = diff.map((row) => [
    row.key,
    row.base ?? '-',
    row.desired ?? '-',
    row.running ?? (running !== null && running.values === null ? '?' : '-'),
  ]);
  const lines =
    rows.length === 0
      ? [`${name}: base, desired and running env are the same`]
      : table(
          [...titles, runs].map((title) => ({ title })),
          rows,
        );
  if (running === null) return [...lines, `${name} does not run`];
  if (running.values === null)
    lines.push(
      `the env at revision ${running.revision.slice(0, 12)} is not in this clone: ? where the journal does not show it`,
    );
  const others = diff.every((row) => row.desired === row.running);
  if (drift && others) lines.push('the runtime block or the names of the secret keys differ');
  return [
    ...lines,
    drift
      ? `pid ${running.pid} does not run what is desired: the next pass restarts it`
      : `pid ${running.pid} runs what is desired`,
  ];
}

/** The env a live copy was started with: that of its marker's iter at its marker's revision. null: no single live copy. */
async function runningEnv(ops: Ops, { observed, view }: Situation, env: DesiredEnv): Promise<Running | null> {
  const copies = observed.copies.known ? observed.copies.value : [];
  const copy = copies.length === 1 ? copies[0] : undefined;
  if (copy === undefined) return null;
  const { iter, pid, revision } = copy;
  const path = iter === null ? env.basePath : iterFileName(env.basePath, iter);
  const committed = revision === '' ? null : await ops.git.fileAt(revision, path);
  const digest = view.copies.known ? (view.copies.value[0]?.digest ?? copy.digest) : copy.digest;
  return { iter, pid, revision, digest, values: committed === null ? null : parseEnv(committed, path).values };
}

/** What the run's own first line shows, by env key; null when there is none of this run. */
function shownConfig({ observed }: Situation): Record<string, string> | null {
  const { journal, receipts } = observed;
  if (journal.state !== 'ok' || journal.runStart === null || receipts.some((r) => r.runId === journal.runId))
    return null;
  const scalars = Object.entries(journal.runStart.config).flatMap(([field, value]): [string, string][] =>
    ['string', 'number', 'boolean'].includes(typeof value) ? [[`MM_${field.toUpperCase()}`, String(value)]] : [],
  );
  return Object.fromEntries(scalars);
}

/** For each secret key: whether it is set on each side, and whether the values differ. No value leaves this function. */
async function secretSides(
  ops: Ops,
  { instance, observed }: Situation,
  runs: boolean,
): Promise<Record<string, SecretSide>> {
  const names = observed.secretNames.ok ? observed.secretNames.names : [];
  const cheap = instance.spec?.secrets.filter((source) => source.kind !== 'command') ?? [];
  const read = await ops.secrets.read(cheap);
  const now: Record<string, string> = read.ok ? read.value : {};
  const started = runs ? startedWith(join(ops.stateDir, 'run', instance.name)) : null;
  const keys = new Set([...names, ...Object.keys(started ?? {}).filter(isSecretKey)]);
  return Object.fromEntries(
    [...keys].map((key): [string, SecretSide] => {
      const [here, there] = [now[key], started?.[key]];
      const running =
        !runs || (started !== null && there === undefined) ? 'unset' : there === undefined ? 'unknown' : 'set';
      return [
        key,
        { desired: names.includes(key), running, changed: here !== undefined && there !== undefined && here !== there },
      ];
    }),
  );
}

/** The file a running bot was started from; null when it is not there. */
function startedWith(folder: string): EnvValues | null {
  try {
    const file = readdirSync(folder)[0];
    return file === undefined ? null : parseEnv(readFileSync(join(folder, file), 'utf8'), file).values;
  } catch {
    return null;
  }
}
