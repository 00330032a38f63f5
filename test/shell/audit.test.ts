/** `mmfleet audit verify`: a history made by the loop's own builders is accepted, every planted lie is found. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AuditRule, Violation } from '../../src/core/audit/types.ts';
import { envDigest } from '../../src/core/env/digest.ts';
import { parseEnv } from '../../src/core/env/read.ts';
import { rebaseIter } from '../../src/core/env/rebase.ts';
import { commitMessage } from '../../src/core/trail/message.ts';
import { receiptLine } from '../../src/core/trail/receipts.ts';
import {
  type ChangePlan,
  convergeChange,
  holdChange,
  parkChange,
  rebaseChange,
  releaseChange,
  stepChange,
  verdictChange,
} from '../../src/shell/changes.ts';
import { auditRepository } from '../../src/shell/commands/audit.ts';
import { runProgram } from '../../src/shell/program.ts';
import { rollbackChange } from '../../src/shell/rollback-change.ts';
import { type AuditWorld, auditWorld, decisionOf, NOW, receiptOf } from '../support/history-world.ts';
import { git, OPERATOR } from '../support/repos.ts';

type Ran = { code: number; out: string; err: string };

async function run(dir: string, ...args: string[]): Promise<Ran> {
  const texts = { out: '', err: '' };
  const io = {
    out: (text: string) => {
      texts.out += text;
    },
    err: (text: string) => {
      texts.err += text;
    },
    ...{ outTTY: false, errTTY: false, color: false, columns: 120 },
  };
  const code = await runProgram(['-C', dir, 'audit', ...args], io, '0.0.0');
  return { code, ...texts };
}

async function violationsIn(dir: string): Promise<Violation[]> {
  const audited = await auditRepository(dir);
  if (!audited.ok) throw new Error(audited.problem.message);
  return audited.value.violations;
}

const SPREAD = { MM_SPREAD_MULTIPLIER: '1.8', MM_MIN_OFFSET_BPS: '6' };

describe('a history made by the loop', () => {
  let w: AuditWorld;
  const commits: Record<string, string> = {};

  beforeAll(async () => {
    w = await auditWorld();
    commits['tune'] = await w.step({ to: SPREAD });
    await w.converge(null, 1);
    commits['tune2'] = await w.step({ to: { MM_SPREAD_MULTIPLIER: '2.7', MM_MIN_OFFSET_BPS: '9' }, at: NOW + 3600 });
    commits['verdict'] = await w.land(
      verdictChange(
        await w.desired(),
        await w.instance(),
        { iter: 1, against: null, verdict: 'helped', effectBps: 1.234, ci95: [0.1, 2.36], n: 214 },
        NOW + 3600,
      ),
    );
    await w.converge(1, 2);
    await w.step({ kind: 'recover', to: SPREAD, step: 'recover-to-iter001', fromIter: 2, toIter: 1, at: NOW + 40_000 });
    const back = { MM_SPREAD_MULTIPLIER: '2.7', MM_MIN_OFFSET_BPS: '9' };
    await w.step({ kind: 'undo', to: back, step: 'undo-recover', fromIter: 3, toIter: 2, at: NOW + 50_000 });
    await w.land(
      parkChange(
        await w.desired(),
        await w.instance(),
        {
          kind: 'park',
          at: NOW + 60_000,
          trigger: { by: 'fast', metric: 'netMarkout5sBps', value: -2, limit: -0.5, n: 204, looks: 10 },
          forMs: 14_400_000,
          parks: 1,
          message: 'Fills lose money.',
        },
        NOW * 1000,
      ),
    );
    await w.land(releaseChange(await w.desired(), 'amzn', 'go on', NOW + 70_000, null), OPERATOR);
    await w.step({
      to: { MM_REPRICE_TOLERANCE_PERCENT: '0.2' },
      theme: 'reprice',
      step: 'slower +0.1',
      by: 'cancelRatio',
    });
    // A person edits the base: the tuned keys move onto it.
    w.write(
      'fleet/env/amzn/.env.amzn',
      (await w.instance()).env!.baseText.replace('MM_MAX_POSITION_SIZE=100', 'MM_MAX_POSITION_SIZE=50'),
    );
    w.byHand('amzn: half the position');
    const changes = [
      { key: 'MM_MIN_OFFSET_BPS', from: '4', to: '9' },
      { key: 'MM_SPREAD_MULTIPLIER', from: '1.2', to: '2.7' },
    ];
    await w.land(rebaseChange(await w.instance(), await w.trail(), changes, NOW + 80_000));
    // A person takes the newest step back, thinks again, and puts it back.
    const mon = await w.step({ to: SPREAD }, 'mon');
    w.git('revert', '--no-edit', mon);
    w.git('revert', '--no-edit', 'HEAD');
    await w.land(holdChange(await w.desired(), 'mon', 'flat unproven', NOW, NOW * 1000, []));
    // Work on a branch, merged.
    w.git('switch', '-q', '-c', 'wider');
    w.write('fleet/mon.yaml', w.git('show', 'HEAD:fleet/mon.yaml').replace('max: 3', 'max: 4'));
    w.byHand('mon: wider bounds');
    w.git('switch', '-q', 'main');
    await w.step({ to: { MM_SPREAD_MULTIPLIER: '2.7', MM_MIN_OFFSET_BPS: '9' }, step: 'widen x1.5' }, 'mon');
    w.git('merge', '-q', '--no-ff', '--no-edit', 'wider');
    await w.step({ to: { MM_SPREAD_MULTIPLIER: '4', MM_MIN_OFFSET_BPS: '13.5' }, step: 'widen x1.5' }, 'mon');
    // A person's own iter.
    w.write('fleet/env/mon/.env.mon.iter004', (await w.instance('mon')).env!.text.replace('=4 ', '=3.5 '));
    commits['hand'] = w.byHand('mon: try this');
    w.push();
  }, 60_000);
  afterAll(() => w.end());

  test('is accepted, from the clone and from the bare remote alike', async () => {
    const clone = await run(w.ops, 'verify');
    expect(clone).toMatchObject({ code: 0, err: '' });
    expect(clone.out).toMatch(
      /^audit: \d+ commits, 10 iterations \(1 by hand\), 1 verdict, signatures not configured: no violation$/m,
    );
    expect(await run(w.remote, 'verify')).toEqual(clone);
  });

  test('prints the verdict table and what was made by hand', async () => {
    const { out } = await run(w.remote, 'verify', 'amzn');
    const row = out.split('\n').find((line) => /^amzn +001 /.test(line));
    expect(row?.split(/ {2,}/)).toEqual([
      ...['amzn', '001', commits['tune']!.slice(0, 8), 'tune', 'helped', '+1.23 bps (95% +0.1..+2.36)', '214', 'base'],
    ]);
    expect(out).not.toMatch(/^mon/m);
    expect((await run(w.remote, 'verify')).out).toContain(
      `by hand: fleet/env/mon/.env.mon.iter004 (${commits['hand']!.slice(0, 8)})`,
    );
  });

  test('an instance without an iteration is known by its name; nobody else is', async () => {
    w.write(
      'fleet/idle.yaml',
      readFileSync(join(w.ops, 'fleet/amzn.yaml'), 'utf8').replaceAll('amzn', 'idle').replaceAll('AMZN', 'IDLE'),
    );
    w.byHand('idle: declared');
    w.push();
    expect(await run(w.remote, 'verify', 'idle')).toMatchObject({
      code: 0,
      err: '',
      out: expect.stringContaining(' 0 iterations'),
    });
    expect(await run(w.remote, 'verify', 'nobody')).toMatchObject({
      code: 3,
      err: expect.stringMatching(/^nobody: no instance of that name in the history\n {2}hint: known: amzn, idle, mon/),
    });
  });

  test('as one JSON document', async () => {
    const document = JSON.parse((await run(w.remote, 'verify', '--json')).out) as Record<string, unknown>;
    expect(document).toMatchObject({
      apiVersion: 'mmfleet/v1',
      kind: 'Audit',
      fleet: 'audited',
      summary: { iterations: 10, byHand: 1, verdicts: 1, violations: 0, signatures: { configured: false } },
      problems: [],
    });
    expect((document['items'] as unknown[])[0]).toEqual({
      ...{ instance: 'amzn', iter: 1, path: 'fleet/env/amzn/.env.amzn.iter001', commit: commits['tune'] },
      ...{ by: 'mmfleet', kind: 'tune', present: true },
      verdict: {
        verdict: 'helped',
        effectBps: 1.23,
        ci95: [0.1, 2.36],
        n: 214,
        against: null,
        commit: commits['verdict'],
      },
    });
  });

  test('bad usage, a name nobody knows, and a folder without git: exit 3 or 1, nothing on stdout', async () => {
    expect(await run(w.ops, 'verify', 'amzm')).toMatchObject({ code: 3, out: '' });
    expect(await run(w.ops, 'check')).toMatchObject({ code: 3, out: '' });
    const away = await run(w.dir, 'verify');
    expect(away.code).not.toBe(0);
    expect(away.err).toContain('not a git repository');
  });
});

describe('planted violations', () => {
  let w: AuditWorld;
  let clean: string;
  let first: string;

  beforeAll(async () => {
    w = await auditWorld();
    first = await w.step({ to: SPREAD });
    await w.converge(null, 1);
    clean = w.head();
  }, 60_000);
  afterAll(() => w.end());

  const NEXT = { MM_SPREAD_MULTIPLIER: '2.7', MM_MIN_OFFSET_BPS: '9' };

  /** The plan with another text of its iter, and the digest that fits it. */
  function retext(plan: ChangePlan, edit: (text: string) => string): ChangePlan {
    const [file] = plan.files;
    const text = edit(file!.text!);
    const digest = envDigest(parseEnv(text, '').values);
    return { ...plan, files: [{ ...file!, text }], message: plan.message.replace(/sha256:\w+/, digest) };
  }
  const resay = (plan: ChangePlan, edit: (message: string) => string): ChangePlan => ({
    ...plan,
    message: edit(plan.message),
  });

  const PLANTS: { name: string; rules: AuditRule[]; found?: RegExp; plant: () => Promise<string> }[] = [
    {
      name: 'a forbidden key differs from the base',
      rules: ['forbidden', 'change-lines'],
      found: /MM_MAX_POSITION_SIZE 900/,
      plant: async () => w.land(retext(await w.plan({ to: NEXT }), (text) => text.replace('SIZE=100', 'SIZE=900'))),
    },
    {
      name: 'a value out of the bounds of its time',
      rules: ['bounds'],
      found: /^MM_SPREAD_MULTIPLIER=3\.6$/,
      plant: () => w.step({ to: { MM_SPREAD_MULTIPLIER: '3.6' } }),
    },
    {
      name: 'two themes in one change',
      rules: ['theme'],
      found: /^spread-offset and reprice$/,
      plant: () => w.step({ to: { ...NEXT, MM_REPRICE_TOLERANCE_PERCENT: '0.2' } }),
    },
    {
      name: 'an ordering broken',
      rules: ['ordering'],
      found: /MM_MIN_OFFSET_BPS above MM_MAX_OFFSET_BPS/,
      plant: () => w.step({ to: { MM_MIN_OFFSET_BPS: '45' } }),
    },
    {
      name: 'a digest of something else',
      rules: ['digest'],
      plant: async () =>
        w.land(resay(await w.plan({ to: NEXT }), (m) => m.replace(/sha256:\w+/, `sha256:${'0'.repeat(64)}`))),
    },
    {
      name: 'a trailer missing',
      rules: ['trailers'],
      found: /^no Mmfleet-Proven$/,
      plant: async () => w.land(resay(await w.plan({ to: NEXT }), (m) => m.replace(/Mmfleet-Proven: .*\n/, ''))),
    },
    {
      name: 'an iter changed after its commit',
      rules: ['changed'],
      plant: async () => {
        w.write('fleet/env/amzn/.env.amzn.iter001', (await w.instance()).env!.text.replace('=1.8', '=1.9'));
        return w.byHand('amzn: a little wider');
      },
    },
    {
      name: 'a number used again',
      rules: ['number'],
      found: /^iter001$/,
      plant: async () => {
        w.git('rm', '-q', 'fleet/env/amzn/.env.amzn.iter001');
        w.byHand('amzn: away with it');
        const now = await w.instance();
        return w.land(stepChange(await w.desired(), now, [], decisionOf(now, { to: NEXT }), 'x@0..1'));
      },
    },
    {
      name: 'a number below one already used',
      rules: ['number'],
      found: /^iter002$/,
      plant: async () => {
        const plan = await w.plan({ to: NEXT });
        w.write('fleet/env/amzn/.env.amzn.iter007', plan.files[0]!.text!);
        w.byHand('amzn: seven');
        w.git('rm', '-q', 'fleet/env/amzn/.env.amzn.iter007');
        w.byHand('amzn: not seven');
        return w.land(plan);
      },
    },
    {
      name: 'a secret key in an iter',
      rules: ['secret'],
      found: /^a value of MM_API_KEY$/,
      plant: async () => w.land(retext(await w.plan({ to: NEXT }), (text) => `${text}MM_API_KEY=abcdef0123456789\n`)),
    },
    {
      name: 'a secret key in a base env that was taken out again',
      rules: ['secret'],
      plant: async () => {
        const { baseText, basePath } = (await w.instance()).env!;
        w.write(basePath, `${baseText}MM_STARK_PRIVATE_KEY=0xabc\n`);
        const bad = w.byHand('amzn: key');
        w.write(basePath, baseText);
        w.byHand('amzn: no key');
        return bad;
      },
    },
    {
      name: 'change lines that lie',
      rules: ['change-lines'],
      found: /MM_SPREAD_MULTIPLIER 1\.8 -> 2\.0/,
      plant: async () => {
        const lie = (text: string) => text.replaceAll('1.8 -> 2.7', '1.8 -> 2.0');
        return w.land(resay(retext(await w.plan({ to: NEXT }), lie), lie));
      },
    },
    {
      name: 'a subject that lies',
      rules: ['change-lines'],
      plant: async () => w.land(resay(await w.plan({ to: NEXT }), (m) => m.replace('1.8 -> 2.7', '1.8 -> 2.0'))),
    },
    {
      name: 'a header that lies',
      rules: ['header'],
      found: /-9\.99/,
      plant: async () => w.land(retext(await w.plan({ to: NEXT }), (text) => text.replace('-1.32', '-9.99'))),
    },
    {
      name: 'a parent that was not the desired env',
      rules: ['parent', 'header'],
      found: /^base$/,
      plant: async () =>
        w.land(resay(await w.plan({ to: NEXT }), (m) => m.replace('Parent-Iter: 001', 'Parent-Iter: base'))),
    },
    {
      name: 'another spec than the one in the tree',
      rules: ['spec-blob'],
      plant: async () =>
        w.land(resay(await w.plan({ to: NEXT }), (m) => m.replace(/Fleet-Spec: \w+/, `Fleet-Spec: ${'a'.repeat(40)}`))),
    },
    {
      name: 'a key that nobody may tune',
      rules: ['keys'],
      found: /^MM_MARKET_PROFILE absent -> crypto$/,
      plant: () => w.step({ to: { MM_MARKET_PROFILE: 'crypto' } }),
    },
    {
      name: 'a fraction where the bot wants a whole number',
      rules: ['type'],
      plant: () => w.step({ to: { MM_NUM_PRICE_LEVELS: '2.5' } }),
    },
    {
      name: 'a second file in a step',
      rules: ['files'],
      found: /^A README$/,
      plant: async () => {
        const plan = await w.plan({ to: NEXT });
        return w.land({ ...plan, files: [...plan.files, { path: 'README', text: 'x\n' }] });
      },
    },
    {
      name: 'a base env edited by mmfleet',
      rules: ['base'],
      plant: async () => {
        const { baseText, basePath } = (await w.instance()).env!;
        const files = [{ path: basePath, text: baseText.replace('=1.2', '=2.2') }];
        const story = {
          instance: 'amzn',
          at: NOW,
          why: [],
          reason: 'x',
          holdKind: 'hold' as const,
          kind: 'hold' as const,
        };
        return w.land({ instance: 'amzn', files, message: commitMessage(story), at: NOW });
      },
    },
    {
      name: 'an iter of ours without its story',
      rules: ['form'],
      plant: async () => w.land({ ...(await w.plan({ to: NEXT })), message: 'squashed\n' }),
    },
    {
      name: 'a receipt that is not there',
      rules: ['receipt'],
      plant: async () => {
        const receipt = receiptOf('amzn', 1, 1, NOW);
        const plan = convergeChange(await w.desired(), 'amzn', receiptLine(receipt), receipt, NOW);
        const other = plan.files.map((file) => ({ ...file, text: file.text!.replace(`run${NOW}`, 'another') }));
        return w.land({ ...plan, files: other });
      },
    },
    {
      name: 'a receipt that was not flat',
      rules: ['receipt'],
      found: /^a OPEN receipt of amzn$/,
      plant: async () => {
        const receipt = { ...receiptOf('amzn', 1, 1, NOW), verdict: 'OPEN' as const };
        return w.land(convergeChange(await w.desired(), 'amzn', receiptLine(receipt), receipt, NOW));
      },
    },
    {
      name: 'receipts cut short by a person: the commit whose receipt is gone is named',
      rules: ['receipt'],
      plant: async () => {
        w.write('fleet/receipts/amzn.jsonl', '\n');
        w.byHand('tidy up');
        return clean;
      },
    },
    {
      name: 'a verdict rewritten by a person',
      rules: ['verdict', 'verdict'],
      plant: async () => {
        const told = { iter: 1, against: null, verdict: 'hurt' as const, effectBps: -1, ci95: null, n: 210 };
        await w.land(verdictChange(await w.desired(), await w.instance(), told, NOW));
        const path = 'fleet/env/amzn/.env.amzn.verdicts';
        w.write(path, 'iter001 helped edge +1 bps (n=210) against base\n');
        return w.byHand('it did help');
      },
    },
    {
      name: 'a person’s iter out of bounds',
      rules: ['bounds'],
      plant: async () => {
        w.write('fleet/env/amzn/.env.amzn.iter002', (await w.instance()).env!.text.replace('=1.8', '=30'));
        return w.byHand('amzn: wide');
      },
    },
  ];

  test.each(PLANTS)('$name', async ({ plant, rules, found, name }) => {
    w.git('checkout', '-q', '-f', '-B', 'planted', clean);
    w.git('clean', '-q', '-f', '-d');
    expect(await violationsIn(w.ops)).toEqual([]);
    const commit = await plant();
    const violations = await violationsIn(w.ops);
    expect(violations.map((each) => each.rule).sort()).toEqual(rules.toSorted());
    // The judgement's own commit is named too when its line is gone.
    const named = name.startsWith('a verdict') ? violations.slice(-1) : violations;
    expect(new Set(named.map((each) => each.commit))).toEqual(new Set([commit]));
    if (found !== undefined)
      expect(violations.map((each) => each.found).join('\n')).toMatch(new RegExp(found.source, 'm'));
    expect(JSON.stringify(violations)).not.toContain('abcdef0123456789');
  });

  test('exit 8; the commit, the rule, what was found and wanted are printed; another instance is left in peace', async () => {
    w.git('checkout', '-q', '-f', '-B', 'planted', clean);
    const commit = await w.step({ to: { MM_SPREAD_MULTIPLIER: '3.6' } });
    w.push();
    const ran = await run(w.remote, 'verify');
    expect(ran.code).toBe(8);
    expect(ran.out).toContain(`bounds ${commit.slice(0, 12)} tune(amzn): iter002`);
    expect(ran.out).toContain('fleet/env/amzn/.env.amzn.iter002: found MM_SPREAD_MULTIPLIER=3.6\n  want 0.8..3');
    expect(ran.out.trim().split('\n').at(-1)).toMatch(/: 1 violation$/);
    const json = JSON.parse((await run(w.remote, 'verify', '--json')).out) as { problems: object[] };
    expect(json.problems).toEqual([
      expect.objectContaining({ code: 'audit-bounds', commit, rule: 'bounds', instance: 'amzn', wanted: '0.8..3' }),
    ]);
    expect(first).not.toBe(commit);
  });

  test('the bounds of the commit count, not those of today', async () => {
    w.git('checkout', '-q', '-f', '-B', 'planted', clean);
    w.write('fleet/amzn.yaml', w.git('show', 'HEAD:fleet/amzn.yaml').replace('max: 3', 'max: 1.5'));
    w.byHand('amzn: narrower from now on');
    expect(await violationsIn(w.ops)).toEqual([]);
    // What was tuned before moves onto an edited base, and a person may go back to it.
    const { basePath, baseText, values } = (await w.instance()).env!;
    w.write(basePath, `${baseText}# looked at\n`);
    w.byHand('amzn: a note');
    const changes = rebaseIter(parseEnv(baseText, basePath).values, (await w.instance()).env!.baseValues, values);
    await w.land(rebaseChange(await w.instance(), await w.trail(), changes, NOW));
    await w.step({ to: { MM_SPREAD_MULTIPLIER: '1.5' } });
    const back = { to: 1, target: values, reason: 'as it was', at: NOW };
    await w.land(rollbackChange(await w.instance(), await w.trail(), back)!.plan, OPERATOR);
    expect((await w.instance()).env?.values).toMatchObject({ MM_SPREAD_MULTIPLIER: '1.8' });
    expect(w.git('log', '-1', '--format=%b')).toContain(
      'as it was\nOutside the bounds, as asked: MM_SPREAD_MULTIPLIER=1.8, bounds 0.8..1.5.\n',
    );
    expect(await violationsIn(w.ops)).toEqual([]);
    // Also to one that was reverted meanwhile.
    w.git('rm', '-q', 'fleet/env/amzn/.env.amzn.iter001');
    w.byHand('away with it');
    await w.step({ to: { MM_SPREAD_MULTIPLIER: '1.4' } });
    await w.land(rollbackChange(await w.instance(), await w.trail(), back)!.plan, OPERATOR);
    expect(await violationsIn(w.ops)).toEqual([]);
    // But not to a value that the iter it names never had.
    const lie = rollbackChange(await w.instance(), await w.trail(), {
      ...back,
      target: { ...values, MM_SPREAD_MULTIPLIER: '2.5' },
    });
    const planted = w.git('rev-parse', 'HEAD');
    await w.land(lie!.plan, OPERATOR);
    expect((await violationsIn(w.ops)).map((each) => each.rule)).toEqual(['bounds']);
    w.git('reset', '-q', '--hard', planted);
    await w.step({ to: { MM_SPREAD_MULTIPLIER: '2' } });
    expect((await violationsIn(w.ops)).map((each) => each.rule)).toEqual(['bounds']);
  });

  test('a step from a branch, merged beside other work, is accepted; a number taken on two branches is found', async () => {
    w.git('checkout', '-q', '-f', '-B', 'proposed', clean);
    await w.step({ to: NEXT });
    w.git('checkout', '-q', '-f', '-B', 'planted', clean);
    w.write('README', 'work\n');
    w.byHand('a note');
    w.git('merge', '-q', '--no-ff', '--no-edit', 'proposed');
    expect(await violationsIn(w.ops)).toEqual([]);

    w.git('checkout', '-q', '-f', '-B', 'planted', clean);
    await w.step({ to: { MM_SPREAD_MULTIPLIER: '2' } });
    w.git('merge', '-q', '--no-ff', '--no-edit', '-X', 'ours', 'proposed');
    expect((await violationsIn(w.ops)).map(({ rule, found }) => [rule, found])).toEqual([['number', 'iter002']]);
  });

  test('with git.signing: signed commits are good, an unsigned one and a forged one are found', async () => {
    w.git('checkout', '-q', '-f', '-B', 'planted', clean);
    const key = join(w.dir, 'signing');
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'fleet', '-f', key]);
    const fleet = w
      .git('show', 'HEAD:fleet/fleet.yaml')
      .replace('spec:\n', `spec:\n  git: { signing: { format: ssh, key: ${key} } }\n`);
    w.write('fleet/fleet.yaml', `${fleet}\n`);
    w.byHand('fleet: sign');
    const signing = { format: 'ssh' as const, key };
    await w.land(await w.plan({ to: NEXT }), undefined, signing);
    const good = await run(w.ops, 'verify');
    expect(good.code).toBe(0);
    expect(good.out).toContain('1 signature checked (signers unknown: no gpg.ssh.allowedSignersFile)');
    const unsigned = await w.step({ to: { MM_SPREAD_MULTIPLIER: '2.8' } });
    const signed = await w.land(await w.plan({ to: { MM_SPREAD_MULTIPLIER: '2.9' } }), undefined, signing);
    const raw = git(w.ops, 'cat-file', 'commit', signed);
    expect(raw).toContain('gpgsig');
    const forged = execFileSync('git', ['hash-object', '-t', 'commit', '-w', '--stdin'], {
      cwd: w.ops,
      input: `${raw.replace('Widen quotes one step.', 'Widen quotes a little.')}\n`,
      encoding: 'utf8',
    }).trim();
    w.git('reset', '-q', '--hard', forged);
    const found = (await violationsIn(w.ops)).map(({ commit, rule, found: what }) => [commit, rule, what]);
    expect(found).toEqual([
      [unsigned, 'signature', 'no signature'],
      [forged, 'signature', 'a bad or unknown signature'],
    ]);
  });
});
