/** Which instances the words of a command line mean. */
import { fail, ok, type Result } from '../problem.ts';
import { nearest } from './suggest.ts';
import type { Instance } from './types.ts';

type Named = Pick<Instance, 'name' | 'market' | 'baseEnv' | 'file'>;

/**
 * The instances meant by `args`, each once, in the order given; no argument = all. Accepted: the name, the market, the
 * base env's file name or path with or without its dot, the spec's file. An ambiguous word is refused.
 */
export function resolveNames<T extends Named>(args: readonly string[], instances: readonly T[]): Result<T[]> {
  if (args.length === 0) return ok([...instances]);
  const chosen = new Set<T>();
  for (const arg of args) {
    const found = candidates(arg, instances);
    if (found.length > 1) {
      return fail({
        code: 'name-ambiguous',
        message: `"${arg}" means ${found.length} instances`,
        hint: `name one of ${found.map((instance) => instance.name).join(', ')}`,
        retry: 'stalled',
      });
    }
    if (found[0] === undefined) return fail(unknownName(arg, instances));
    chosen.add(found[0]);
  }
  return ok([...chosen]);
}

/** The closest kind of match decides: a name beats a market, a market beats a file. */
function candidates<T extends Named>(arg: string, instances: readonly T[]): T[] {
  const word = arg.trim().toLowerCase().replace(/^\.\//, '');
  const ways: ((instance: T) => string[])[] = [
    ({ name }) => [name],
    ({ market }) => [market],
    ({ baseEnv, file }) => [baseEnv, file],
    ({ baseEnv, file }) => [base(baseEnv), base(baseEnv).replace(/^\./, ''), base(file)],
    ({ name, baseEnv }) => [`.env.${name}`, `env.${name}`, base(baseEnv).replace(/^\.?env\./, '')],
    ({ market }) => [market.replace(/[-/:].*$/, '')],
  ];
  for (const way of ways) {
    const found = instances.filter((instance) => way(instance).some((text) => text.toLowerCase() === word));
    if (found.length > 0) return found;
  }
  return [];
}

function base(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

function unknownName(arg: string, instances: readonly Named[]) {
  const near = nearest(arg, new Set(instances.flatMap(({ name, market }) => [name, market])));
  const known = instances.map((instance) => instance.name);
  const list = known.length > 12 ? `${known.slice(0, 12).join(', ')}, ... (${known.length})` : known.join(', ');
  return {
    code: 'name-unknown',
    message: `no instance is called "${arg}"`,
    hint: near === undefined ? `known: ${list === '' ? 'none' : list}` : `did you mean "${near}"?`,
    retry: 'stalled' as const,
  };
}
