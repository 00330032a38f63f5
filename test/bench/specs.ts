/** What it costs to know what the specs say. */
import { execFileSync } from 'node:child_process';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { folder, median, PAIRS, row, run } from './measure.ts';
import { nameOf, specText, writeFleet } from './thousand.ts';

const COUNT = 1000;
const BUILT = pathToFileURL(join(process.cwd(), 'dist/lib/trees.js')).href;

/**
 * G15: the tree of 1000 instances as `plan` reads it (its git processes included, by the module that is built), against
 * parsing the same 1000 texts with `yaml` and no more. Node's own start is taken from both.
 */
export function specs(): void {
  const ops = join(folder, 'specs');
  writeFleet(ops, COUNT);
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.org', ...args], { cwd: ops });
  const cpuOf = (program: string, ...args: string[]) =>
    run([process.execPath, '--input-type=module', '-e', program, ops, ...args]).cpu;
  const read = () => cpuOf(READ, BUILT, git('rev-parse', 'HEAD').toString().trim());
  const found = { changed: [] as number[], first: [] as number[] };
  for (let n = 0; n < PAIRS; n += 1) {
    const nothing = cpuOf('0');
    const parse = cpuOf(PARSE, ...readdirSync(join(ops, 'fleet')).filter((name) => name.endsWith('.yaml')));
    rmSync(join(ops, '.mmfleet'), { recursive: true, force: true });
    found.first.push((read() - nothing) / (parse - nothing));
    writeFileSync(join(ops, 'fleet', `${nameOf(n)}.yaml`), specText(n, 'changed'));
    git('commit', '--quiet', '-am', 'one spec');
    found.changed.push((read() - nothing) / (parse - nothing));
  }
  const about = { goal: 'G15', peer: 'yaml alone, in a loop' };
  row({ ...about, what: '1000 specs, one changed, CPU', limit: 0.06, ratio: median(found.changed) });
  row({ ...about, what: '1000 specs, first load, CPU', limit: 1.15, ratio: median(found.first) });
}

const PARSE = `
const { parse } = await import('yaml');
const { readFileSync } = await import('node:fs');
const [ops, ...names] = process.argv.slice(1);
let parsed = 0;
for (const name of names) if (parse(readFileSync(ops + '/fleet/' + name, 'utf8')).kind !== undefined) parsed += 1;
if (parsed !== ${COUNT + 1}) throw new Error(parsed + ' specs');
`;

const READ = `
const [ops, built, head] = process.argv.slice(1);
const { openTrees } = await import(built);
const trees = openTrees({ root: ops }, ops + '/.mmfleet', { whole: false });
const read = await trees.at(head);
if (!read.ok || read.value.problems.length > 0 || read.value.instances.length !== ${COUNT}) throw new Error('not read');
trees.keep(read.value);
`;
