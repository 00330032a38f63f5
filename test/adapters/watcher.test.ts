import { appendFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type Watched, watchFleet } from '../../src/adapters/watcher.ts';
import { until } from '../support/puppet.ts';

test('specs that come, change, are replaced or go, and journals that grow; a folder that is not there costs nothing', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'mmfleet-watch-'));
  const [specs, notes, a, b] = [join(dir, 'fleet'), join(dir, 'notes'), join(dir, 'a'), join(dir, 'b')];
  for (const folder of [specs, notes, a, b]) mkdirSync(folder);
  let woken: Watched[] = [];
  const watcher = watchFleet({ specs, journals: [a, b, join(dir, 'none')] }, (changed) => woken.push(...changed), 1);
  // A folder of its own: of a spec that was removed is heard so late that it could be mistaken for another's.
  const heard: Watched[] = [];
  const beside = watchFleet({ specs: notes, journals: [] }, (changed) => heard.push(...changed), 1);
  /** Again and again, because a watcher that has only just begun may miss the first. */
  const wakes = async (what: Watched, act: (n: number) => void) => {
    woken = [];
    let n = 0;
    await until(() => {
      if (n % 20 === 0) {
        act(n);
        appendFileSync(join(notes, 'notes.txt'), 'no spec');
      }
      n += 1;
      return woken.includes(what);
    }, `woken by ${what}`);
  };
  try {
    await wakes('specs', (n) => writeFileSync(join(specs, `one${n}.yaml`), '1'));
    await wakes('specs', () => appendFileSync(join(specs, 'one0.yaml'), '2'));
    await wakes('specs', (n) => {
      writeFileSync(join(specs, '.one.swp'), String(n));
      renameSync(join(specs, '.one.swp'), join(specs, 'one0.yaml'));
    });
    await wakes('specs', () => rmSync(join(specs, 'one0.yaml'), { force: true }));
    await wakes('journals', (n) => writeFileSync(join(a, 'one'), String(n)));
    await wakes('journals', () => appendFileSync(join(a, 'one'), '2'));
    await wakes('journals', (n) => writeFileSync(join(b, 'two'), String(n)));
    await wakes('journals', () => rmSync(b, { recursive: true, force: true }));
    expect(heard).toEqual([]);
    await until(() => {
      appendFileSync(join(notes, 'one.yaml'), '1');
      return heard.includes('specs');
    }, 'woken by a spec beside the notes');
  } finally {
    watcher.close();
    beside.close();
    rmSync(dir, { recursive: true, force: true });
  }
});
