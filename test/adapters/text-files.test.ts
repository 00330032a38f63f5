import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { foldersVersion, TextFiles } from '../../src/adapters/text-files.ts';
import { until } from '../support/puppet.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mmfleet-texts-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** Long ago, so that a text is kept from the first look on. */
const age = (path: string) => utimesSync(path, 1_700_000_000, 1_700_000_000);

test('the text is what stands in the file, however it came there', () => {
  const files = new TextFiles();
  const path = join(dir, 'a.json');
  const same = () => expect(files.read(path)).toBe(readFileSync(path, 'utf8'));
  expect(files.read(path)).toBeNull();
  for (const text of ['one', 'two', 'six', 'eleven', '', 'one']) {
    writeFileSync(path, text); // within one tick of the file system's clock, of the same length
    same();
    same();
  }
  age(path);
  same();
  appendFileSync(path, 'more');
  same();
  writeFileSync(`${path}.new`, 'onemoar'); // the same length and time, another file
  age(path);
  age(`${path}.new`);
  same();
  renameSync(`${path}.new`, path);
  same();
  rmSync(path);
  expect(files.read(path)).toBeNull();
  mkdirSync(path);
  expect(files.read(path)).toBeNull();
});

test('a version is another one after a file came, went or was replaced, and none while it may still change unseen', async () => {
  const folders = [join(dir, 'one'), join(dir, 'two')];
  const settled = () => until(() => foldersVersion(folders), 'a version');
  const seen = [await settled()];
  const steps = [
    () => mkdirSync(folders[0]!),
    () => writeFileSync(join(folders[0]!, 'a'), '1'),
    () => {
      writeFileSync(join(folders[0]!, 'a.new'), '2');
      renameSync(join(folders[0]!, 'a.new'), join(folders[0]!, 'a'));
    },
    () => rmSync(join(folders[0]!, 'a')),
    () => mkdirSync(folders[1]!),
    () => rmSync(folders[0]!, { recursive: true }),
  ];
  for (const step of steps) {
    step();
    expect([null, ...seen]).not.toContain(await settled());
    seen.push(await settled());
  }
  writeFileSync(join(folders[1]!, 'b'), '1');
  const soon = Date.now() / 1000 + 3600; // just now, however long it takes until it is looked at
  utimesSync(folders[1]!, soon, soon);
  expect(foldersVersion(folders)).toBeNull();
});
