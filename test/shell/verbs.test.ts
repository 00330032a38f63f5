/** Verbs and accidents through the real CLI: wishes become commits, crashes are proved flat, nothing is done twice. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type FleetWorld, fleetWorld, THREE } from '../support/fleet-world.ts';
import { alive, until } from '../support/puppet.ts';

// Many processes a test: patience for a busy machine.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let w: FleetWorld;

beforeAll(async () => {
  w = await fleetWorld([...THREE, { name: 'us', market: 'DOGE-USD' }, { name: 'eu', market: 'DOGE-EUR' }]);
  for (const name of ['us', 'eu']) w.put(`fleet/${name}.yaml`, `${spec(name)}  state: Stopped\n`);
  await w.commit('two stay down');
  expect(await w.cli('reconcile', '--once')).toMatchObject({ code: 0 });
});
afterAll(() => w.end());

const spec = (name: string) => readFileSync(join(w.ops, `fleet/${name}.yaml`), 'utf8');
const head = async () => (await w.git(['rev-parse', 'HEAD'])).trim();
const subjectsSince = async (commit: string) =>
  (await w.git(['log', '--format=%s', `${commit}..HEAD`])).split('\n').filter((line) => line !== '');
const gone = (pid: number) => until(() => !alive(pid), `the end of ${pid}`);
const die = async (market: string, name: string) => {
  const pid = (await w.pidOf(name)) ?? 0;
  w.tell(market, 'die');
  await gone(pid);
};

async function expectOnRemote() {
  expect((await w.git(['--git-dir', w.remote, 'rev-parse', 'main'])).trim()).toBe(await head());
}

describe('wishes', () => {
  test('stop and start by market and env name: one scalar of the YAML each, the person as author, on the remote', async () => {
    const before = spec('amzn');
    const from = await head();
    const pid = await w.pidOf('amzn');
    const stopped = await w.cli('stop', 'AMZN-USD', '--reason', 'exchange maintenance');
    expect(stopped).toMatchObject({ code: 0, out: expect.stringContaining('amzn: stopped and flat') });
    expect(spec('amzn')).toBe(`${before}  state: Stopped\n`);
    expect(await w.pidOf('amzn')).toBe(null);
    expect(w.signals('AMZN-USD')).toEqual([`${pid} SIGINT`]);
    expect(await subjectsSince(from)).toEqual([
      expect.stringMatching(/^converge\(amzn\): base -> none/),
      expect.stringMatching(/^stop\(amzn\)/),
    ]);
    const wish = await w.git(['log', '-1', '--format=%an <%ae>%n%b', '--grep', '^stop(amzn)']);
    expect(wish).toMatch(/^Ada <ada@example.org>\n/);
    expect(wish).toContain('Mmfleet-Reason: exchange maintenance');
    await expectOnRemote();

    const again = await w.cli('stop', 'amzn', '--reason', 'twice');
    expect(again.code).toBe(0);
    expect(await subjectsSince(from)).toHaveLength(2);

    expect(await w.cli('start', '.env.amzn', '--reason', 'over')).toMatchObject({ code: 0 });
    expect(spec('amzn')).toBe(`${before}  state: Running\n`);
    expect(await w.pidOf('amzn')).not.toBe(null);
    await expectOnRemote();
  });

  test('restart commits its receipt only', async () => {
    const [from, pid, text] = [await head(), await w.pidOf('mon'), spec('mon')];
    expect(await w.cli('restart', 'mon', '--reason', 'to be sure')).toMatchObject({ code: 0 });
    expect(await w.pidOf('mon')).not.toBe(pid);
    expect(spec('mon')).toBe(text);
    expect(await subjectsSince(from)).toEqual([expect.stringMatching(/^converge\(mon\): base -> base/)]);
  });

  test('suspend until a time, and resume: every other byte stays', async () => {
    const text = spec('mon');
    const until_ = '2099-12-01T06:00:00Z';
    const suspended = await w.cli('suspend', 'mon', '--reason', 'audit:\n"Q4"', '--until', until_);
    expect(suspended).toMatchObject({ code: 0, out: expect.stringMatching(/^mon +- +suspended +.*audit: "Q4"/m) });
    expect(spec('mon').startsWith(text)).toBe(true);
    const pid = await w.pidOf('mon');
    const waiting = expect.stringContaining('mmfleet resume mon');
    const restarted = await w.cli('restart', 'mon', '--reason', 'not while suspended');
    expect(restarted).toMatchObject({ code: 5, err: waiting });
    // Whoever stops a bot that trades on is told so, and not that all is well.
    expect(await w.cli('stop', 'mon', '--reason', 'now')).toMatchObject({ code: 5, err: waiting });
    expect(await w.pidOf('mon')).toBe(pid);
    expect(await w.cli('start', 'mon', '--reason', 'as before')).toMatchObject({ code: 0 });
    expect(await w.cli('resume', 'mon', '--reason', 'done')).toMatchObject({ code: 0 });
    expect(spec('mon')).toBe(`${text}  state: Running\n`);
    const fleet = readFileSync(join(w.ops, 'fleet/fleet.yaml'), 'utf8');
    w.put('fleet/fleet.yaml', fleet.replace('defaults:\n', 'defaults:\n    suspend: { reason: all hands }\n'));
    await w.commit('all of them');
    const resumed = await w.cli('resume', 'mon', '--reason', 'this one too');
    expect(resumed).toMatchObject({ code: 5, err: expect.stringContaining("spec.defaults of the fleet's file") });
    w.put('fleet/fleet.yaml', fleet);
    w.put('fleet/mon.yaml', text);
    await w.commit('mon: as it was');
    const log = await w.git(['log', '--format=%s%n%b', '--grep', '^suspend(mon)']);
    expect(log).toContain(`Mmfleet-Until: ${until_}`);
    await expectOnRemote();
  });

  test('bad usage touches nothing: ambiguous, unknown and missing words exit 3', async () => {
    const from = await head();
    const ambiguous = await w.cli('start', 'DOGE', '--reason', 'x');
    expect(ambiguous).toMatchObject({ code: 3, err: '"DOGE" means 2 instances\n  hint: name one of eu, us' });
    const unknown = await w.cli('stop', 'amzm', '--reason', 'x');
    expect(unknown).toMatchObject({ code: 3, err: 'no instance is called "amzm"\n  hint: did you mean "amzn"?' });
    expect(await w.cli('stop', 'amzn')).toMatchObject({ code: 3, err: expect.stringContaining('--reason') });
    expect(await w.cli('suspend', 'amzn', '--reason', 'x', '--until', 'tomorrow')).toMatchObject({ code: 3 });
    // Each would be committed and hold nothing, or make the spec invalid.
    for (const time of ['2099-13-45T99:99:99Z', '2099-02-30T06:00:00Z', '2020-01-01T00:00:00Z'])
      expect(await w.cli('suspend', 'amzn', '--reason', 'x', '--until', time)).toMatchObject({ code: 3 });
    expect(await w.cli('suspend', 'amzn', '--reason', ' ')).toMatchObject({ code: 3 });
    const wordy = await w.cli('suspend', 'amzn', 'mon', '--reason', 'x'.repeat(501));
    expect(wordy).toMatchObject({ code: 3, err: expect.stringContaining('want a text of 1 to 500 characters') });
    expect(await head()).toBe(from);
  });

  test('another clone pushes between fetch and push: recomputed on the new head, both changes stay', async () => {
    const other = join(w.dir, 'other');
    await w.git(['clone', '--quiet', w.remote, other], w.dir);
    // The remote's hook plays the faster colleague: once, right before our push is taken, theirs is there.
    writeFileSync(join(other, 'NOTE'), 'theirs\n');
    await w.git(['add', '-A'], other);
    await w.git(['commit', '--quiet', '-m', 'their note'], other);
    const hook = join(w.remote, 'hooks/pre-receive');
    const script = `#!/bin/sh\nrm "$0"\nunset GIT_QUARANTINE_PATH GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES\ngit fetch -q "${other}" main && git update-ref refs/heads/main FETCH_HEAD\n`;
    writeFileSync(hook, script, { mode: 0o755 });
    expect(await w.cli('suspend', 'mon', '--reason', 'race')).toMatchObject({ code: 0 });
    expect((await w.remoteLog()).slice(0, 2)).toEqual([expect.stringMatching(/^suspend\(mon\)/), 'their note']);
    expect(await w.git(['log', '--merges', '--oneline'])).toBe('');
    expect(readFileSync(join(w.ops, 'NOTE'), 'utf8')).toBe('theirs\n');
    expect(await w.cli('resume', 'mon', '--reason', 'race over')).toMatchObject({ code: 0 });
    await expectOnRemote();
  });
});

describe('flatten and release', () => {
  test('flatten stops, closes and holds; the hold outlives .mmfleet; release starts again', async () => {
    w.behave('PUMP-USD', { keepPosition: true });
    w.setBook('PUMP-USD', { position: '-2.5' });
    const flattened = await w.cli('flatten', 'pump', '--reason', 'looks odd');
    expect(flattened).toMatchObject({ code: 0, out: expect.stringContaining('pump: stopped and flat') });
    expect(w.book('PUMP-USD')).toMatchObject({ position: '0' });
    expect(await w.pidOf('pump')).toBe(null);
    rmSync(join(w.ops, '.mmfleet'), { recursive: true });
    const from = await head();
    const pass = await w.cli('reconcile', '--once');
    expect(pass).toMatchObject({
      code: 5,
      out: expect.stringMatching(/^pump +- +held +flattened by hand: looks odd/m),
    });
    expect(await w.cli('reconcile', '--once', '--allow-held')).toMatchObject({ code: 0 });
    expect(await head()).toBe(from);
    expect(await w.pidOf('pump')).toBe(null);
    w.behave('PUMP-USD', {});
    expect(await w.cli('release', 'pump', '--reason', 'checked')).toMatchObject({ code: 0 });
    expect(await w.pidOf('pump')).not.toBe(null);
    await expectOnRemote();
  });
});

describe('flatten, cut short', () => {
  test('kill -9 once its hold is pushed: the next pass stops the bot and proves it flat', async () => {
    const before = w.signals('PUMP-USD').length;
    const pidFile = join(w.dir, 'flatten.pid');
    const hook = join(w.remote, 'hooks/post-receive');
    writeFileSync(hook, `#!/bin/sh\nrm "$0"\nkill -9 "$(cat '${pidFile}')"\n`, { mode: 0o755 });
    const flatten = w.launch('flatten', 'pump', '--reason', 'cut short');
    writeFileSync(pidFile, String(flatten.pid));
    await flatten;
    expect(await w.pidOf('pump')).not.toBe(null);
    expect(w.signals('PUMP-USD').length).toBe(before);
    expect(await w.cli('reconcile', '--once')).toMatchObject({ code: 5 });
    expect([await w.pidOf('pump'), w.signals('PUMP-USD').length]).toEqual([null, before + 1]);
    expect(await w.remoteLog()).toContain('hold(pump): flattened by hand: cut short');
    const from = await head();
    expect(await w.cli('reconcile', '--once')).toMatchObject({ code: 5 });
    expect(await head()).toBe(from);
    expect(await w.cli('release', 'pump', '--reason', 'checked')).toMatchObject({ code: 0 });
    expect(await w.pidOf('pump')).not.toBe(null);
    await expectOnRemote();
  });
});

describe('accidents', () => {
  test('a crash with a position: closed, proved, restarted at once, then back-off, then a crash-loop hold, then release', async () => {
    w.setBook('PUMP-USD', { position: '1.5' });
    await die('PUMP-USD', 'pump');
    expect(await w.cli('reconcile', '--once')).toMatchObject({ code: 0 });
    expect(w.book('PUMP-USD')).toMatchObject({ position: '0' });
    expect(await w.pidOf('pump')).not.toBe(null);
    const receipt = (await w.git(['show', 'HEAD:fleet/receipts/pump.jsonl'])).trim().split('\n').at(-1) ?? '';
    expect(JSON.parse(receipt)).toMatchObject({
      verdict: 'FLAT',
      killed: false,
      orders: [{ side: 'sell', size: '1.5' }],
    });

    const fleet = readFileSync(join(w.ops, 'fleet/fleet.yaml'), 'utf8');
    const waitOf = async (time: string) => {
      w.put('fleet/fleet.yaml', fleet.replace('initial: 4s, max: 4s', `initial: ${time}, max: ${time}`));
      await w.commit(`fleet: back off ${time}`);
    };
    await waitOf('1h'); // however long a pass takes, it is not over
    await die('PUMP-USD', 'pump');
    const waits = await w.cli('reconcile', '--once');
    expect(waits.code).toBe(0);
    expect(waits.out).toMatch(/^pump +- +backoff +restarts in/m);
    expect(w.book('PUMP-USD')).toMatchObject({ position: '0' });
    await waitOf('1ms');
    for (const which of ['second', 'third']) {
      expect(await w.cli('reconcile', '--once'), `the ${which} restart`).toMatchObject({ code: 0 });
      expect(await w.pidOf('pump'), `the ${which} restart`).not.toBe(null);
      await die('PUMP-USD', 'pump');
    }
    const looped = await w.cli('reconcile', '--once');
    expect(looped).toMatchObject({ code: 5, out: expect.stringMatching(/^hold\(pump\): crash-loop/m) });
    expect(await w.pidOf('pump')).toBe(null);
    expect(await w.cli('release', 'pump', '--reason', 'fixed')).toMatchObject({ code: 0 });
    expect(await w.pidOf('pump')).not.toBe(null);
    await waitOf('4s');
  });

  test('a bot that ignores its signal is killed once its limit is over; the proof is the venue’s', async () => {
    const pid = await w.pidOf('mon');
    const signals = w.signals('MON-USD').length;
    w.behave('MON-USD', { ignoreSignals: true });
    w.setBook('MON-USD', { position: '0.7', orders: [{ id: 'x', side: 'buy', price: '99', size: '1' }] });
    const restarted = await w.cli('restart', 'mon', '--reason', 'stuck');
    w.behave('MON-USD', {});
    expect(restarted).toMatchObject({ code: 0 });
    expect(w.signals('MON-USD').slice(signals)).toEqual([`${pid} SIGINT`]);
    expect(w.book('MON-USD')).toMatchObject({ position: '0', orders: [] });
    const receipt = (await w.git(['show', 'HEAD:fleet/receipts/mon.jsonl'])).trim().split('\n').at(-1) ?? '';
    expect(JSON.parse(receipt)).toMatchObject({ killed: true, botSays: null, verdict: 'FLAT' });
    expect(await w.pidOf('mon')).not.toBe(pid);
  });

  test('a foreign position before the first start is held, not closed; flatten closes it', async () => {
    w.setBook('DOGE-EUR', { position: '3' });
    const text = spec('eu');
    const started = await w.cli('start', 'eu', '--reason', 'try');
    expect(started).toMatchObject({ code: 5, out: expect.stringContaining('foreign position') });
    expect(w.book('DOGE-EUR')).toMatchObject({ position: '3' });
    expect(w.venueLog().filter((c) => c.market === 'DOGE-EUR' && ['close', 'cancel'].includes(c.call))).toEqual([]);
    expect(await w.pidOf('eu')).toBe(null);
    expect(await w.cli('flatten', 'eu', '--reason', 'ours')).toMatchObject({ code: 0 });
    expect(w.book('DOGE-EUR')).toMatchObject({ position: '0' });
    expect(await w.cli('release', 'eu', '--reason', 'flat now')).toMatchObject({ code: 0 });
    expect(await w.pidOf('eu')).not.toBe(null);
    expect(await w.cli('stop', 'eu', '--reason', 'enough')).toMatchObject({ code: 0 });
    expect(spec('eu')).toBe(text);
  });

  test('two copies: held, neither is signalled, nothing is started', async () => {
    const [first] = (await w.copies()).filter((c) => c.instance === 'mon');
    const environ = readFileSync(`/proc/${first?.pid}/environ`, 'utf8')
      .split('\0')
      .filter((line) => line !== '');
    const { spawn } = await import('node:child_process');
    const env = Object.fromEntries(
      environ.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    );
    const copy = spawn(process.execPath, [join(import.meta.dirname, '..', 'support', 'puppet-bot.mjs')], {
      cwd: w.ops,
      env: { ...env, MMFLEET_START: 'by-hand' },
      detached: true,
      stdio: 'ignore',
    });
    await until(async () => (await w.copies()).filter((c) => c.instance === 'mon').length === 2, 'two copies');
    const signals = w.signals('MON-USD').length;
    for (const command of [
      ['reconcile', '--once'],
      ['restart', 'mon', '--reason', 'x'],
    ]) {
      const end = await w.cli(...command);
      expect(end).toMatchObject({
        code: 5,
        out: expect.stringMatching(new RegExp(`^mon +- +two-copies .*${copy.pid}`, 'm')),
      });
    }
    expect(w.signals('MON-USD').slice(signals)).toEqual([]);
    expect((await w.copies()).filter((c) => c.instance === 'mon')).toHaveLength(2);
    process.kill(copy.pid ?? 0, 'SIGKILL');
    await gone(copy.pid ?? 0);
    expect(await w.pidOf('mon')).toBe(first?.pid);
  });

  test('a bot that reads another env file is held as not confirmed and left alone', async () => {
    w.behave('MON-USD', { envFile: '/elsewhere/.env' });
    const restarted = await w.cli('restart', 'mon', '--reason', 'fall back');
    w.behave('MON-USD', {});
    expect(restarted).toMatchObject({
      code: 5,
      out: expect.stringContaining('not confirmed: env file .env, want .env.mon'),
    });
    const pid = await w.pidOf('mon');
    expect(pid).not.toBe(null);
    expect(await w.cli('reconcile', '--once')).toMatchObject({ code: 5 });
    expect(await w.pidOf('mon')).toBe(pid);
    expect(await w.cli('flatten', 'mon')).toMatchObject({ code: 0 });
    expect(await w.cli('release', 'mon', '--reason', 'env is back')).toMatchObject({ code: 0 });
    expect(await w.pidOf('mon')).not.toBe(null);
  });

  const MOMENTS = ['draining', 'flattening', 'flat: ', 'starting: '];
  test.each(MOMENTS)(
    'kill -9 of mmfleet at "%s": the next pass finishes; one signal, one start, never two copies',
    async (moment) => {
      const pid = await w.pidOf('pump');
      const signals = w.signals('PUMP-USD').length;
      w.behave('PUMP-USD', { keepPosition: true, slowStopMs: 300 });
      w.setBook('PUMP-USD', { position: '0.4' });
      const run = w.launch('restart', 'pump', '--reason', moment);
      run.stderr?.on('data', (chunk: Buffer) => {
        if (chunk.toString().includes(`pump ${moment}`)) run.kill('SIGKILL');
      });
      await run;
      const closes = () => w.venueLog().filter((c) => c.market === 'PUMP-USD' && c.call === 'close').length;
      const finished = await w.cli('reconcile', '--once');
      w.behave('PUMP-USD', {});
      expect(finished).toMatchObject({ code: 0 });
      const now = (await w.copies()).filter((c) => c.instance === 'pump');
      expect(now).toHaveLength(1);
      expect(now[0]?.pid).not.toBe(pid);
      expect(w.signals('PUMP-USD').slice(signals)).toEqual([`${pid} SIGINT`]);
      expect(w.book('PUMP-USD')).toMatchObject({ position: '0' });
      const done = closes();
      expect(await w.cli('reconcile', '--once')).toMatchObject({ code: 0, err: '' });
      expect(closes()).toBe(done);
      expect(await w.pidOf('pump')).toBe(now[0]?.pid);
    },
    60_000,
  );
});
