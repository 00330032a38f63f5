/** `audit verify` as a function: the whole history in, every broken rule out. */
import { iterFileName, parseIterName } from '../env/iter.ts';
import { isSecretKey } from '../env/keys.ts';
import { type EnvFile, parseEnv } from '../env/read.ts';
import type { Fleet, TuningPolicy } from '../spec/types.ts';
import { rollbackTarget } from '../trail/read-message.ts';
import { iterName, iterText, parseIter } from '../trail/text.ts';
import { trailer } from '../trail/trailers.ts';
import type { EnvValues } from '../tuning/types.ts';
import { boundsFindings, type IterInput, valueFindings } from './iter.ts';
import { type Records, recordFindings, recordsOf, strayVerdicts } from './records.ts';
import { fileFindings, MAKES_ITER, storyOf, subjectFinding, trailerFindings } from './said.ts';
import { type SpecAt, type SpecReader, specReader } from './specs.ts';
import type { AuditCommit, AuditFile, AuditReport, Finding } from './types.ts';
import { type Step, type Tree, walkTrees } from './walk.ts';

/** Whether a path is an env file that git should hold no secrets in. */
export function isEnvPath(path: string): boolean {
  return !path.endsWith('.verdicts') && /(^|\/)\.?env[^/]*$|\.env(\.|$)/.test(path);
}

/** `commits`: oldest first, parents before children. `text` gives the content of every blob of `blobsToRead`. */
export function auditHistory(commits: readonly AuditCommit[], text: (blob: string) => string): AuditReport {
  const state: State = {
    text,
    envOf: envReader(text),
    specs: specReader(text),
    records: recordsOf(commits, text),
    first: new Map(),
    checkedForSecrets: new Set(),
    report: { fleet: null, commits: commits.length, instances: [], iters: [], violations: [], toVerify: [] },
  };
  const last = walkTrees(commits, (step) => audit(state, step));
  const { report } = state;
  report.fleet = state.specs.fleetAt(last)?.name ?? null;
  const named = commits.flatMap(({ instance }) => instance ?? []);
  report.instances = [...new Set([...state.specs.namesAt(last), ...named])].sort();
  report.violations.push(...strayVerdicts(state.records));
  for (const each of report.iters) each.present = last.files.get(each.path) === state.first.get(each.path)?.blob;
  for (const each of report.iters) each.verdict = state.records.verdictOf(each.path);
  return report;
}

type State = {
  text: (blob: string) => string;
  /** The same as the bot reads it; the newest of them are kept. */
  envOf: (blob: string) => EnvFile;
  specs: SpecReader;
  records: Records;
  /** The first commit of every iter path, in the order of the walk; `newest`: the last content it had. */
  first: Map<string, { commit: string; blob: string | null; newest: string | null }>;
  checkedForSecrets: Set<string>;
  report: AuditReport;
};

const KEPT_ENVS = 500;

/** Each step is compared with its parent and its base: what was read last is read again soon. */
function envReader(text: (blob: string) => string): State['envOf'] {
  const kept = new Map<string, EnvFile>();
  return (blob) => {
    const known = kept.get(blob);
    const env = known ?? parseEnv(text(blob), '');
    kept.delete(blob);
    kept.set(blob, env);
    const oldest = kept.size > KEPT_ENVS ? kept.keys().next().value : undefined;
    if (oldest !== undefined) kept.delete(oldest);
    return env;
  };
}

function audit(state: State, step: Step): void {
  const { commit, own, before } = step;
  const fleet = state.specs.fleetAt(before);
  const ours = isOurs(commit, fleet);
  const add = (instance: string | null, file: string | null, findings: readonly Finding[]) => {
    for (const finding of findings)
      state.report.violations.push({ commit: commit.commit, subject: commit.subject, instance, file, ...finding });
  };
  const ownerOf = (path: string): string | null => ownerAt(state, step, path)?.spec.name ?? null;
  for (const file of own) {
    const name = parseIterName(file.path);
    if (name !== null) auditIter(state, step, file, ours, add);
    if (name !== null || isEnvPath(file.path) || before.everIters.has(file.path))
      add(commit.instance ?? ownerOf(name?.basePath ?? file.path), file.path, secrets(state, file));
  }
  if (!ours) return;
  if (fleet !== null && fleet.git.signing !== null)
    state.report.toVerify.push({ commit: commit.commit, subject: commit.subject, instance: commit.instance });
  add(commit.instance, null, saidFindings(state, step, ownerOf));
}

/** By the fleet's author as the tree before the commit names it; without a readable fleet nobody is ours. */
function isOurs(commit: AuditCommit, fleet: Fleet | null): boolean {
  return fleet !== null && commit.authorEmail === fleet.git.author.email;
}

type Add = (instance: string | null, file: string | null, findings: readonly Finding[]) => void;

function auditIter(state: State, step: Step, file: AuditFile, ours: boolean, add: Add): void {
  const { commit } = step;
  const name = parseIterName(file.path)!;
  const owner = ownerAt(state, step, name.basePath);
  const instance = owner?.spec.name ?? commit.instance;
  const known = state.first.get(file.path);
  if (file.status === 'D') return;
  if (known !== undefined) {
    known.newest = file.blob;
    if (known.blob === file.blob) return; // a revert of a revert
    const rule = file.status === 'M' ? ('changed' as const) : ('number' as const);
    const wanted =
      rule === 'changed'
        ? 'an iter file as it was committed'
        : `a number never used (first in ${known.commit.slice(0, 12)})`;
    add(instance, file.path, [{ rule, found: rule === 'changed' ? 'another content' : iterName(name.iter), wanted }]);
    return;
  }
  state.first.set(file.path, { commit: commit.commit, blob: file.blob, newest: file.blob });
  state.report.iters.push({
    instance,
    iter: name.iter,
    path: file.path,
    commit: commit.commit,
    by: ours ? 'mmfleet' : 'hand',
    kind: commit.kind,
    present: false,
    verdict: null,
  });
  const input = inputOf(state, step, file, name.basePath, owner);
  if (!ours) {
    add(instance, file.path, owner === null ? [] : boundsFindings(input));
    return;
  }
  add(instance, file.path, [...madeByUs(step, file, owner, input), ...numberFindings(step, file, name)]);
}

/** Everything a step of ours promises about its iter. */
function madeByUs({ commit }: Step, file: AuditFile, owner: SpecAt | null, input: IterInput): Finding[] {
  const { kind } = commit;
  const made = kind !== null && MAKES_ITER.includes(kind);
  const story = made ? storyOf(commit) : null;
  const findings: Finding[] = [];
  if (owner === null)
    findings.push({
      rule: 'instance',
      found: `no instance with the base env ${input.basePath}`,
      wanted: 'a valid spec',
    });
  else if (made && owner.spec.name !== commit.instance)
    findings.push({
      rule: 'instance',
      found: commit.instance ?? 'none',
      wanted: `${owner.spec.name}, whose base env it is`,
    });
  if (file.blob === null) findings.push({ rule: 'form', found: 'a link or folder', wanted: 'a plain file' });
  if (owner !== null && story !== null) findings.push(...contextFindings(input, owner, story));
  return owner === null ? findings : [...findings, ...valueFindings(input, story)];
}

/** The market, the parent and the spec blobs that a step names, against the tree it was made on. */
function contextFindings(input: IterInput, owner: SpecAt, story: NonNullable<ReturnType<typeof storyOf>>): Finding[] {
  if (story.kind !== 'tune' && story.kind !== 'recover' && story.kind !== 'undo') return [];
  const findings: Finding[] = [];
  const wantedParent = input.parent === null ? 'no env' : iterText(input.parent.iter);
  const check = (rule: Finding['rule'], found: string, wanted: string) => {
    if (found !== wanted) findings.push({ rule, found, wanted });
  };
  check('instance', story.market, owner.spec.market);
  check('parent', iterText(story.parentIter), wantedParent);
  check('spec-blob', story.spec, owner.blob);
  check('spec-blob', story.fleetSpec, owner.fleetBlob);
  return findings;
}

function numberFindings(
  { commit, before }: Step,
  file: AuditFile,
  name: { basePath: string; iter: number },
): Finding[] {
  const said = parseIter(trailer(commit.trailers, 'Iter') ?? '');
  let highest = 0;
  for (const iter of before.everIters.get(name.basePath) ?? []) highest = Math.max(highest, iter);
  return [
    ...(typeof said === 'number' && said !== name.iter
      ? [{ rule: 'number' as const, found: `Mmfleet-Iter ${iterText(said)}`, wanted: `that of ${file.path}` }]
      : []),
    ...(name.iter <= highest
      ? [{ rule: 'number' as const, found: iterName(name.iter), wanted: `above ${iterName(highest)}` }]
      : []),
  ];
}

function inputOf(state: State, step: Step, file: AuditFile, basePath: string, owner: SpecAt | null): IterInput {
  const valuesAt = (blob: string | null | undefined): EnvValues | null =>
    blob === null || blob === undefined ? null : state.envOf(blob).values;
  const iter = desiredIter(step.before, basePath);
  const parentPath = iter === null ? basePath : iterFileName(basePath, iter);
  const parent = valuesAt(step.before.files.get(parentPath));
  return {
    basePath,
    text: file.blob === null ? '' : state.text(file.blob),
    values: valuesAt(file.blob) ?? {},
    base: valuesAt(step.after(basePath)),
    parent: parent === null ? null : { iter, values: parent },
    target: valuesAt(targetBlob(state, step, basePath)),
    policy: owner?.spec.tuning ?? NO_POLICY,
  };
}

/** What a rollback goes back to: also an iter that was reverted since, as it last was. */
function targetBlob(state: State, { commit, before }: Step, basePath: string): string | null | undefined {
  const to = commit.kind === 'rollback' ? rollbackTarget(commit.subject) : undefined;
  if (to === undefined) return undefined;
  const path = to === null ? basePath : iterFileName(basePath, to);
  return before.files.get(path) ?? state.first.get(path)?.newest;
}

const NO_POLICY: Pick<TuningPolicy, 'keys' | 'bounds' | 'themes'> = { keys: {}, bounds: {}, themes: [] };

/** The highest iter of a base env in a tree. */
function desiredIter(tree: Tree, basePath: string): number | null {
  const newestFirst = [...(tree.everIters.get(basePath) ?? [])].sort((a, b) => b - a);
  return newestFirst.find((iter) => tree.files.has(iterFileName(basePath, iter))) ?? null;
}

/** The instance of a base env. The one that the commit names is asked first: to find another, every spec must be read. */
function ownerAt({ specs }: State, { commit, specsAfter }: Step, basePath: string): SpecAt | null {
  const named = commit.instance === null ? null : specs.instanceAt(specsAfter, commit.instance);
  return named?.spec.baseEnv === basePath ? named : specs.ownerAt(specsAfter, basePath);
}

/** What a commit of ours says, and which files it touched. */
function saidFindings(state: State, step: Step, ownerOf: (path: string) => string | null): Finding[] {
  const { commit, own } = step;
  const { kind } = commit;
  const isBase = (path: string) => step.before.everIters.has(path) || (isEnvPath(path) && ownerOf(path) !== null);
  const bases = own.filter(({ path }) => parseIterName(path) === null && kind !== 'init' && isBase(path));
  const edited = bases.map(
    ({ path }): Finding => ({
      rule: 'base',
      found: `${path} edited by mmfleet`,
      wanted: 'a base env that only people edit',
    }),
  );
  if (kind === null) {
    const machine = own.some(
      ({ path }) => parseIterName(path) !== null || /\.verdicts$|^fleet\/(receipts\/|holds\.)/.test(path),
    );
    const form: Finding = {
      rule: 'form',
      found: JSON.stringify(commit.subject.slice(0, 80)),
      wanted: 'a subject such as tune(amzn): ..., and an agreeing Mmfleet-Instance',
    };
    return machine ? [form, ...edited] : edited;
  }
  const story = storyOf(commit);
  const strange = fileFindings(
    own.filter((file) => !bases.includes(file)),
    kind,
  );
  const base = rebaseBase(step, story);
  return [
    ...edited,
    ...strange,
    ...trailerFindings(commit, kind),
    ...(story === null ? [] : [...subjectFinding(commit, story), ...recordFindings(state.records, step, story)]),
    ...base,
  ];
}

/** The base env that a rebase or rollback names is the one beside its iter. */
function rebaseBase({ own, before }: Step, story: ReturnType<typeof storyOf>): Finding[] {
  if (story?.kind !== 'rebase' && story?.kind !== 'rollback') return [];
  const basePath = own.map(({ path }) => parseIterName(path)?.basePath).find((path) => path !== undefined);
  const real = basePath === undefined ? undefined : before.files.get(basePath);
  return real === undefined || real === story.base
    ? []
    : [{ rule: 'parent', found: `Mmfleet-Base ${story.base}`, wanted: real }];
}

/** Secret keys with a value, once for each content. */
function secrets(state: State, { blob }: AuditFile): Finding[] {
  if (blob === null || state.checkedForSecrets.has(blob)) return [];
  state.checkedForSecrets.add(blob);
  const keys = state
    .envOf(blob)
    .entries.flatMap(({ key, value }) => (isSecretKey(key) && value !== null && value !== '' ? [key] : []));
  return [...new Set(keys)].map((key) => ({
    rule: 'secret',
    found: `a value of ${key}`,
    wanted: 'no secret in a tracked env file',
  }));
}
