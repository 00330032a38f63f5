import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { formatProblem } from '../../../src/core/problem.ts';
import { isSpecPath, parseSpecs } from '../../../src/core/spec/parse.ts';
import { AMZN, FLEET, file, MON } from './support.ts';

const parse = (...texts: string[]) =>
  parseSpecs([file('fleet.yaml', FLEET), ...texts.map((text, i) => file(`${i === 0 ? 'amzn' : `i${i}`}.yaml`, text))]);
const withSpec = (lines: string) => AMZN + lines;

describe('a valid fleet', () => {
  test('gets every default of the contract', () => {
    const { fleet, instances, problems, invalid } = parse(AMZN);
    expect({ problems, invalid }).toEqual({ problems: [], invalid: [] });
    expect(fleet).toEqual({
      name: 'equities',
      file: 'fleet/fleet.yaml',
      git: {
        remote: 'origin',
        branch: 'main',
        push: true,
        author: { name: 'mmfleet', email: 'mmfleet@localhost' },
        signing: null,
        verify: null,
      },
      intervalMs: 30_000,
      guards: {
        maxConcurrentChanges: 2,
        maxShareChangedPerPass: 0.5,
        marketWideShare: 0.5,
        maxUnjudgedNotionalUsd: null,
        allowMainnet: false,
      },
    });
    const H = 3_600_000;
    expect(instances).toEqual([
      {
        name: 'amzn',
        file: 'fleet/amzn.yaml',
        market: 'AMZN-USD',
        account: 'main',
        host: null,
        baseEnv: 'fleet/env/amzn/.env.amzn',
        secrets: [],
        state: 'Running',
        autonomy: 'apply',
        suspend: null,
        allowMainnet: false,
        runtime: {
          kind: 'process',
          command: ['python', '-m', 'market_maker'],
          cwd: '../bot',
          envFileVariable: 'ENV',
          environment: {},
          stop: { signal: 'SIGINT', timeoutMs: 60_000 },
          startTimeoutMs: 60_000,
          backoff: { initialMs: 10_000, maxMs: 600_000, stableAfterMs: 600_000, crashLoopAfter: 5 },
        },
        journal: { path: '../bot/data/mm_journal/mm_AMZN-USD_*.jsonl', staleAfterMs: 180_000 },
        venue: {
          driver: { kind: 'sim', url: 'http://127.0.0.1:9000', timeoutMs: 20_000 },
          settleMs: 2000,
          dustMaxNotionalUsd: 5,
          flatten: { attempts: 5, slippageBps: { start: 20, step: 10, max: 100 }, maxCostUsd: 50 },
        },
        health: {
          cooldownMs: H / 2,
          signals: {
            burst: {
              metric: 'netMarkout5sBps',
              limit: -0.5,
              windowFills: 60,
              minFills: 60,
              confidence: 0.99,
              consecutive: 3,
              activeForMs: null,
            },
            fast: {
              metric: 'netMarkout5sBps',
              limit: -0.5,
              windowFills: 200,
              minFills: 150,
              confidence: null,
              consecutive: 10,
              activeForMs: null,
            },
            slow: {
              metric: 'netMarkout60sBps',
              limit: 0,
              windowFills: 400,
              minFills: 100,
              confidence: 0.95,
              consecutive: 3,
              activeForMs: null,
            },
            alert: {
              metric: 'netMarkout5sBps',
              limit: -0.5,
              windowFills: 30,
              minFills: 30,
              confidence: 0.95,
              consecutive: 3,
              activeForMs: 12 * H,
            },
          },
          limits: {
            realizedPnlUsd: { lastFills: 100, min: 0, action: 'report' },
            markout5sBps: { lastFills: 200, min: -0.5, action: 'report' },
            fillCount: { min: 1, overMs: 4 * H, action: 'report' },
            fillRatio: { min: 0.005, minPlacements: 500, action: 'report' },
            cancelRatio: { max: 0.995, minPlacements: 500, action: 'tune' },
            postOnlyRejectRatio: { max: 0.05, minPlacements: 200, action: 'tune' },
            failureRatio: { max: 0.2, minPlacements: 200, action: 'report' },
            fillsPerHour: { min: 10, overMs: 4 * H, action: 'tune' },
            positionShare: { max: 0.7, shareOfTime: 0.5, overMs: 4 * H, action: 'tune' },
            drawdownUsd: { max: null, action: 'stop' },
            dataAge: { maxMs: 180_000, action: 'report' },
          },
          cheapMoment: { maxPositionShare: 0.1, waitMs: H / 2 },
        },
        tuning: {
          themes: ['spread-offset', 'reprice', 'post-only', 'inventory', 'toxicity', 'breaker'],
          bounds: {},
          ladder: [1.5, 2],
          maxChangesPerDay: 2,
          hygieneChangesPerDay: 1,
          park: {
            forMs: 4 * H,
            multiplier: 2,
            maxMs: 24 * H,
            withinMs: 48 * H,
            reparkWithinMs: 48 * H,
            reparkCountMs: 72 * H,
          },
          trendStep: false,
          recover: { provenAfterMs: 6 * H, quietForMs: 6 * H, probationMs: 12 * H, backoff: 2, maxWaitMs: 96 * H },
          forgetAfterMs: 72 * H,
          verdictWithinMs: 24 * H,
          keys: {},
        },
      },
    ]);
  });

  test('a signal and a limit are overridden field by field', () => {
    const { instances, problems } = parse(
      withSpec(
        '  health: { signals: { fast: { limit: -1 } }, limits: { drawdownUsd: { max: 40 }, dataAge: { max: null } } }\n',
      ),
    );
    expect(problems).toEqual([]);
    expect(instances[0]!.health.signals.fast).toMatchObject({ limit: -1, windowFills: 200, consecutive: 10 });
    expect(instances[0]!.health.limits.drawdownUsd).toEqual({ max: 40, action: 'stop' });
    expect(instances[0]!.health.limits.dataAge.maxMs).toBeNull();
  });

  test('several documents in one file', () => {
    const { instances, problems } = parseSpecs([file('fleet.yaml', FLEET), file('all.yaml', `${AMZN}---\n${MON}`)]);
    expect(problems).toEqual([]);
    expect(instances.map((i) => [i.name, i.market])).toEqual([
      ['amzn', 'AMZN-USD'],
      ['mon', 'MON-USD'],
    ]);
  });

  test('the other runtime and venue, custom keys, suspend, secrets', () => {
    const text = `apiVersion: mmfleet/v1
kind: Instance
metadata: { name: btc }
spec:
  market: BTC-USD
  baseEnv: env/.env.btc
  secrets: [{ envFile: ../secrets/btc.env }, { command: [op, read] }, { fromEnv: [BTC_KEY] }]
  suspend: { reason: maintenance, until: 2026-12-01T06:00:00Z }
  runtime: { command: { start: [a], stop: [b], status: [c, "{env}"], cwd: /srv/bot } }
  venue: { command: { position: [p], orders: [o], cancel: [c], close: [x] }, dust: { maxNotionalUsd: 0 } }
  journal: { path: "../logs/mm_{market}_*.jsonl" }
  tuning: { bounds: { MY_WIDTH: { max: 4 } }, keys: { MY_WIDTH: { type: decimal, theme: spread-offset, step: { times: 1.5 } } } }
`;
    const { instances, problems } = parse(text);
    expect(problems).toEqual([]);
    expect(instances[0]).toMatchObject({
      secrets: [
        { kind: 'envFile', path: 'secrets/btc.env' },
        { kind: 'command', command: ['op', 'read'] },
        { kind: 'fromEnv', names: ['BTC_KEY'] },
      ],
      suspend: { reason: 'maintenance', until: '2026-12-01T06:00:00Z' },
      runtime: { kind: 'command', cwd: '/srv/bot', timeoutMs: 90_000, startTimeoutMs: 60_000 },
      journal: { path: 'logs/mm_BTC-USD_*.jsonl' },
      venue: { driver: { kind: 'command', reference: null, timeoutMs: 20_000 }, dustMaxNotionalUsd: 0 },
      tuning: {
        bounds: { MY_WIDTH: { min: null, max: 4 } },
        keys: { MY_WIDTH: { min: null, max: null, step: { times: 1.5 } } },
      },
    });
  });
});

describe('defaults of the fleet', () => {
  const fleetWith = (defaults: string) => file('fleet.yaml', `${FLEET}spec:\n  defaults:\n${defaults}`);

  test('a ccxt venue names its secret keys; what it does not say has a default', () => {
    const venue = (text: string) => {
      const text2 = AMZN.replace('sim: { url: "http://127.0.0.1:9000" }', `ccxt: { ${text} }`);
      return parseSpecs([file('fleet.yaml', FLEET), file('amzn.yaml', text2)]);
    };
    const named = 'exchange: extended, apiKey: MM_API_KEY, privateKey: MM_STARK_PRIVATE_KEY';
    expect(venue(named).instances[0]?.venue.driver).toEqual({
      kind: 'ccxt',
      exchange: 'extended',
      apiKey: 'MM_API_KEY',
      privateKey: 'MM_STARK_PRIVATE_KEY',
      vaultId: 'MM_VAULT_ID',
      publicKey: 'MM_STARK_PUBLIC_KEY',
      url: null,
      timeoutMs: 10_000,
    });
    // Keys go only to the exchange or to this machine.
    expect(venue(`${named}, url: "https://api.example.org"`).problems.map((p) => p.code)).toEqual(['spec-value']);
    expect(venue(`${named}, url: "http://127.0.0.1:8080"`).instances[0]?.venue.driver).toMatchObject({
      url: 'http://127.0.0.1:8080',
    });
  });

  test('the instance wins, lists replace, another venue drops the default one', () => {
    const defaults =
      '    account: desk\n    tuning: { ladder: [1.2, 1.4], maxChangesPerDay: 5 }\n    venue: { journal: {}, settle: 5s }\n';
    const own = AMZN.replace('spec:', 'spec:\n  tuning: { ladder: [3] }');
    const { instances, problems } = parseSpecs([fleetWith(defaults), file('amzn.yaml', own)]);
    expect(problems).toEqual([]);
    expect(instances[0]).toMatchObject({
      account: 'desk',
      tuning: { ladder: [3], maxChangesPerDay: 5 },
      venue: { settleMs: 5000, driver: { kind: 'sim' } },
    });
  });

  test('an error in them is told once, at the place that said it', () => {
    const { problems, invalid, fleet } = parseSpecs([
      fleetWith('    journal: { staleAfter: soon }\n'),
      file('amzn.yaml', AMZN),
      file('mon.yaml', MON),
    ]);
    expect(fleet).toBeNull();
    expect(invalid.map((i) => [i.name, i.problems[0]!.file, i.problems[0]!.line])).toEqual([
      ['amzn', 'fleet/fleet.yaml', 6],
      ['mon', 'fleet/fleet.yaml', 6],
    ]);
    expect(problems.filter((p) => p.message.startsWith('spec.journal'))).toHaveLength(1);
  });
});

type Bad = { name: string; given: string; want: { at: string; message: string; hint?: RegExp } };
const BAD: Bad[] = [
  {
    name: 'wrong type',
    given: withSpec('  health: { limits: { markout5sBps: { min: low } } }\n'),
    want: { at: '11:44', message: 'spec.health.limits.markout5sBps.min: found "low", want a number (bps) or null' },
  },
  {
    name: 'a list where a name is meant',
    given: withSpec('  account: [1, 2]\n'),
    want: {
      at: '11:12',
      message: 'spec.account: found a list, want an account name of letters, digits and . _ -',
    },
  },
  {
    name: 'unknown field',
    given: withSpec('  helth: {}\n'),
    want: { at: '11:3', message: 'spec.helth: unknown field', hint: /did you mean "health"/ },
  },
  {
    name: 'misspelt metric',
    given: withSpec('  health: { limits: { fillsPerHuor: { min: 1 } } }\n'),
    want: { at: '11:23', message: 'spec.health.limits.fillsPerHuor: unknown field', hint: /fillsPerHour/ },
  },
  {
    name: 'duration without a unit',
    given: withSpec('  journal: { staleAfter: 30 }\n'),
    want: {
      at: '11:26',
      message: 'spec.journal.staleAfter: found 30, want a duration such as 30s, 15m or 6h',
      hint: /30s/,
    },
  },
  {
    name: 'missing field',
    given: AMZN.replace('  market: AMZN-USD\n', ''),
    want: { at: '4:1', message: 'spec.market: missing', hint: /add market/ },
  },
  {
    name: 'missing nested field',
    given: AMZN.replace(', cwd: ../../bot', ''),
    want: { at: '8:5', message: 'spec.runtime.process.cwd: missing' },
  },
  {
    name: 'no venue',
    given: AMZN.replace(/ {2}venue:[\s\S]*/, ''),
    want: { at: '4:1', message: 'spec.venue: found none, want exactly one of ccxt, command, journal, sim' },
  },
  {
    name: 'two venues',
    given: withSpec('    journal: {}\n'),
    want: { at: '9:3', message: 'spec.venue: found journal and sim, want exactly one of ccxt, command, journal, sim' },
  },
  {
    name: 'a runtime that comes later',
    given: AMZN.replace('process:', 'docker:'),
    want: { at: '8:5', message: 'spec.runtime.docker: this field is reserved', hint: /later step/ },
  },
  {
    name: 'misspelt choice',
    given: withSpec('  state: Stoped\n'),
    want: {
      at: '11:10',
      message: 'spec.state: found "Stoped", want one of Running, Stopped, Retired',
      hint: /Stopped/,
    },
  },
  {
    name: 'shell metacharacters in the market',
    given: AMZN.replace('AMZN-USD', '"A;rm -rf $HOME"'),
    want: {
      at: '5:11',
      message: 'spec.market: found "A;rm -rf $HOME", want a market name of letters, digits and . _ - / :',
    },
  },
  {
    name: 'path traversal in the market',
    given: AMZN.replace('AMZN-USD', 'A/../../B'),
    want: {
      at: '5:11',
      message: 'spec.market: found "A/../../B", want a market name of letters, digits and . _ - / :',
    },
  },
  {
    name: 'base env outside the repository',
    given: AMZN.replace('env/amzn/.env.amzn', '../../etc/.env'),
    want: { at: '6:12', message: 'spec.baseEnv: found a path outside the repository, want one inside' },
  },
  {
    name: 'a base env that git cannot be told to commit beside',
    given: AMZN.replace('env/amzn/.env.amzn', 'env/am"zn/.env.amzn'),
    want: {
      at: '6:12',
      message: 'spec.baseEnv: found a quote, a backslash, a control character or a .git folder, want a plain path',
    },
  },
  {
    name: 'an iter for a base env',
    given: AMZN.replace('.env.amzn', '.env.amzn.iter003'),
    want: { at: '6:12', message: 'spec.baseEnv: found an iter, want the base env', hint: /\.env\.amzn/ },
  },
  {
    name: 'absolute base env',
    given: AMZN.replace('env/amzn/.env.amzn', '/etc/passwd'),
    want: { at: '6:12', message: 'spec.baseEnv: found a path outside the repository, want one inside' },
  },
  {
    name: 'bad instance name',
    given: AMZN.replace('name: amzn', 'name: ../Amzn'),
    want: { at: '3:19', message: 'metadata.name: found "../Amzn", want a name of lower-case letters, digits, _ and -' },
  },
  {
    name: 'a forbidden key in bounds',
    given: withSpec('  tuning: { bounds: { MM_MAX_POSITION_SIZE: { max: 9 } } }\n'),
    want: { at: '11:23', message: 'spec.tuning.bounds.MM_MAX_POSITION_SIZE: this key is never tuned' },
  },
  {
    name: 'a secret key opted in',
    given: withSpec('  tuning: { keys: { X_TOKEN: { type: int, theme: reprice, step: { plus: 1 } } } }\n'),
    want: { at: '11:21', message: 'spec.tuning.keys.X_TOKEN: this key is never tuned' },
  },
  {
    name: 'bounds past the hard limit',
    given: withSpec('  tuning: { bounds: { MM_NUM_PRICE_LEVELS: { max: 21 } } }\n'),
    want: { at: '11:51', message: 'spec.tuning.bounds.MM_NUM_PRICE_LEVELS.max: found 21, want 1..20' },
  },
  {
    name: 'bounds the wrong way round',
    given: withSpec('  tuning: { bounds: { MM_SPREAD_MULTIPLIER: { min: 3, max: 2 } } }\n'),
    want: { at: '11:45', message: 'spec.tuning.bounds.MM_SPREAD_MULTIPLIER: found 3..2, want min <= max' },
  },
  {
    name: 'a misspelt key in bounds',
    given: withSpec('  tuning: { bounds: { MM_SPREAD_MULTIPLYER: { max: 2 } } }\n'),
    want: {
      at: '11:23',
      message: 'spec.tuning.bounds.MM_SPREAD_MULTIPLYER: found a key that is not tuned',
      hint: /MM_SPREAD_MULTIPLIER/,
    },
  },
  {
    name: 'a day that does not exist',
    given: withSpec('  suspend: { reason: x, until: 2026-02-29T00:00:00Z }\n'),
    want: { at: '11:32', message: 'spec.suspend.until: found 2026-02-29T00:00:00Z, want a day that exists' },
  },
  { name: 'a tab', given: withSpec('\tstate: Running\n'), want: { at: '11:1', message: 'found a tab, want blanks' } },
  {
    name: 'the same key twice',
    given: withSpec('  market: MON-USD\n'),
    want: { at: '11:3', message: 'found the same key twice' },
  },
  {
    name: 'an alias of nothing',
    given: withSpec('  host: *here\n'),
    want: { at: '11:9', message: 'found an alias to nothing', hint: /quotes/ },
  },
  {
    name: 'an alias of what comes later',
    given: withSpec('  host: *here\n  state: &here Running\n'),
    want: { at: '11:9', message: 'found an alias to nothing' },
  },
  {
    name: 'an alias of what it stands in',
    given: withSpec('  health: &all { limits: *all }\n'),
    want: { at: '1:1', message: 'found more than 100 expanded aliases, or one inside what it stands for' },
  },
  {
    name: 'an infinite number',
    given: withSpec('  health: { limits: { drawdownUsd: { max: .inf } } }\n'),
    want: {
      at: '11:43',
      message: 'spec.health.limits.drawdownUsd.max: found Infinity, want a number (USD) of at least 0 or null',
    },
  },
];

describe('bad input', () => {
  test.each(BAD)('$name', ({ given, want }) => {
    const { instances, problems, invalid } = parse(given, MON);
    const found = problems.filter((p) => p.file === 'fleet/amzn.yaml');
    expect(found.map((p) => ({ at: `${p.line}:${p.column}`, message: p.message }))).toContainEqual({
      at: want.at,
      message: want.message,
    });
    expect(found).toHaveLength(1);
    if (want.hint !== undefined) expect(found[0]!.hint).toMatch(want.hint);
    expect(found[0]!.sourceLine).toBe(given.split('\n')[found[0]!.line! - 1]);
    expect(invalid.map((i) => i.name)).toEqual(['amzn']);
    expect(instances.map((i) => i.name)).toEqual(['mon']);
  });

  test('is printed with its place, its line and a hint', () => {
    const { problems } = parse(withSpec('  helth: {}\n'));
    expect(formatProblem(problems[0]!)).toBe(
      'fleet/amzn.yaml:11:3 spec.helth: unknown field\n  11 |   helth: {}\n     |   ^\n  hint: did you mean "health"?',
    );
  });

  test('all problems of all files come in one run', () => {
    const { problems } = parse(withSpec('  helth: {}\n  state: Off\n'), MON.replace('market:', 'markt:'));
    expect(problems.map((p) => p.message)).toEqual([
      'spec.helth: unknown field',
      'spec.state: found "Off", want one of Running, Stopped, Retired',
      'spec.market: missing',
      'spec.markt: unknown field',
    ]);
  });

  test('a billion laughs are refused quickly', () => {
    const laughs = Array.from(
      { length: 9 },
      (_, i) =>
        `l${i}: &l${i} [${Array(9)
          .fill(i === 0 ? 'lol' : `*l${i - 1}`)
          .join(', ')}]`,
    ).join('\n');
    const { problems, instances } = parseSpecs([
      file('fleet.yaml', FLEET),
      file('laughs.yaml', laughs),
      file('amzn.yaml', AMZN),
    ]);
    expect(problems.map((p) => [p.code, p.file])).toEqual([['spec-yaml', 'fleet/laughs.yaml']]);
    expect(instances).toHaveLength(1);
  });

  test('deep nesting, a huge file, a key that is no name', () => {
    const given = [
      file('fleet.yaml', FLEET),
      file('deep.yaml', '['.repeat(200_000)),
      file('huge.yaml', `# ${'x'.repeat(1_000_001)}`),
      file('odd.yaml', '__proto__: { a: 1 }\n'),
    ];
    const files = new Set(parseSpecs(given).problems.map((p) => p.file));
    expect([...files]).toEqual(['fleet/deep.yaml', 'fleet/huge.yaml', 'fleet/odd.yaml']);
  });

  test('duplicate names block both, and no other', () => {
    const { instances, invalid, problems } = parse(AMZN, AMZN.replace('AMZN-USD', 'X-USD'), MON);
    expect(instances.map((i) => i.name)).toEqual(['mon']);
    expect(invalid.map((i) => i.name)).toEqual(['amzn']);
    expect(problems).toMatchObject([{ code: 'spec-duplicate-name', file: 'fleet/i1.yaml', line: 3, column: 19 }]);
  });

  test('one account and market for two instances blocks both', () => {
    const { instances, invalid } = parse(AMZN, MON.replace('MON-USD', 'AMZN-USD'));
    expect(instances).toEqual([]);
    expect(invalid.map((i) => [i.name, i.problems[0]!.code])).toEqual([
      ['mon', 'spec-duplicate-market'],
      ['amzn', 'spec-duplicate-market'],
    ]);
    expect(parse(AMZN, MON.replace('MON-USD', 'AMZN-USD\n  account: other')).instances).toHaveLength(2);
  });

  test('no fleet, two fleets, another kind', () => {
    expect(parseSpecs([file('amzn.yaml', AMZN)]).problems.map((p) => p.code)).toEqual(['spec-no-fleet']);
    const two = parseSpecs([file('fleet.yaml', FLEET), file('two.yaml', FLEET)]);
    expect([two.fleet, two.problems[0]!.code, two.problems[0]!.file]).toEqual([
      null,
      'spec-two-fleets',
      'fleet/two.yaml',
    ]);
    expect(parse(AMZN.replace('kind: Instance', 'kind: Instanc')).problems[0]).toMatchObject({
      code: 'spec-kind',
      line: 2,
      hint: 'did you mean "Instance"?',
    });
  });

  test('reserved blocks of the fleet are refused with a reason', () => {
    const { problems } = parseSpecs([file('fleet.yaml', `${FLEET}spec: { notify: {}, server: {} }\n`)]);
    expect(problems.map((p) => p.hint)).toEqual([
      'alerts come in a later step; remove it',
      'the dashboard comes in a later step; remove it',
    ]);
  });

  test('a secret put where a name belongs is never shown', () => {
    const secret = '0xabcdef1234567890';
    const texts = [
      AMZN.replace(/sim:.*/, `ccxt: { exchange: extended, apiKey: "${secret}", privateKey: K, oops: 1 }`),
      withSpec(`  helth: {}\n`).replace('cwd:', `environment: { MY_TOKEN: ${secret} }, cwd:`),
      withSpec(`  secrets: [{ apiKey: ${secret} }]\n`),
    ];
    for (const text of texts) {
      const { problems } = parse(text);
      expect(problems.length).toBeGreaterThan(0);
      expect(JSON.stringify(problems)).not.toContain(secret);
    }
  });

  test('secret keys and the bot’s own keys do not belong into the process environment', () => {
    const given = AMZN.replace('cwd:', 'environment: { PYTHONPATH: src, MY_TOKEN: x, MM_MIN_OFFSET_BPS: "1" }, cwd:');
    expect(parse(given).problems.map((p) => p.message)).toEqual([
      'spec.runtime.process.environment.MY_TOKEN: found a secret key in a tracked file',
      'spec.runtime.process.environment.MM_MIN_OFFSET_BPS: a variable of the process beats the env file',
    ]);
  });

  test('the literal rule of ten fills is allowed, with a warning that blocks nothing', () => {
    const { instances, problems } = parse(
      withSpec('  health: { limits: { realizedPnlUsd: { lastFills: 10, min: 0, action: tune } } }\n'),
    );
    expect(instances[0]!.health.limits.realizedPnlUsd).toEqual({ lastFills: 10, min: 0, action: 'tune' });
    expect(problems).toMatchObject([{ severity: 'warning', instance: 'amzn', line: 11 }]);
    expect(problems[0]!.message).toContain('22.9 times a day');
  });
});

test('where an instance says something can be asked later', () => {
  const { place } = parse(AMZN);
  expect(place('amzn', ['spec', 'baseEnv'])).toMatchObject({ file: 'fleet/amzn.yaml', line: 6, column: 3 });
  expect(place('amzn', ['spec', 'host'])).toMatchObject({ line: 4 });
  expect(place('nobody', ['spec'])).toEqual({});
});

test('specs are the YAML files directly in the fleet folder', () => {
  const paths = [
    'fleet/fleet.yaml',
    'fleet/a.yml',
    'fleet/holds.yaml',
    'fleet/env/a.yaml',
    'other/a.yaml',
    'fleet/a.txt',
  ];
  expect(paths.filter(isSpecPath)).toEqual(['fleet/fleet.yaml', 'fleet/a.yml']);
});

test('every property of the schemas has a description, and every number a unit', () => {
  const folder = join(import.meta.dirname, '../../../schemas');
  const bare: string[] = [];
  const walk = (node: unknown, path: string) => {
    if (typeof node !== 'object' || node === null) return;
    for (const [key, inner] of Object.entries(node)) {
      if (key === 'properties' && !path.includes('$defs.complete')) {
        for (const [name, property] of Object.entries(inner as Record<string, Record<string, unknown>>)) {
          const types = [property['type'] ?? []].flat();
          const numeric = types.includes('number') || types.includes('integer');
          if (property['description'] === undefined || (numeric && property['unit'] === undefined))
            bare.push(`${path}.${name}`);
          if (
            property['type'] === 'object' &&
            property['properties'] !== undefined &&
            property['additionalProperties'] !== false
          )
            bare.push(`${path}.${name} is open`);
        }
      }
      walk(inner, `${path}.${key}`);
    }
  };
  for (const name of readdirSync(folder)) walk(JSON.parse(readFileSync(join(folder, name), 'utf8')), name);
  expect(bare).toEqual([]);
});
