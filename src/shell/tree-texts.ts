/**
 * The texts of the files that git tracks, by blob. Old iterations and records are packed: every commit adds one of them, and
 * hardly anybody reads one again, while a daemon keeps them all for months.
 */
import type { Repo } from '../adapters/git.ts';
import { readBlobsNow } from '../adapters/git-blobs.ts';
import { parseIterName } from '../core/env/iter.ts';
import { FLEET_FOLDER, isSpecPath, type TreeFile } from './desired.ts';
import { type Packed, pack, unpack } from './packed.ts';
import type { ListedFile } from './tree-cache.ts';

/** Files whose texts are asked for together. */
export type Group = 'specs' | 'records' | 'iters' | 'others';

export function groupOf(path: string): Group {
  if (isSpecPath(path)) return 'specs';
  if (path.startsWith(`${FLEET_FOLDER}/receipts/`) || path.endsWith('.verdicts')) return 'records';
  return parseIterName(path) === null ? 'others' : 'iters';
}

/** One tracked file; its text is read when it is asked for. There are as many as commits: a getter of its own would be half of it. */
export class TrackedFile implements TreeFile {
  readonly path: string;
  readonly blob: string;
  readonly kind: ListedFile['kind'];
  readonly #texts: TreeTexts;

  constructor({ path, blob, kind }: ListedFile, texts: TreeTexts) {
    this.path = path;
    this.blob = blob;
    this.kind = kind;
    this.#texts = texts;
  }

  get text(): string {
    return this.kind === 'text' ? this.#texts.textOf(this) : '';
  }

  get link(): boolean {
    return this.kind === 'link';
  }
}

export class TreeTexts {
  readonly #repo: Repo;
  readonly #texts = new Map<string, string | Packed>();
  #files: readonly TrackedFile[] = [];
  #byPath: ReadonlyMap<string, TrackedFile> = new Map();

  constructor(repo: Repo) {
    this.#repo = repo;
  }

  /** Turns to another tree: a file that is the same in both stays the same object. */
  turnTo(listed: readonly ListedFile[]): readonly TrackedFile[] {
    this.#files = listed.map((file) => {
      const known = this.#byPath.get(file.path);
      return known?.blob === file.blob && known.kind === file.kind ? known : new TrackedFile(file, this);
    });
    this.#byPath = new Map(this.#files.map((file) => [file.path, file]));
    return this.#files;
  }

  has(blob: string): boolean {
    return this.#texts.has(blob);
  }

  /** Keeps what was read of these files. Of a text that few ask for only what tells it from its base is kept. */
  keep(files: Iterable<ListedFile>, texts: ReadonlyMap<string, string>): void {
    for (const { path, blob } of files) {
      const text = texts.get(blob);
      if (text === undefined || this.#texts.has(blob)) continue;
      const group = groupOf(path);
      const packs = group === 'iters' || group === 'records';
      this.#texts.set(blob, packs ? pack(text, this.#baseOf(path, texts)) : text);
    }
  }

  /** Drops what is in this tree no more: a daemon meets a new text with every commit. One that is missed is read again. */
  forget(): void {
    if (this.#texts.size <= this.#files.length + SPARE_TEXTS) return;
    const present = new Set(this.#files.map((file) => file.blob));
    for (const blob of this.#texts.keys()) if (!present.has(blob)) this.#texts.delete(blob);
  }

  /** A text that was not read before comes with all of its group in one process. */
  textOf({ path, blob }: ListedFile): string {
    const known = this.#texts.get(blob) ?? this.#readGroup(path, blob);
    return typeof known === 'string' ? known : unpack(known);
  }

  #readGroup(path: string, blob: string): string | Packed {
    const group = groupOf(path);
    const alike = this.#files.filter((f) => f.kind === 'text' && !this.#texts.has(f.blob) && groupOf(f.path) === group);
    const texts = readBlobsNow(this.#repo, [...new Set([blob, ...alike.map((f) => f.blob)])]);
    // An object that git lists and does not have: nothing may be decided from the rest.
    if (!texts.ok) throw new Error(texts.problem.message);
    this.keep(alike, texts.value);
    return this.#texts.get(blob) ?? texts.value.get(blob)!;
  }

  /** The text of the base env of an iteration; empty where it is not known. */
  #baseOf(path: string, texts: ReadonlyMap<string, string>): string {
    const base = this.#byPath.get(parseIterName(path)?.basePath ?? '')?.blob ?? '';
    const known = this.#texts.get(base) ?? texts.get(base) ?? '';
    return typeof known === 'string' ? known : '';
  }
}

/** More texts than files before the rest is dropped. */
const SPARE_TEXTS = 32;
