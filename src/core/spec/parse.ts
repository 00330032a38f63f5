/** Spec files -> Fleet and Instances, with all problems of all files in one run. */
import type { Problem } from '../problem.ts';
import { buildFleet, buildInstance } from './build.ts';
import { type Place, readDocuments, type SpecDocument } from './document.ts';
import { ruleFlaws } from './rules.ts';
import { type Flaw, pathText, validateFleet, validateInstance } from './schema.ts';
import { didYouMean } from './suggest.ts';
import type { Fleet, Instance } from './types.ts';

export type InvalidInstance = { name: string; file: string; problems: Problem[] };

export type ParsedSpecs = {
  /** null: none, more than one, or an invalid one. */
  fleet: Fleet | null;
  /** The valid ones, in the order of the files. */
  instances: Instance[];
  /** One entry per name. */
  invalid: InvalidInstance[];
  /** Everything found, warnings included; each problem once. */
  problems: Problem[];
  /** Where an instance says something (`['spec', 'baseEnv']`), for problems found later; the nearest parent when it does not. */
  place(instance: string, path: readonly string[]): Partial<Problem>;
  /** For the next reading. */
  memory: SpecMemory;
};

/** `blob`: git's id of the text, by which it is known again; absent or empty: it is always read. `text` may be a getter. */
export type SpecFile = { path: string; text: string; blob?: string; link?: boolean };

/** What files without a flaw declared, by path and blob; true only under the fleet's defaults it was read with. */
export type SpecMemory = {
  /** The fleet's defaults as JSON text. */
  defaults: string;
  files: ReadonlyMap<string, { blob: string; instances: readonly Instance[] }>;
  /** The file that declares the fleet and nothing else; absent: it is read each time. */
  fleet?: { path: string; blob: string; fleet: Fleet };
};

/** Whether a repository-relative path is a spec: the YAML files directly in `fleet/`, except the machine-owned holds. */
export function isSpecPath(path: string): boolean {
  return /^fleet\/[^/]+\.ya?ml$/.test(path) && !/^fleet\/holds\.ya?ml$/.test(path);
}

/**
 * Reads the given spec files. A bad file or instance never hides the others; a link is bad, wherever it leads. A file that
 * `memory` knows is only read again where a problem needs its place.
 */
export function parseSpecs(files: readonly SpecFile[], memory?: SpecMemory): ParsedSpecs {
  const problems: Problem[] = [];
  const read = new Map<SpecFile, SpecDocument[]>();
  const invalid = new Map<string, InvalidInstance>();
  const readFile = (file: SpecFile) => {
    const found =
      file.link === true ? { documents: [], problems: [linkedSpec(file.path)] } : readDocuments(file.path, file.text);
    problems.push(...found.problems);
    // A file that does not parse still stands for the instance it is named after.
    if (found.problems.length > 0 && found.documents.length === 0)
      addInvalid(invalid, fileStem(file.path), file.path, found.problems);
    read.set(file, found.documents);
  };
  const remembered = (file: SpecFile) => {
    const known = file.link === true || file.blob === undefined ? undefined : memory?.files.get(file.path);
    return known !== undefined && known.blob === file.blob ? known.instances : undefined;
  };
  const isFleet = ({ path, blob, link }: SpecFile) =>
    link !== true && blob !== undefined && memory?.fleet?.path === path && memory.fleet.blob === blob;
  // A daemon meets a new tree with every commit of its own, and hardly ever one in which a spec is another.
  const same =
    files.some(isFleet) && files.every((file) => isFleet(file) || remembered(file) !== undefined)
      ? (memory ?? null)
      : null;
  if (same === null) for (const file of files) if (remembered(file) === undefined) readFile(file);
  const defaultsOf = () => files.flatMap((file) => read.get(file) ?? []).find((each) => kindOf(each) === 'Fleet');
  const defaultsText = () => JSON.stringify(member(member(defaultsOf()?.value, 'spec'), 'defaults')) ?? '';
  const trusted = memory !== undefined && (same !== null || memory.defaults === defaultsText());
  if (!trusted) for (const file of files) if (!read.has(file)) readFile(file);
  const fleets: SpecDocument[] = [];
  const declared: Declared[] = [];
  for (const file of files) {
    const documents = read.get(file);
    if (documents === undefined) declared.push(...knownInstances(file, remembered(file) ?? []));
    for (const document of documents ?? []) {
      const kind = kindOf(document);
      if (kind === 'Fleet') fleets.push(document);
      else if (kind === 'Instance')
        declared.push({ of: file, file: file.path, name: nameOf(document), document: () => document });
      else problems.push(wrongKind(document));
    }
  }
  const fleet = same?.fleet?.fleet ?? readFleet(fleets, files, problems);
  const defaults = fleets[0];
  const defaultsNow = () => {
    const file = same === null ? undefined : files.find(isFleet);
    return file === undefined ? defaults : readDocuments(file.path, file.text).documents[0];
  };
  const instances: Instance[] = [];
  const sources = new Map<string, Declared>();
  const flawed = new Set<SpecFile>();
  for (const each of declared) {
    sources.set(each.name, each);
    if (each.instance !== undefined) {
      instances.push(each.instance);
      continue;
    }
    const { instance, problems: own } = readInstance(each.document(), defaults);
    problems.push(...own);
    if (own.length > 0) flawed.add(each.of);
    if (instance === null) addInvalid(invalid, each.name, each.file, own);
    else {
      instances.push(instance);
      each.instance = instance;
    }
  }
  const unique = withoutDuplicates(instances, declared, invalid, problems);
  return {
    fleet,
    instances: unique,
    invalid: [...invalid.values()],
    problems: eachOnce(problems),
    place: (name, path) => {
      const document = sources.get(name)?.document();
      return document === undefined ? {} : placeOf({ path: [...path], at: 'missing' }, document, defaultsNow());
    },
    memory: {
      defaults: trusted ? memory.defaults : defaultsText(),
      files: worthKnowing(declared, flawed, read, problems),
      ...(same === null ? fleetWorthKnowing(fleet, read, problems) : { fleet: same.fleet! }),
    },
  };
}

/** One document of kind Instance; `instance`: what it declares, once known and without an error. */
type Declared = { of: SpecFile; file: string; name: string; instance?: Instance; document(): SpecDocument };

/** What a file was found to declare; its text is only read when a place in it is asked for. */
function knownInstances(of: SpecFile, instances: readonly Instance[]): Declared[] {
  let documents: SpecDocument[] | undefined;
  return instances.map((instance, i) => ({
    of,
    file: of.path,
    name: instance.name,
    instance,
    document: () => {
      documents ??= readDocuments(of.path, of.text).documents;
      return documents[i]!;
    },
  }));
}

/** The files that declare instances alone, and without as much as a warning. */
function worthKnowing(
  declared: readonly Declared[],
  flawed: ReadonlySet<SpecFile>,
  read: ReadonlyMap<SpecFile, SpecDocument[]>,
  problems: readonly Problem[],
): SpecMemory['files'] {
  const told = new Set(problems.map((p) => p.file));
  const found = new Map<string, { blob: string; instances: Instance[] }>();
  for (const { of, instance } of declared) {
    if (instance === undefined || of.blob === undefined || of.blob === '' || flawed.has(of) || told.has(of.path))
      continue;
    const known = found.get(of.path);
    if (known === undefined) found.set(of.path, { blob: of.blob, instances: [instance] });
    else known.instances.push(instance);
  }
  for (const [of, documents] of read)
    if (found.get(of.path)?.instances.length !== documents.length) found.delete(of.path);
  return found;
}

/** A fleet without as much as a warning, in a file of its own. */
function fleetWorthKnowing(
  fleet: Fleet | null,
  read: ReadonlyMap<SpecFile, SpecDocument[]>,
  problems: readonly Problem[],
): Pick<SpecMemory, 'fleet'> {
  const [of, documents] = [...read].find(([, all]) => all.some((each) => kindOf(each) === 'Fleet')) ?? [];
  if (fleet === null || of?.blob === undefined || of.blob === '' || documents?.length !== 1) return {};
  return problems.some((p) => p.file === of.path) ? {} : { fleet: { path: of.path, blob: of.blob, fleet } };
}

function readFleet(fleets: SpecDocument[], files: readonly { path: string }[], problems: Problem[]): Fleet | null {
  const [first, ...others] = fleets;
  if (first === undefined) {
    const broken = files.some((file) => fileStem(file.path) === 'fleet') && problems.length > 0;
    if (!broken)
      problems.push({
        code: 'spec-no-fleet',
        message: 'found no document of kind Fleet, want exactly one',
        hint: 'mmfleet init writes fleet/fleet.yaml',
        retry: 'stalled',
      });
    return null;
  }
  for (const other of others) {
    problems.push({
      code: 'spec-two-fleets',
      message: `kind: found a second Fleet, want exactly one (the first is in ${first.file})`,
      retry: 'stalled',
      ...placeOf({ path: ['kind'], at: 'value' }, other),
    });
  }
  const value = structuredClone(first.value);
  // What the defaults lack, an instance may bring: only complete instances are asked for completeness.
  const flaws = validateFleet(value);
  problems.push(...flaws.map((flaw) => toProblem(flaw, first)));
  return flaws.length > 0 || others.length > 0 ? null : buildFleet(value, first.file);
}

function readInstance(
  document: SpecDocument,
  defaults: SpecDocument | undefined,
): { instance: Instance | null; problems: Problem[] } {
  const name = nameOf(document);
  const value = mergeDefaults(member(member(defaults?.value, 'spec'), 'defaults'), document.value);
  const flaws = validateInstance(value);
  const instance = flaws.length > 0 ? null : buildInstance(value, document.file);
  if (instance !== null) flaws.push(...ruleFlaws(instance));
  const problems = flaws
    .map((flaw): Problem => ({ ...toProblem(flaw, document, defaults), instance: name }))
    .sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));
  return { instance: problems.some((p) => p.severity !== 'warning') ? null : instance, problems };
}

/** Two instances of one name, or on one account and market, would fight: none of them is usable. */
function withoutDuplicates(
  instances: Instance[],
  declared: readonly Declared[],
  invalid: Map<string, InvalidInstance>,
  problems: Problem[],
): Instance[] {
  const dropped = new Set<Instance>();
  const report = ({ file, name, document }: Declared, path: string[], code: string, message: string, hint: string) => {
    const problem: Problem = {
      code,
      message: `${pathText(path)}: ${message}`,
      hint,
      retry: 'stalled',
      instance: name,
      ...placeOf({ path, at: 'value' }, document()),
    };
    problems.push(problem);
    addInvalid(invalid, name, file, [problem]);
    for (const instance of instances) if (instance.name === name) dropped.add(instance);
  };
  const names = new Map<string, Declared>();
  for (const each of declared) {
    const first = names.get(each.name);
    if (first === undefined) names.set(each.name, each);
    else
      report(
        each,
        ['metadata', 'name'],
        'spec-duplicate-name',
        `found "${each.name}" a second time (first in ${first.file})`,
        'give each instance its own name',
      );
  }
  const markets = new Map<string, Instance>();
  for (const instance of instances) {
    const key = `${instance.account}\n${instance.market}`;
    const first = markets.get(key);
    if (first === undefined) markets.set(key, instance);
    else if (first.name !== instance.name) {
      for (const [one, other] of [
        [instance, first],
        [first, instance],
      ] as const) {
        const message = `account ${one.account} and market ${one.market} belong to "${other.name}" as well`;
        report(
          names.get(one.name)!,
          ['spec', 'market'],
          'spec-duplicate-market',
          message,
          'one instance per account and market',
        );
      }
    }
  }
  return instances.filter((instance) => !dropped.has(instance));
}

/** The instance wins, lists replace; naming a runtime or a venue drops the other kinds the defaults name. */
function mergeDefaults(defaults: unknown, document: unknown): unknown {
  if (!isMapping(document)) return copyOf(document);
  const spec = document['spec'];
  if (!isMapping(defaults) || (spec !== undefined && !isMapping(spec))) return copyOf(document);
  const own = spec ?? {};
  const base = { ...defaults };
  for (const [block, kinds] of [
    ['runtime', ['process', 'command', 'docker', 'swarm']],
    ['venue', ['ccxt', 'command', 'journal', 'sim']],
  ] as const) {
    const [theirs, ours] = [base[block], isMapping(own) ? own[block] : undefined];
    const named = kinds.filter((kind) => isMapping(ours) && Object.hasOwn(ours, kind));
    if (!isMapping(theirs) || named.length === 0) continue;
    base[block] = Object.fromEntries(
      Object.entries(theirs).filter(
        ([key]) => !(kinds as readonly string[]).includes(key) || named.some((kind) => kind === key),
      ),
    );
  }
  return copyOf({ ...document, spec: merge(base, own) });
}

/** Plain data anew, for the validator completes what it is given. Faster than structuredClone, which looks for cycles. */
function copyOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copyOf);
  if (!isMapping(value)) return value;
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(value)) copy[key] = copyOf(value[key]);
  return copy;
}

function merge(base: unknown, own: unknown): unknown {
  if (!isMapping(base) || !isMapping(own)) return own;
  const result: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(own))
    result[key] = Object.hasOwn(base, key) ? merge(base[key], value) : value;
  return result;
}

function toProblem(flaw: Flaw, document: SpecDocument, defaults?: SpecDocument): Problem {
  const { code, message, hint, severity } = flaw;
  return {
    code,
    message,
    retry: 'stalled',
    ...(hint === undefined ? {} : { hint }),
    ...(severity === undefined ? {} : { severity }),
    ...placeOf(flaw, document, defaults),
  };
}

/** Where a path is said: in the instance, else in the fleet's defaults, else its nearest parent in either. */
function placeOf(flaw: Pick<Flaw, 'path' | 'at'>, document: SpecDocument, defaults?: SpecDocument): Place {
  for (let length = flaw.path.length; length >= 0; length -= 1) {
    const path = flaw.path.slice(0, length);
    const part = length < flaw.path.length ? 'key' : flaw.at === 'value' ? 'value' : 'key';
    const place =
      document.locate(path, part) ??
      (path[0] === 'spec' && length > 1 ? defaults?.locate(['spec', 'defaults', ...path.slice(1)], part) : undefined);
    if (place !== undefined) return place;
  }
  return { file: document.file };
}

function linkedSpec(file: string): Problem {
  const hint = 'copy the file here: what a link leads to is not in git';
  return { code: 'spec-link', message: 'found a link, want a file', hint, retry: 'stalled', file, line: 1, column: 1 };
}

function wrongKind(document: SpecDocument): Problem {
  const kind = member(document.value, 'kind');
  const found = typeof kind === 'string' ? JSON.stringify(kind.slice(0, 60)) : 'none';
  const hint = typeof kind === 'string' ? didYouMean(kind, ['Fleet', 'Instance']) : undefined;
  return {
    code: 'spec-kind',
    message: `kind: found ${found}, want Fleet or Instance`,
    hint: hint ?? 'other files belong in a folder below fleet/',
    retry: 'stalled',
    ...placeOf({ path: ['kind'], at: 'value' }, document),
  };
}

function addInvalid(invalid: Map<string, InvalidInstance>, name: string, file: string, problems: Problem[]): void {
  const known = invalid.get(name);
  if (known === undefined) invalid.set(name, { name, file, problems: [...problems] });
  else known.problems.push(...problems);
}

function eachOnce(problems: Problem[]): Problem[] {
  const seen = new Set<string>();
  return problems.filter((p) => {
    const key = JSON.stringify([p.file, p.line, p.column, p.message, p.line === undefined ? p.instance : null]);
    return seen.has(key) ? false : seen.add(key) !== undefined;
  });
}

function nameOf(document: SpecDocument): string {
  const name = member(member(document.value, 'metadata'), 'name');
  return typeof name === 'string' && /^[a-z0-9][a-z0-9_-]{0,62}$/.test(name) ? name : fileStem(document.file);
}

function kindOf(document: SpecDocument): unknown {
  return member(document.value, 'kind');
}

function fileStem(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1).replace(/\.ya?ml$/, '');
}

function member(value: unknown, name: string): unknown {
  return isMapping(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
