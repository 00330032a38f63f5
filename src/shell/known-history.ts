/** `history NAME` where the book of this instance is kept for the commit at HEAD: git's files tell so, and hardly anything is loaded. */
import { join } from 'node:path';
import { glimpse } from '../adapters/git.ts';
import { glanceInto } from '../adapters/git-glance.ts';
import { BUILD } from './build-id.ts';
import { runToEnd } from './end.ts';
import { EXIT } from './exit.ts';
import { briefIo } from './io.ts';
import { type HistoryBook, loadBook } from './known-book.ts';
import { historyText } from './render/history.ts';

type Clone = { root: string; head: string };

/** Prints what the command would; false: nothing was printed, the command itself must answer. */
export async function printKnown(argv: readonly string[]): Promise<boolean> {
  const asked = plainlyAsked(argv);
  if (asked === null || BUILD === null) return false;
  const head = glanceInto(asked.dir);
  const clone = head === null ? await glimpse(asked.dir) : { root: asked.dir, head };
  if (clone === null) return false;
  const stateDir = join(clone.root, '.mmfleet');
  const known = loadBook(stateDir, BUILD, asked.name);
  const book = known === null || known.head === clone.head ? known : await laterBook(clone, stateDir, known);
  if (book === null) return false;
  const rows = book.rows.map((row) => ({ instance: book.name, ...row }));
  const text = historyText(book.fleet, book.name, rows, asked.json);
  await runToEnd(async () => {
    briefIo().out(text);
    return EXIT.ok;
  });
  return true;
}

/** The book with what came since; null: it does not go on. */
async function laterBook({ root, head }: Clone, stateDir: string, { name }: HistoryBook): Promise<HistoryBook | null> {
  const { historyBooks } = require('./history-book.ts') as typeof import('./history-book.ts');
  return historyBooks({ root }, stateDir, BUILD).at(name, head);
}

/** `[-C DIR] history NAME [--json]`, in the orders in which it is commonly written; null: anything else. */
function plainlyAsked(argv: readonly string[]): { dir: string; name: string; json: boolean } | null {
  const [dir, rest] = argv[0] === '-C' ? [argv[1] ?? '', argv.slice(2)] : ['.', argv.slice()];
  const json = rest.indexOf('--json');
  if (json > 0) rest.splice(json, 1);
  const [command, name = '', ...more] = rest;
  if (command !== 'history' || more.length > 0 || name.startsWith('-') || dir === '') return null;
  return { dir, name, json: json > 0 };
}
