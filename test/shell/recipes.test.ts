/** Every recipe of fleet/recipes is run: the lines of the files themselves, on real bots and a real bare remote. */
import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join, relative } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { parse } from 'yaml';
import { isSpecPath } from '../../src/shell/desired.ts';
import { CLI, type FleetWorld, fleetWorld } from '../support/fleet-world.ts';
import { until } from '../support/puppet.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const RECIPES = join(ROOT, 'fleet/recipes');

vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

let w: FleetWorld;
let env: Record<string, string>;

beforeAll(async () => {
  w = await fleetWorld([{ name: 'amzn', market: 'AMZN-USD' }]);
  // Where an installation puts it: `mmfleet` in PATH.
  const bin = join(w.dir, 'bin');
  mkdirSync(bin);
  writeFileSync(join(bin, 'mmfleet'), `#!/bin/sh\nexec '${process.execPath}' '${CLI}' "$@"\n`);
  chmodSync(join(bin, 'mmfleet'), 0o755);
  env = { PATH: `${bin}${delimiter}${process.env['PATH']}`, NO_COLOR: '1' };
});
afterAll(() => w.end());

const text = (path: string) => readFileSync(join(RECIPES, path), 'utf8');
const shell = (script: string, cwd = w.dir, more: Record<string, string> = {}) =>
  execa('sh', ['-c', script], { cwd, reject: false, all: true, env: { ...env, ...more } });
/** The recipe's line with the example's clone replaced by ours. */
const here = (line: string) => line.replaceAll('/srv/ops', w.ops);
/** Another person's clone of the remote. */
const cloneAs = async (name: string) => {
  const at = join(w.dir, name);
  if (!existsSync(at)) await execa('git', ['clone', '--quiet', w.remote, at]);
  await w.git(['pull', '--quiet', '--ff-only'], at);
  return at;
};
const generation = (at: string, n: number) => {
  const path = join(at, 'fleet/fleet.yaml');
  const before = readFileSync(path, 'utf8').replace(/"GENERATION":"\d+",/, '');
  writeFileSync(path, before.replace('environment: {', `environment: {"GENERATION":"${n}",`));
};

test('no recipe is taken for a spec', () => {
  const files = readdirSync(RECIPES, { recursive: true, withFileTypes: true }).filter((f) => f.isFile());
  expect(files.length).toBeGreaterThan(6);
  for (const f of files) expect(isSpecPath(relative(ROOT, join(f.parentPath, f.name)))).toBe(false);
});

test('systemd: the units are well formed, and each ExecStart does what its unit says', async () => {
  const units = ['mmfleet.service', 'mmfleet-once.service', 'mmfleet-once.timer'];
  const analyze = await shell('command -v systemd-analyze');
  for (const name of units) {
    expect(unit(name)['Unit']?.['Description']).toMatch(/mmfleet/);
    if (analyze.exitCode !== 0) continue;
    const verified = await shell(`systemd-analyze verify --man=no ./${name}`, join(RECIPES, 'systemd'));
    expect([verified.exitCode, verified.all]).toEqual([0, '']);
  }
  const once = unit('mmfleet-once.service')['Service'] ?? {};
  const ran = await shell(here(once['ExecStart'] ?? ''));
  expect([ran.exitCode, ran.stdout]).toEqual([0, expect.stringContaining('converge(amzn): none -> base, flat')]);
  const pid = await w.pidOf('amzn');

  const daemon = unit('mmfleet.service')['Service'] ?? {};
  const [command = '', ...args] = here(daemon['ExecStart'] ?? '').split(' ');
  const watching = execa(command, args, { cwd: w.dir, reject: false, env });
  const at = await cloneAs('person');
  generation(at, 1);
  await w.git(['commit', '--quiet', '-am', 'fleet: generation 1'], at);
  await w.git(['push', '--quiet', 'origin', 'main'], at);
  await until(async () => (await w.remoteLog())[0]?.startsWith('converge(amzn): base -> base'), 'the daemon', 60_000);
  watching.kill(daemon['KillSignal'] as NodeJS.Signals);
  const end = await watching;
  // Told to stop it ends as the unit expects it to; the bots live on.
  expect(daemon['SuccessExitStatus']?.split(' ')).toContain(String(end.exitCode));
  expect(daemon['KillMode']).toBe('process');
  const now = await w.pidOf('amzn');
  expect(now).not.toBe(null);
  expect(now).not.toBe(pid);
});

test('cron: the line converges, and says nothing while nothing changes', async () => {
  const line = text('cron')
    .split('\n')
    .find((l) => l.startsWith('* '));
  const command = here(line?.split(' ').slice(6).join(' ') ?? '');
  expect(command).toMatch(/^mmfleet /);
  const first = await shell(command);
  expect([first.exitCode, first.stderr]).toEqual([0, '']);
  const second = await shell(command);
  expect([second.exitCode, second.all]).toEqual([0, '']);
});

test('git hook: a push to the bare repository is converged to before the push returns', async () => {
  const hook = join(w.remote, 'hooks/post-receive');
  copyFileSync(join(RECIPES, 'git/post-receive'), hook);
  chmodSync(hook, 0o755);
  await w.git(['config', 'mmfleet.ops', w.ops], w.remote);
  const before = await w.pidOf('amzn');
  const at = await cloneAs('person');
  generation(at, 2);
  await w.git(['commit', '--quiet', '-am', 'fleet: generation 2'], at);
  const pushed = await shell('git push origin main', at);
  expect(pushed.exitCode).toBe(0);
  expect(pushed.stderr).toMatch(/^remote: converge\(amzn\): base -> base, flat/m);
  expect(await w.pidOf('amzn')).not.toBe(before);
  expect((await w.remoteLog())[0]).toMatch(/^converge\(amzn\): base -> base/);
  // What mmfleet itself pushes starts nothing: its own verbs end, and say what they did once.
  const restart = await shell(`mmfleet -C ${w.ops} restart amzn --reason "by hand"`);
  expect(restart.exitCode).toBe(0);
  // Another branch is none of its business.
  const other = await shell('git push origin HEAD:refs/heads/idea', at);
  expect([other.exitCode, other.stderr]).toEqual([0, expect.not.stringContaining('remote:')]);
  await execa('rm', [hook]);
});

test('GitHub Actions: a pull request is checked and planned, a push converges', async () => {
  const { on, jobs } = parse(text('github/mmfleet.yml')) as Workflow;
  expect(Object.keys(on)).toEqual(['pull_request', 'push']);
  expect(jobs['check']?.if).toContain('pull_request');
  expect(jobs['converge']?.['runs-on']).toContain('self-hosted');
  // As actions/checkout leaves it: a detached head, no secrets.
  const checkout = join(w.dir, 'checkout');
  await execa('git', ['clone', '--quiet', w.remote, checkout]);
  generation(checkout, 3);
  await w.git(['commit', '--quiet', '-am', 'fleet: generation 3'], checkout);
  await w.git(['checkout', '--quiet', '--detach'], checkout);
  const summary = join(w.dir, 'summary.md');
  // PATH already has what the first step installs.
  const check = steps(jobs['check']).filter((s) => s.name !== 'Install mmfleet');
  for (const step of check) {
    const ran = await execa('bash', ['-e', '-o', 'pipefail', '-c', step.run ?? ''], {
      ...{ cwd: checkout, reject: false, all: true, env: { ...env, GITHUB_STEP_SUMMARY: summary } },
    });
    expect([step.name, ran.exitCode, ran.all]).toEqual([step.name, 0, expect.any(String)]);
  }
  expect(readFileSync(summary, 'utf8')).toMatch(/^### mmfleet plan\n```\n[\s\S]*amzn[\s\S]*\nplan: .*\n```\n$/);
  expect(existsSync(join(checkout, 'secrets'))).toBe(false);
  // The pull request is merged.
  await w.git(['push', '--quiet', 'origin', 'proposed:main'], checkout);
  const [converge, ...more] = steps(jobs['converge']);
  expect(more).toEqual([]);
  const ran = await execa('bash', ['-e', '-o', 'pipefail', '-c', converge?.run ?? ''], {
    ...{ cwd: checkout, reject: false, all: true, env: { ...env, MMFLEET_OPS: w.ops } },
  });
  expect([ran.exitCode, ran.all]).toEqual([0, expect.stringMatching(/^converge\(amzn\): \w+ -> base, flat/m)]);
});

test('a plain CI job: check, converge, and what it says about a mistake', async () => {
  const job = join(RECIPES, 'ci-job.sh');
  const at = await cloneAs('person');
  const checked = await shell(`'${job}' check`, at);
  expect([checked.exitCode, checked.all]).toEqual([0, expect.stringMatching(/^plan: /m)]);
  const converged = await shell(`'${job}' converge '${w.ops}'`);
  expect([converged.exitCode, converged.all]).toEqual([0, expect.stringMatching(/1 unchanged/)]);
  expect((await shell(`'${job}'`)).exitCode).toBe(3);
  writeFileSync(join(at, 'fleet/fleet.yaml'), 'kind: Fleet\n');
  expect((await shell(`'${job}' check`, at)).exitCode).toBe(3);
});

type Step = { name?: string; run?: string; uses?: string };
type Workflow = {
  on: Record<string, unknown>;
  jobs: Record<string, { if?: string; 'runs-on': string | string[]; steps: Step[] }>;
};
const steps = (job: Workflow['jobs'][string] | undefined) => (job?.steps ?? []).filter((s) => s.run !== undefined);

/** Sections of a unit file; a key given twice keeps its last value. */
function unit(name: string): Record<string, Record<string, string>> {
  const sections: Record<string, Record<string, string>> = {};
  let section = '';
  for (const line of text(join('systemd', name)).split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const head = /^\[(\w+)\]$/.exec(line)?.[1];
    const [, key, value] = /^(\w+)=(.*)$/.exec(line) ?? [];
    if (head !== undefined) section = head;
    else if (key !== undefined) sections[section] = { ...sections[section], [key]: value ?? '' };
    else throw new Error(`${name}: ${line}`);
  }
  return sections;
}
