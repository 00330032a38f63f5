/** The programs that the benchmark runs as processes of their own: `node child.mjs NAME ARGS...`. */
import {
  appendFileSync,
  closeSync,
  createReadStream,
  existsSync,
  mkdirSync,
  openSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { JournalCursor } from '../../src/adapters/journal-cursor.ts';
import { JournalFolders } from '../../src/adapters/journal-folders.ts';
import { journalLines, type Layout, writeJournal } from '../support/journal-generator.ts';
import { liveFleet } from '../support/live-fleet.ts';
import { pushToConverged } from './converge.ts';
import { commitPairs, passesInTurn, running, wholeTrail } from './git-programs.ts';
import { writeRepository } from './git-repository.ts';
import { observeProcesses } from './process-child.ts';
import { scaleRow } from './scale-child.ts';
import { afterNewJournal, wholeTicks } from './tick-child.ts';

const [name, ...args] = process.argv.slice(2) as [string, ...string[]];
switch (name) {
  case 'parse-all': {
    await parseAll(args[0]!);
    break;
  }
  case 'generate':
    writeJournal(args[0]!, Number(args[1]), { layout: args[2] as Layout });
    break;
  case 'long-line':
    writeLongLine(args[0]!, Number(args[1]));
    break;
  case 'untyped':
    writeUntyped(args[0]!, Number(args[1]));
    break;
  case 'converge':
    process.stdout.write(JSON.stringify(await pushToConverged(Number(args[0]))));
    break;
  case 'tick':
    process.stdout.write(JSON.stringify(tick(args[0]!, Number(args[1]))));
    break;
  case 'whole-tick': {
    const fleet = await liveFleet(Number(args[0]));
    try {
      process.stdout.write(JSON.stringify(await wholeTicks(fleet, Number(args[1]))));
    } finally {
      await fleet.end();
    }
    break;
  }
  case 'new-journal': {
    const [few, many] = [await liveFleet(Number(args[0])), await liveFleet(Number(args[0]))];
    try {
      const [fewNames, manyNames, pairs] = args.slice(1).map(Number) as [number, number, number];
      const samples = await afterNewJournal({ fleet: few, names: fewNames }, { fleet: many, names: manyNames }, pairs);
      process.stdout.write(JSON.stringify(samples));
    } finally {
      await few.end();
      await many.end();
    }
    break;
  }
  case 'scale':
    process.stdout.write(JSON.stringify(await scaleRow(Number(args[0]), Number(args[1]), args[2]!)));
    break;
  case 'processes':
    process.stdout.write(JSON.stringify(await observeProcesses(Number(args[0]), Number(args[1]))));
    break;
  case 'git-repository':
    writeRepository(args[0]!, Number(args[1]));
    break;
  case 'git-commits':
    process.stdout.write(JSON.stringify(await commitPairs(args[0]!, Number(args[1]))));
    break;
  case 'git-passes':
    process.stdout.write(JSON.stringify(await passesInTurn(args[0]!, Number(args[1]))));
    break;
  case 'git-trail':
    process.stdout.write(JSON.stringify(await wholeTrail(args[0]!, Number(args[1]), Number(args[2]))));
    break;
  case 'git-running':
    process.stdout.write(JSON.stringify(await running(args[0]!, Number(args[1]))));
    break;
  default:
    throw new Error(`no program ${name}`);
}

/** The plain way: every line an object, three counts and the fills kept. */
async function parseAll(path: string): Promise<void> {
  const counts: Record<string, number> = {};
  const fills: unknown[] = [];
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })) {
    const event = JSON.parse(line) as { type: string };
    counts[event.type] = (counts[event.type] ?? 0) + 1;
    if (event.type === 'fill') fills.push(event);
  }
}

function writeLongLine(path: string, bytes: number): void {
  const source = journalLines(1);
  const some = Array.from({ length: 200 }, () => source.next().value);
  const fd = openSync(path, 'w');
  writeSync(
    fd,
    `${some.join('\n')}\n{"ts": 1771200000.5, "type": "error", "message": "${'x'.repeat(bytes)}"}\n${some.join('\n')}\n`,
  );
  closeSync(fd);
}

function writeUntyped(path: string, bytes: number): void {
  const fd = openSync(path, 'w');
  const line = '{"ts": 1771200000.5, "seq": 17, "kind": "order_placed", "price": "141.36", "size": "0.5"}\n';
  writeSync(fd, line.repeat(Math.ceil(bytes / line.length)));
  closeSync(fd);
}

/** CPU of one pass over 1000 journals: nothing new, ten lines in ten of them, only existsSync, and reading all anew. */
function tick(folder: string, pairs: number) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const source = journalLines(7);
  const some = `${Array.from({ length: 230 }, () => source.next().value as string).join('\n')}\n`;
  const more = `${Array.from({ length: 10 }, () => source.next().value as string).join('\n')}\n`;
  const markets = Array.from({ length: 1000 }, (_, n) => `M${n}-USD`);
  const paths = markets.map((market) => join(folder, `mm_${market}_20260216_000000.jsonl`));
  for (const path of paths) {
    const fd = openSync(path, 'w');
    writeSync(fd, some);
    closeSync(fd);
  }
  const folders = new JournalFolders();
  const sink = { startRun: () => {}, event: () => {} };
  const cursorOf = (market: string) => new JournalCursor(join(folder, `mm_${market}_*.jsonl`), market);
  const cursors = markets.map(cursorOf);
  const poll = () => {
    folders.nextTick();
    let bytes = 0;
    for (const cursor of cursors) {
      const result = cursor.poll(folders, sink);
      if (!result.known) throw new Error(result.reason);
      bytes += result.bytes;
    }
    return bytes;
  };
  const cpu = (work: () => void) => {
    const before = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000;
  };
  poll();
  for (let n = 0; n < 20; n += 1) poll();
  const rows: { exists: number; idle: number; busy: number; all: number }[] = [];
  for (let n = 0; n < pairs; n += 1) {
    const exists = cpu(() => {
      for (const path of paths) existsSync(path);
    });
    const idle = cpu(poll);
    for (const path of paths.slice(0, 10)) appendFileSync(path, more);
    let bytes = 0;
    const busy = cpu(() => {
      bytes = poll();
    });
    if (bytes !== 10 * more.length) throw new Error('the appended lines were not read');
    const all = cpu(() => {
      const anew = new JournalFolders();
      for (const market of markets) cursorOf(market).poll(anew, sink);
    });
    rows.push({ exists, idle, busy, all });
  }
  return rows;
}
