import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'vitest';
import { watchFolders } from '../../src/adapters/watcher.ts';
import { until } from '../support/puppet.ts';

test('a file that appears, grows or goes wakes, and says in which folder; a folder that is not there costs nothing', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'mmfleet-watch-'));
  const [a, b] = [join(dir, 'a'), join(dir, 'b')];
  for (const folder of [a, b]) mkdirSync(folder);
  let woken: string[] = [];
  const watcher = watchFolders([a, b, join(dir, 'none')], (changed) => woken.push(...changed), 1);
  const wakes = async (folder: string, act: () => void) => {
    woken = [];
    act();
    await until(() => woken.includes(folder), 'woken');
  };
  try {
    await wakes(a, () => writeFileSync(join(a, 'one'), '1'));
    await wakes(a, () => appendFileSync(join(a, 'one'), '2'));
    await wakes(b, () => writeFileSync(join(b, 'two'), '1'));
    await wakes(a, () => rmSync(join(a, 'one')));
    await wakes(b, () => rmSync(b, { recursive: true }));
  } finally {
    watcher.close();
    rmSync(dir, { recursive: true, force: true });
  }
});
