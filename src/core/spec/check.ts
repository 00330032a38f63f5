/** Rules between the specs and the other tracked files. */
import type { CheckedEnv } from '../env/checked.ts';
import type { Problem } from '../problem.ts';
import { nearest } from './suggest.ts';
import type { Fleet, Instance } from './types.ts';

export type FleetCheck = {
  fleet: Fleet | null;
  instances: readonly Instance[];
  /** A tracked env file by its repository-relative path; undefined: not tracked. */
  envOf(path: string): CheckedEnv | undefined;
  trackedPaths: ReadonlySet<string>;
  /** Where an instance says something; absent: only the file is named. */
  place?: (instance: string, path: readonly string[]) => Partial<Problem>;
};

/** Problems between files; each names its instance. Errors make that instance unusable, warnings do not. */
export function checkFleet(input: FleetCheck): Problem[] {
  return [
    ...input.instances.flatMap((instance) => checkInstance(instance, input)),
    ...shared(
      input,
      'spec-shared-env',
      ['spec', 'baseEnv'],
      (instance) => instance.baseEnv,
      'tuning one would tune the other',
    ),
    ...shared(
      input,
      'spec-shared-journal',
      ['spec', 'journal', 'path'],
      (i) => i.journal.path,
      'their fills would be mixed',
    ),
    ...oneAccount(input),
    ...hostWarnings(input),
  ];
}

/**
 * Whatever its account is called: on one market, a venue that is asked the same with the same secrets answers the same, so that
 * each would cancel, close and be proved flat for the other.
 */
function oneAccount({ instances, envOf, place }: FleetCheck): Problem[] {
  const first = new Map<string, Instance>();
  return instances.flatMap((instance) => {
    const { market, secrets, venue, account } = instance;
    if (venue.driver.kind === 'journal') return [];
    const environment = environmentOf(envOf(instance.baseEnv));
    const key = JSON.stringify([market, { ...venue.driver, timeoutMs: 0 }, secrets, environment]);
    const other = first.get(key);
    if (other === undefined) first.set(key, instance);
    if (other === undefined || other.account === account) return [];
    return [instance, other].map((one) => ({
      code: 'spec-duplicate-market',
      message: `spec.account: ${instance.name} and ${other.name} trade ${market} with the same venue and secrets, whatever their accounts are called`,
      hint: 'one instance per account and market; another account has other secrets',
      retry: 'stalled' as const,
      instance: one.name,
      file: one.file,
      ...place?.(one.name, ['spec', 'account']),
    }));
  });
}

/** As the bot takes it: testnet where nothing is said. */
const environmentOf = (env: CheckedEnv | undefined) =>
  (env?.values['MM_ENVIRONMENT'] ?? 'testnet').trim().toLowerCase();

function checkInstance(instance: Instance, input: FleetCheck): Problem[] {
  const problems = [...secretFiles(instance, input), ...baseEnvProblems(instance, input)];
  return problems.map((problem) => ({ ...problem, instance: instance.name }));
}

function baseEnvProblems(instance: Instance, input: FleetCheck): Problem[] {
  const path = instance.baseEnv;
  const env = input.envOf(path);
  if (env === undefined) return [missingBase(instance, input)];
  const problems = [...env.problems];
  const market = env.values['MM_MARKET_NAME'];
  if (market !== instance.market) {
    problems.push({
      code: 'env-market',
      message: `MM_MARKET_NAME: found ${market === undefined ? 'nothing' : JSON.stringify(market.slice(0, 64))}, want "${instance.market}" as in spec.market of ${instance.name}`,
      hint: 'one of the two names the wrong market',
      retry: 'stalled',
      ...env.placeOf('MM_MARKET_NAME'),
    });
  }
  const mainnet = environmentOf(env) === 'mainnet';
  if (mainnet && !instance.allowMainnet && input.fleet?.guards.allowMainnet !== true) {
    problems.push({
      code: 'env-mainnet',
      message: 'MM_ENVIRONMENT: found mainnet, which this fleet does not allow',
      hint: "set allowMainnet: true in the instance's spec or in the fleet's guards",
      retry: 'stalled',
      ...env.placeOf('MM_ENVIRONMENT'),
    });
  }
  return problems;
}

function missingBase(instance: Instance, { trackedPaths, place }: FleetCheck): Problem {
  const path = instance.baseEnv;
  const candidates = [...trackedPaths].filter((p) => /\.env|env\./.test(p) && !/\.iter\d{3,}$|\.verdicts$/.test(p));
  const name = path.slice(path.lastIndexOf('/') + 1);
  const linked = trackedPaths.has(path);
  const isFolder = candidates.some((p) => p.startsWith(`${path}/`));
  const near = nearest(path, candidates) ?? candidates.find((p) => p.endsWith(`/${name}`));
  return {
    code: 'env-missing',
    message: `spec.baseEnv: ${path} is not a tracked file`,
    hint: linked
      ? 'it is a link: copy the file here, what a link leads to is not in git'
      : isFolder
        ? 'it is a folder: name the file in it'
        : near === undefined
          ? `write it and "git add" it`
          : `did you mean ${near}?`,
    retry: 'stalled',
    file: instance.file,
    ...place?.(instance.name, ['spec', 'baseEnv']),
  };
}

function secretFiles(instance: Instance, { trackedPaths, place }: FleetCheck): Problem[] {
  return instance.secrets.flatMap((source, index) => {
    if (source.kind !== 'envFile' || !trackedPaths.has(source.path)) return [];
    return [
      {
        code: 'secrets-tracked',
        message: `spec.secrets[${index}].envFile: ${source.path} is tracked by git`,
        hint: `"git rm --cached ${source.path}", add it to .gitignore, and replace the keys if it was ever pushed`,
        retry: 'stalled' as const,
        file: instance.file,
        ...place?.(instance.name, ['spec', 'secrets', String(index), 'envFile']),
      },
    ];
  });
}

/** What two instances may not have in common, although their accounts differ. */
function shared(
  { instances, place }: FleetCheck,
  code: string,
  path: readonly string[],
  of: (instance: Instance) => string,
  why: string,
): Problem[] {
  const owners = new Map<string, Instance[]>();
  for (const instance of instances) {
    const known = owners.get(of(instance));
    if (known === undefined) owners.set(of(instance), [instance]);
    else known.push(instance);
  }
  return instances.flatMap((instance) => {
    const other = owners.get(of(instance))?.find((one) => one !== instance);
    if (other === undefined) return [];
    return [
      {
        code,
        message: `${path.join('.')}: ${of(instance)} is that of "${other.name}" as well: ${why}`,
        hint: 'give each instance its own',
        retry: 'stalled' as const,
        instance: instance.name,
        file: instance.file,
        ...place?.(instance.name, path),
      },
    ];
  });
}

/** When some instances name a host, one without would be run by every host. */
function hostWarnings({ instances, place }: FleetCheck): Problem[] {
  const hosts = new Set(instances.flatMap((instance) => instance.host ?? []));
  if (hosts.size === 0) return [];
  return instances
    .filter((instance) => instance.host === null)
    .map((instance) => ({
      code: 'spec-no-host',
      message: `spec.host: missing, while other instances name ${[...hosts].sort().join(', ')}: every host would run ${instance.name}`,
      hint: 'name the host that runs it',
      severity: 'warning' as const,
      instance: instance.name,
      file: instance.file,
      ...place?.(instance.name, ['spec']),
    }));
}
