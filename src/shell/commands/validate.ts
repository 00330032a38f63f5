import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { formatProblem, type Problem } from '../../core/problem.ts';
import type { Desired } from '../desired.ts';
import { EXIT } from '../exit.ts';
import { type Ops, openOps } from '../ops.ts';
import { forbiddenDifferences } from '../person-changes.ts';
import type { ReadDesired } from '../read-desired.ts';
import { venueProblems } from '../venue-problems.ts';
import { refuse } from './common.ts';
import type { CommonOptions } from './options.ts';

/**
 * `validate`: the working tree's specs, envs and secrets; no network, no process. Exit 3 when anything is an error.
 * `--skip-secrets`: everything but the secrets, for a checkout that has none.
 */
export async function runValidate(options: CommonOptions): Promise<number> {
  const { io } = options;
  const opened = await openOps(options.C, { looksOnly: true });
  if (!opened.ok) return refuse(options, 'Validation', opened.problem);
  const read = await opened.value.desiredInWorktree();
  if (!read.ok) return refuse(options, 'Validation', read.problem);
  const desired = read.value;
  const { root } = opened.value.repo;
  const secrets = options.skipSecrets === true ? null : opened.value.secrets;
  const problems = [
    ...desired.problems,
    ...(secrets === null ? [] : secretProblems(desired, secrets)),
    ...(await venueProblems(desired, secrets)),
    ...forbiddenWarnings(desired),
    ...journalWarnings(desired, root),
    ...fleetProblem(desired),
  ];
  const errors = problems.filter((p) => p.severity !== 'warning');
  const items = desired.instances.map((i) => ({
    name: i.name,
    file: i.file,
    valid: !errors.some((p) => p.instance === i.name),
    iter: i.env?.iter ?? null,
  }));
  if (options.json === true) {
    const summary = {
      instances: items.length,
      valid: items.filter((i) => i.valid).length,
      errors: errors.length,
      warnings: problems.length - errors.length,
    };
    io.out(
      `${JSON.stringify({ apiVersion: 'mmfleet/v1', kind: 'Validation', fleet: desired.fleet?.name ?? null, summary, items, problems }, null, 2)}\n`,
    );
  } else {
    const texts = problems.map((p) => `${p.severity === 'warning' ? 'warning: ' : ''}${formatProblem(p)}\n`);
    // A fault in the fleet's defaults concerns every instance and is said once.
    for (const text of new Set(texts)) io.err(text);
    const count = (n: number, word: string) => `${n} ${word}${n === 1 ? '' : 's'}`;
    io.out(
      `${count(items.length, 'instance')}, ${count(errors.length, 'error')}, ${count(problems.length - errors.length, 'warning')}\n`,
    );
  }
  return errors.length > 0 ? EXIT.usage : EXIT.ok;
}

/** Names of keys only: whether each source is there and private, without keeping a value. */
function secretProblems(desired: Desired, secrets: Ops['secrets']): Problem[] {
  return desired.instances.flatMap(({ name, spec }) => {
    if (spec === null) return [];
    const names = secrets.names(spec.secrets);
    return names.ok ? [] : [{ ...names.problem, instance: name }];
  });
}

/** Whether a person edited the base since, which the next pass puts in order, is for the history to say: that is `plan`'s. */
function forbiddenWarnings({ instances }: Desired): Problem[] {
  return instances.flatMap(({ name, env }): Problem[] => {
    const keys = env === null || env.iter === null ? [] : forbiddenDifferences(env.baseValues, env.values);
    if (env === null || keys.length === 0) return [];
    return [
      {
        code: 'iter-forbidden-key',
        message: `${keys.join(', ')}: not as in ${env.basePath}, and never an iter's to change`,
        hint: 'right where the base env was edited since (the next pass makes a rebase); an iter edited by hand is held',
        severity: 'warning',
        instance: name,
        file: env.path,
      },
    ];
  });
}

/** A bot makes its folder at its first start, so a missing one is only a warning. */
function journalWarnings(desired: ReadDesired, root: string): Problem[] {
  return desired.instances.flatMap(({ name, spec }): Problem[] => {
    if (spec === null || existsSync(dirname(resolve(root, spec.journal.path)))) return [];
    return [
      {
        code: 'journal-folder-missing',
        message: `spec.journal.path: the folder ${dirname(spec.journal.path)} does not exist`,
        hint: 'the bot makes it at its first start; if it has run before, correct the path',
        severity: 'warning',
        instance: name,
        ...desired.place(name, ['spec', 'journal', 'path']),
      },
    ];
  });
}

function fleetProblem(desired: Desired): Problem[] {
  if (desired.fleet !== null || desired.problems.some((p) => p.instance === undefined && p.severity !== 'warning'))
    return [];
  return [
    { code: 'fleet-missing', message: 'no document of kind Fleet in fleet/*.yaml', hint: 'mmfleet init writes one' },
  ];
}
