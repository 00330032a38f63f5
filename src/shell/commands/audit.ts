import { openHistory, readHistory, readSignatures, readTexts } from '../../adapters/git-audit.ts';
import { auditHistory, isEnvPath } from '../../core/audit/audit.ts';
import { blobsToRead } from '../../core/audit/records.ts';
import { signatureViolations } from '../../core/audit/signatures.ts';
import type { Violation } from '../../core/audit/types.ts';
import { fail as failed, ok, type Problem, type Result } from '../../core/problem.ts';
import { isSpecPath } from '../../core/spec/parse.ts';
import { EXIT } from '../exit.ts';
import { painter } from '../io.ts';
import { type Audited, auditText } from '../render/audit.ts';
import { refuse, usage } from './common.ts';
import type { CommonOptions } from './options.ts';

/** `audit verify [I...]`: the whole history against its own rules, from git alone. Exit 8 on any violation. */
export async function runAudit(words: string[], options: CommonOptions): Promise<number> {
  const { io } = options;
  const [verb, ...names] = words;
  if (verb !== 'verify') return usage(io, `audit: found "${verb ?? ''}", want verify`);
  const audited = await auditRepository(options.C);
  if (!audited.ok) return refuse(options, 'Audit', audited.problem);
  const only = selection(audited.value, names);
  if (!only.ok) {
    refuse(options, 'Audit', only.problem);
    return EXIT.usage;
  }
  const shown = narrowed(audited.value, only.value);
  if (options.json === true) io.out(`${JSON.stringify(document(shown), null, 2)}\n`);
  else io.out(`${auditText(shown, painter(io.color))}\n`);
  return shown.violations.length > 0 ? EXIT.verification : EXIT.ok;
}

/** Reads and judges everything; a Problem only when the history cannot be read. */
export async function auditRepository(dir: string): Promise<Result<Audited>> {
  const opened = await openHistory(dir);
  if (!opened.ok) return opened;
  const commits = await readHistory(opened.value);
  if (!commits.ok) return commits;
  const wanted = blobsToRead(commits.value, (path) => isSpecPath(path) || isEnvPath(path));
  const texts = await readTexts(opened.value, wanted);
  if (!texts.ok) return texts;
  const report = auditHistory(commits.value, (blob) => texts.value.get(blob) ?? '');
  if (report.toVerify.length === 0) return ok({ ...report, signatures: { configured: false } });
  const ids = report.toVerify.map(({ commit }) => commit);
  const signatures = await readSignatures(opened.value, ids);
  if (!signatures.ok) return signatures;
  const { byCommit, signers } = signatures.value;
  return ok({
    ...report,
    violations: [...report.violations, ...signatureViolations(report.toVerify, (commit) => byCommit.get(commit))],
    signatures: { configured: true, checked: ids.length, signers },
  });
}

/** Names as the history knows them (also of instances that are gone): `amzn` or `.env.amzn`. null: all. */
function selection(audited: Audited, names: string[]): Result<ReadonlySet<string> | null> {
  if (names.length === 0) return ok(null);
  const known = new Set([...audited.instances, ...audited.iters.flatMap(({ instance }) => instance ?? [])]);
  for (const { instance } of audited.violations) if (instance !== null) known.add(instance);
  const chosen = names.map((name) => name.replace(/^\.env\./, ''));
  const strange = chosen.find((name) => !known.has(name));
  if (strange === undefined) return ok(new Set(chosen));
  const list = [...known].sort().join(', ');
  return failed({
    code: 'audit-unknown-instance',
    message: `${strange}: no instance of that name in the history`,
    hint: list === '' ? 'the history names no instance' : `known: ${list}`,
    retry: 'stalled',
  });
}

/** What concerns the chosen instances, and what concerns nobody in particular. */
function narrowed(audited: Audited, only: ReadonlySet<string> | null): Audited {
  if (only === null) return audited;
  const mine = ({ instance }: { instance: string | null }) => instance === null || only.has(instance);
  return { ...audited, iters: audited.iters.filter(mine), violations: audited.violations.filter(mine) };
}

function document(audited: Audited): object {
  const { iters, violations, signatures, fleet, commits } = audited;
  const summary = {
    commits,
    iterations: iters.length,
    byHand: iters.filter(({ by }) => by === 'hand').length,
    verdicts: iters.filter(({ verdict }) => verdict !== null).length,
    violations: violations.length,
    signatures,
  };
  const problems = violations.map(asProblem);
  return { apiVersion: 'mmfleet/v1', kind: 'Audit', fleet, summary, items: iters, problems };
}

function asProblem(violation: Violation): Problem & Omit<Violation, 'instance' | 'file'> {
  const { commit, subject, rule, found, wanted, instance, file } = violation;
  return {
    code: `audit-${rule}`,
    message: `${commit.slice(0, 12)}: found ${found}, want ${wanted}`,
    ...(instance === null ? {} : { instance }),
    ...(file === null ? {} : { file }),
    commit,
    subject,
    rule,
    found,
    wanted,
  };
}
