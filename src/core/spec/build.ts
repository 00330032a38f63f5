/** Checked and completed spec data -> Fleet and Instance values. */
import { type Fields, fields } from './fields.ts';
import { isAbsolute, join, resolveFrom } from './paths.ts';
import { buildHealth, buildTuning } from './policy.ts';
import type { CommandRuntime, Fleet, Instance, ProcessRuntime, SecretSource, Venue, VenueDriver } from './types.ts';

/** The fleet that `file` declares. */
export function buildFleet(value: unknown, file: string): Fleet {
  const top = fields(value);
  const spec = top.at('spec');
  const git = spec.at('git');
  const guards = spec.at('guards');
  return {
    name: top.at('metadata').text('name'),
    file,
    git: {
      remote: git.text('remote'),
      branch: git.text('branch'),
      push: git.flag('push'),
      author: { name: git.at('author').text('name'), email: git.at('author').text('email') },
      signing: git.has('signing') ? { format: 'ssh', key: git.at('signing').text('key') } : null,
      verify: git.has('verify') ? { allowedSigners: signersPath(git.at('verify').text('allowedSigners'), file) } : null,
    },
    intervalMs: spec.ms('interval'),
    guards: {
      maxConcurrentChanges: guards.number('maxConcurrentChanges'),
      maxShareChangedPerPass: guards.number('maxShareChangedPerPass'),
      marketWideShare: guards.number('marketWideShare'),
      maxUnjudgedNotionalUsd: guards.numberOrNull('maxUnjudgedNotionalUsd'),
      allowMainnet: guards.flag('allowMainnet'),
    },
  };
}

const signersPath = (path: string, file: string) => (isAbsolute(path) ? path : resolveFrom(file, path));

/** The instance that `file` declares (with the fleet's defaults merged in). */
export function buildInstance(value: unknown, file: string): Instance {
  const top = fields(value);
  const spec = top.at('spec');
  const market = spec.text('market');
  const runtime = buildRuntime(spec.at('runtime'), file);
  return {
    name: top.at('metadata').text('name'),
    file,
    market,
    account: spec.text('account'),
    host: spec.has('host') ? spec.text('host') : null,
    baseEnv: resolveFrom(file, spec.text('baseEnv')),
    secrets: spec.list('secrets').map((source) => buildSecret(source, file)),
    state: spec.text('state') as Instance['state'],
    autonomy: spec.text('autonomy') as Instance['autonomy'],
    suspend: spec.has('suspend') ? buildSuspend(spec.at('suspend')) : null,
    allowMainnet: spec.flag('allowMainnet'),
    runtime,
    journal: {
      path: journalPath(spec.at('journal').text('path'), file, runtime.cwd).replaceAll('{market}', market),
      staleAfterMs: spec.at('journal').ms('staleAfter'),
    },
    venue: buildVenue(spec.at('venue'), file),
    health: policyOf(HEALTHS, spec.at('health'), buildHealth),
    tuning: policyOf(TUNINGS, spec.at('tuning'), buildTuning),
  };
}

/** Most instances have the policy of another: built once and shared, by the text of what was given. */
function policyOf<T>(known: Map<string, T>, given: Fields, build: (from: Fields) => T): T {
  const text = given.json();
  const found = known.get(text);
  if (found !== undefined) return found;
  if (known.size >= MOST_POLICIES) known.clear();
  const built = build(given);
  known.set(text, built);
  return built;
}

const HEALTHS = new Map<string, Instance['health']>();
const TUNINGS = new Map<string, Instance['tuning']>();
const MOST_POLICIES = 500;

function buildSuspend(suspend: Fields): Instance['suspend'] {
  return { reason: suspend.text('reason'), until: suspend.has('until') ? suspend.text('until') : null };
}

function buildSecret(source: Fields, file: string): SecretSource {
  if (source.has('envFile')) return { kind: 'envFile', path: resolveFrom(file, source.text('envFile')) };
  if (source.has('command')) return { kind: 'command', command: source.texts('command') };
  return { kind: 'fromEnv', names: source.texts('fromEnv') };
}

function buildRuntime(runtime: Fields, file: string): ProcessRuntime | CommandRuntime {
  if (runtime.has('process')) {
    const p = runtime.at('process');
    return {
      kind: 'process',
      command: p.texts('command'),
      cwd: resolveFrom(file, p.text('cwd')),
      envFileVariable: p.text('envFileVariable'),
      environment: p.at('environment').textEntries(),
      stop: {
        signal: p.at('stop').text('signal') === 'SIGTERM' ? 'SIGTERM' : 'SIGINT',
        timeoutMs: p.at('stop').ms('timeout'),
      },
      startTimeoutMs: p.ms('startTimeout'),
      backoff: buildBackoff(p.at('backoff')),
    };
  }
  const c = runtime.at('command');
  return {
    kind: 'command',
    start: c.texts('start'),
    stop: c.texts('stop'),
    status: c.texts('status'),
    cwd: resolveFrom(file, c.text('cwd')),
    timeoutMs: c.ms('timeout'),
    startTimeoutMs: c.ms('startTimeout'),
    backoff: buildBackoff(c.at('backoff')),
  };
}

function buildBackoff(backoff: Fields): ProcessRuntime['backoff'] {
  return {
    initialMs: backoff.ms('initial'),
    maxMs: backoff.ms('max'),
    stableAfterMs: backoff.ms('stableAfter'),
    crashLoopAfter: backoff.number('crashLoopAfter'),
  };
}

/** `{cwd}` stands for the runtime's folder, which is resolved already. */
function journalPath(path: string, file: string, cwd: string): string {
  if (!path.startsWith('{cwd}/')) return resolveFrom(file, path);
  const rest = path.slice('{cwd}/'.length);
  return isAbsolute(cwd) ? resolveFrom(file, `${cwd}/${rest}`) : join(cwd, rest);
}

function buildVenue(venue: Fields, file: string): Venue {
  const flatten = venue.at('flatten');
  const slippage = flatten.at('slippageBps');
  return {
    driver: buildDriver(venue, file),
    settleMs: venue.ms('settle'),
    dustMaxNotionalUsd: venue.at('dust').number('maxNotionalUsd'),
    flatten: {
      attempts: flatten.number('attempts'),
      slippageBps: { start: slippage.number('start'), step: slippage.number('step'), max: slippage.number('max') },
      maxCostUsd: flatten.number('maxCostUsd'),
    },
  };
}

function buildDriver(venue: Fields, file: string): VenueDriver {
  if (venue.has('ccxt')) {
    const ccxt = venue.at('ccxt');
    return {
      kind: 'ccxt',
      exchange: ccxt.text('exchange'),
      apiKey: ccxt.text('apiKey'),
      privateKey: ccxt.text('privateKey'),
      vaultId: ccxt.text('vaultId'),
      publicKey: ccxt.text('publicKey'),
      url: ccxt.has('url') ? ccxt.text('url') : null,
      timeoutMs: ccxt.ms('timeout'),
    };
  }
  if (venue.has('command')) {
    const c = venue.at('command');
    return {
      kind: 'command',
      position: c.texts('position'),
      orders: c.texts('orders'),
      cancel: c.texts('cancel'),
      close: c.texts('close'),
      reference: c.has('reference') ? c.texts('reference') : null,
      timeoutMs: c.ms('timeout'),
    };
  }
  if (venue.has('sim')) {
    const sim = venue.at('sim');
    const url = sim.text('url');
    const place = url.startsWith('file:') ? `file:${resolveFrom(file, url.slice('file:'.length))}` : url;
    return { kind: 'sim', url: place, timeoutMs: sim.ms('timeout') };
  }
  return { kind: 'journal' };
}
