/** The history as the audit reads it: the raw log, and the tree at every commit. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { auditHistory } from '../../src/core/audit/audit.ts';
import { rawLogParser } from '../../src/core/audit/log.ts';
import { blobsToRead } from '../../src/core/audit/records.ts';
import type { AuditCommit, AuditFile } from '../../src/core/audit/types.ts';
import { walkTrees } from '../../src/core/audit/walk.ts';

const id = (n: number) => n.toString(16).padStart(40, '0');

function commit(n: number, parents: number[], files: AuditFile[], message = 'work\n'): AuditCommit {
  const head = [id(n), parents.map(id).join(' '), 'Ada', 'ada@example.org', '1771243200', '1771243200', message];
  return { ...parse(head.map((field) => `${field}\0`).join(''))[0]!, files };
}

function parse(text: string, size = text.length): AuditCommit[] {
  const parser = rawLogParser();
  for (let at = 0; at < text.length; at += Math.max(1, size)) parser.push(text.slice(at, at + Math.max(1, size)));
  return parser.end();
}

const RAW = [
  ...[id(1), '', 'Ada', 'ada@example.org', '1', '2', 'first\n\n:100644 100644 a b M\nfleet/amzn.yaml\n', ''],
  ...[`:000000 100644 ${id(0)} ${id(91)} A`, 'fleet/env/a\nb', `:000000 120000 ${id(0)} ${id(92)} A`, 'link'],
  ...[id(2), id(1), 'mmfleet', 'mmfleet@localhost', '3', '4', 'hold(amzn): x\n\nMmfleet-Instance: amzn\n', ''],
  ...[`:100644 000000 ${id(91)} ${id(0)} D`, 'fleet/env/a\nb', `:100644 120000 ${id(92)} ${id(93)} T`, 'link', ''],
].join('\0');

test('the raw log gives commits with blobs, whatever the pieces; a message cannot pretend to be a change', () => {
  const whole = parse(RAW);
  expect(whole.map(({ commit: at, kind, instance, files }) => ({ at, kind, instance, files }))).toEqual([
    {
      at: id(1),
      kind: null,
      instance: null,
      files: [
        { status: 'A', path: 'fleet/env/a\nb', blob: id(91) },
        { status: 'A', path: 'link', blob: null },
      ],
    },
    {
      at: id(2),
      kind: 'hold',
      instance: 'amzn',
      files: [
        { status: 'D', path: 'fleet/env/a\nb', blob: null },
        { status: 'M', path: 'link', blob: null },
      ],
    },
  ]);
  for (const size of [1, 2, 7, 64]) expect(parse(RAW, size)).toEqual(whole);
});

test('any text as a log: no crash, and nothing but commits comes out', () => {
  const piece = fc.oneof(fc.string(), fc.constantFrom('\0', id(1), `:000000 100644 ${id(0)} ${id(1)} A`, '\n'));
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 60 }), fc.nat(20), (pieces, size) => {
      const text = pieces.join('\0');
      expect(parse(text, size + 1)).toEqual(parse(text));
    }),
    { numRuns: 300 },
  );
});

/** A random history: each commit stands on one or two earlier ones and changes some paths. */
const history = fc
  .array(
    fc.record({
      first: fc.nat(),
      second: fc.option(fc.nat(), { nil: null }),
      changes: fc.dictionary(
        fc.constantFrom('a', 'b', 'fleet/x.yaml', '.env.iter001', '.env.iter002'),
        fc.option(fc.nat(8), { nil: null }),
      ),
    }),
    { minLength: 1, maxLength: 25 },
  )
  .map((rows) => {
    const commits: AuditCommit[] = [];
    const trees: Map<string, string>[] = [];
    rows.forEach(({ first, second, changes }, n) => {
      const parents = n === 0 ? [] : [...new Set([first % n, ...(second === null ? [] : [second % n])])];
      const tree = new Map(trees[parents[0] ?? -1] ?? []);
      const files: AuditFile[] = [];
      for (const [path, value] of Object.entries(changes)) {
        const before = tree.get(path) ?? null;
        const blob = value === null ? null : id(1000 + value);
        if (before === blob) continue;
        files.push({ path, blob, status: before === null ? 'A' : blob === null ? 'D' : 'M' });
        if (blob === null) tree.delete(path);
        else tree.set(path, blob);
      }
      trees.push(tree);
      commits.push(commit(n, parents, files));
    });
    return { commits, trees };
  });

test('the tree before every commit is its first parent’s, through every branch and merge', () => {
  fc.assert(
    fc.property(history, ({ commits, trees }) => {
      const sorted = (tree: ReadonlyMap<string, string>) => [...tree].sort();
      const last = walkTrees(commits, ({ commit: at, before, own, after }) => {
        const n = Number.parseInt(at.commit, 16);
        const [first, second] = at.parents.map((parent) => trees[Number.parseInt(parent, 16)]!);
        expect(sorted(before.files)).toEqual(sorted(first ?? new Map()));
        expect(sorted(before.specs.files)).toEqual(sorted(before.files).filter(([path]) => path === 'fleet/x.yaml'));
        for (const path of ['a', 'b', '.env.iter001']) expect(after(path)).toBe(trees[n]!.get(path) ?? null);
        // What a merge takes over from its other side is not its own doing.
        for (const file of own) if (second !== undefined) expect(second.get(file.path) ?? null).not.toBe(file.blob);
      });
      expect(sorted(last.files)).toEqual(sorted(trees.at(-1)!));
    }),
    { numRuns: 200 },
  );
});

test('any history of any texts is judged without a crash', () => {
  fc.assert(
    fc.property(history, fc.array(fc.string(), { minLength: 9, maxLength: 9 }), ({ commits }, texts) => {
      const text = (blob: string) => texts[Number.parseInt(blob, 16) - 1000] ?? '';
      const report = auditHistory(commits, text);
      expect(report.commits).toBe(commits.length);
      // Nobody is ours without a readable fleet: whatever a message claims, only what people do is judged.
      expect(report.iters.every(({ by }) => by === 'hand')).toBe(true);
    }),
    { numRuns: 100 },
  );
});

test('of receipts and verdicts only the newest content is read, and what was deleted', () => {
  const receipts = 'fleet/receipts/amzn.jsonl';
  const at = (n: number, path: string, blob: string | null): AuditCommit =>
    commit(n, n === 0 ? [] : [n - 1], [{ status: blob === null ? 'D' : 'M', path, blob }]);
  const commits = [
    at(0, receipts, id(1)),
    at(1, receipts, id(2)),
    at(2, receipts, null),
    at(3, receipts, id(3)),
    at(4, receipts, id(4)),
    at(5, 'README', id(5)),
    at(6, 'conf/amzn', id(6)),
    at(7, 'conf/amzn.iter001', id(7)),
  ];
  expect(blobsToRead(commits, () => false).sort()).toEqual([id(2), id(4), id(6), id(7)]);
});
