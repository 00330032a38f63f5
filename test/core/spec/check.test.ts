import { describe, expect, test } from 'vitest';
import { checkEnv } from '../../../src/core/env/checked.ts';
import { checkFleet } from '../../../src/core/spec/check.ts';
import { parseSpecs } from '../../../src/core/spec/parse.ts';
import { AMZN, FLEET, file, MON } from './support.ts';

const ENV = 'fleet/env/amzn/.env.amzn';
const GOOD = 'MM_MARKET_NAME=AMZN-USD\n';

function check(spec: string, envs: Record<string, string>, fleet = FLEET, tracked: string[] = []) {
  const parsed = parseSpecs([file('fleet.yaml', fleet), file('amzn.yaml', spec)]);
  expect(parsed.problems).toEqual([]);
  const trackedPaths = new Set([...Object.keys(envs), ...tracked]);
  return checkFleet({
    fleet: parsed.fleet,
    instances: parsed.instances,
    envOf: among(envs),
    trackedPaths,
    place: parsed.place,
  });
}

const among = (envs: Record<string, string>) => (path: string) => {
  const text = envs[path];
  return text === undefined ? undefined : checkEnv(text, path);
};

describe('rules between files', () => {
  test('a good instance has no problem', () => {
    expect(check(AMZN, { [ENV]: GOOD })).toEqual([]);
  });

  test('a missing base env is named with its place and the nearest file', () => {
    expect(check(AMZN, { 'fleet/env/amzn/.env.amnz': GOOD })).toMatchObject([
      {
        code: 'env-missing',
        instance: 'amzn',
        file: 'fleet/amzn.yaml',
        line: 6,
        hint: 'did you mean fleet/env/amzn/.env.amnz?',
      },
    ]);
  });

  test('a base env that is a folder is told as one', () => {
    const spec = AMZN.replace('env/amzn/.env.amzn', 'env/amzn');
    expect(check(spec, { 'fleet/env/amzn/.env.amzn': GOOD })).toMatchObject([
      { code: 'env-missing', hint: 'it is a folder: name the file in it' },
    ]);
  });

  test('another market in the base env', () => {
    expect(check(AMZN, { [ENV]: '\nMM_MARKET_NAME=MON-USD\n' })).toMatchObject([
      {
        code: 'env-market',
        instance: 'amzn',
        file: ENV,
        line: 2,
        message: 'MM_MARKET_NAME: found "MON-USD", want "AMZN-USD" as in spec.market of amzn',
      },
    ]);
    expect(check(AMZN, { [ENV]: '' })).toMatchObject([{ code: 'env-market', file: ENV }]);
  });

  test('a line that the bot would refuse, and a secret', () => {
    const problems = check(AMZN, { [ENV]: `${GOOD}MM_MIN_OFFSET_BPS=4#c\nMM_API_KEY=abcdefgh\n` });
    expect(problems).toMatchObject([
      { code: 'env-refused', instance: 'amzn', file: ENV, line: 2 },
      { code: 'env-secret-in-git', instance: 'amzn', file: ENV, line: 3 },
    ]);
    expect(JSON.stringify(problems)).not.toContain('abcdefgh');
  });

  test('mainnet needs leave, of the fleet or of the instance', () => {
    const envs = { [ENV]: `${GOOD}MM_ENVIRONMENT=Mainnet\n` };
    expect(check(AMZN, envs)).toMatchObject([{ code: 'env-mainnet', instance: 'amzn', line: 2 }]);
    expect(check(`${AMZN}  allowMainnet: true\n`, envs)).toEqual([]);
    expect(check(AMZN, envs, `${FLEET}spec: { guards: { allowMainnet: true } }\n`)).toEqual([]);
  });

  test('a secrets file tracked by git', () => {
    const spec = `${AMZN}  secrets: [{ envFile: ../secrets/amzn.env }]\n`;
    expect(check(spec, { [ENV]: GOOD })).toEqual([]);
    expect(check(spec, { [ENV]: GOOD }, FLEET, ['secrets/amzn.env'])).toMatchObject([
      { code: 'secrets-tracked', instance: 'amzn', line: 11 },
    ]);
  });

  test('several hosts and one instance without', () => {
    const specs = [file('fleet.yaml', FLEET), file('amzn.yaml', `${AMZN}  host: trader-1\n`), file('mon.yaml', MON)];
    const { fleet, instances } = parseSpecs(specs);
    const envs = { [ENV]: GOOD, 'fleet/env/mon/.env.mon': 'MM_MARKET_NAME=MON-USD' };
    expect(checkFleet({ fleet, instances, envOf: among(envs), trackedPaths: new Set() })).toMatchObject([
      { code: 'spec-no-host', severity: 'warning', instance: 'mon', file: 'fleet/mon.yaml' },
    ]);
  });

  test('two accounts on one market share neither env nor journal', () => {
    const other = AMZN.replace('name: amzn', 'name: amzn2').replace('market:', 'account: second\n  market:');
    const { fleet, instances } = parseSpecs([
      file('fleet.yaml', FLEET),
      file('amzn.yaml', AMZN),
      file('amzn2.yaml', other),
    ]);
    const problems = checkFleet({ fleet, instances, envOf: among({ [ENV]: GOOD }), trackedPaths: new Set([ENV]) });
    expect(problems.map((p) => [p.code, p.instance])).toEqual([
      ['spec-shared-env', 'amzn'],
      ['spec-shared-env', 'amzn2'],
      ['spec-shared-journal', 'amzn'],
      ['spec-shared-journal', 'amzn2'],
      ['spec-duplicate-market', 'amzn2'],
      ['spec-duplicate-market', 'amzn'],
    ]);
  });

  const onDesk2 = (more: string) =>
    AMZN.replace('name: amzn', 'name: desk2')
      .replace('market:', 'account: Main\n  market:')
      .replace('env/amzn/.env.amzn', 'env/desk2/.env.desk2')
      .concat('  journal: { path: elsewhere/*.jsonl }\n', more);
  test.each([
    { name: 'the same secrets', more: '', want: ['desk2', 'amzn'] },
    { name: 'other secrets', more: '  secrets: [{ fromEnv: [MM_API_KEY] }]\n', want: [] },
    {
      name: 'another venue',
      more: '',
      of: (text: string) => text.replace('127.0.0.1:9000', '127.0.0.1:9001'),
      want: [],
    },
    { name: 'mainnet', more: '', env: 'MM_MARKET_NAME=AMZN-USD\nMM_ENVIRONMENT=mainnet\n', want: [] },
    {
      name: 'the testnet, which goes without saying',
      more: '',
      env: 'MM_MARKET_NAME=AMZN-USD\nMM_ENVIRONMENT=testnet\n',
      want: ['desk2', 'amzn'],
    },
  ])('an account by another name, with $name: $want', ({ more, of = (text: string) => text, env = GOOD, want }) => {
    const { fleet, instances } = parseSpecs([
      file('fleet.yaml', `${FLEET}spec: { guards: { allowMainnet: true } }\n`),
      file('amzn.yaml', AMZN),
      file('desk2.yaml', of(onDesk2(more))),
    ]);
    expect(instances).toHaveLength(2);
    const envs = { [ENV]: GOOD, 'fleet/env/desk2/.env.desk2': env };
    const problems = checkFleet({ fleet, instances, envOf: among(envs), trackedPaths: new Set(Object.keys(envs)) });
    expect(problems.map((p) => [p.code, p.instance])).toEqual(want.map((name) => ['spec-duplicate-market', name]));
  });
});
