/** Iter files: their names, which one should run, and their text. */
import { changeText, iterName, oneLine } from '../trail/text.ts';
import type { IterStory } from '../trail/types.ts';
import { isSecretKey } from './keys.ts';
import { removeKeys, setValues } from './write.ts';

/** `fleet/env/amzn/.env.amzn`, 7 -> `fleet/env/amzn/.env.amzn.iter007`; three digits at least. */
export function iterFileName(basePath: string, iter: number): string {
  return `${basePath}.${iterName(iter)}`;
}

/** The base path and number of an iter file's path; null for any other path. Numbers start at 1. */
export function parseIterName(path: string): { basePath: string; iter: number } | null {
  const match = /^(.+)\.iter(\d{3,9})$/.exec(path);
  if (match === null) return null;
  const iter = Number(match[2]);
  // Two spellings of one number would be two files with one name in the trail.
  return iter >= 1 && iterFileName(match[1]!, iter) === path ? { basePath: match[1]!, iter } : null;
}

/** Numbers of the iter files of a base among paths, ascending. */
export function listIters(paths: Iterable<string>, basePath: string): number[] {
  const iters: number[] = [];
  for (const path of paths) {
    if (!path.startsWith(`${basePath}.iter`)) continue;
    const name = parseIterName(path);
    if (name !== null && name.basePath === basePath) iters.push(name.iter);
  }
  return iters.sort((a, b) => a - b);
}

/** The same for every base at once: base path -> its numbers, ascending; a base without iters is not in it. */
export function itersByBase(paths: Iterable<string>): Map<string, number[]> {
  const found = new Map<string, number[]>();
  for (const path of paths) {
    const name = path.includes('.iter') ? parseIterName(path) : null;
    if (name === null) continue;
    const known = found.get(name.basePath);
    if (known === undefined) found.set(name.basePath, [name.iter]);
    else known.push(name.iter);
  }
  for (const iters of found.values()) iters.sort((a, b) => a - b);
  return found;
}

/** The env that should run: the highest iter present, else the base. */
export function desiredEnvPath(paths: Iterable<string>, basePath: string): { path: string; iter: number | null } {
  const iter = listIters(paths, basePath).at(-1);
  return iter === undefined ? { path: basePath, iter: null } : { path: iterFileName(basePath, iter), iter };
}

export type RenderedIter = {
  text: string;
  /** Secret keys that the parent held and the iter does not. */
  secretKeysRemoved: string[];
};

/** An iter's text: its parent with the changed values, less secret keys, headed by its story (in place of the parent's). */
export function renderIter(parentText: string, baseFileName: string, story: IterStory): RenderedIter {
  const eol = /\r\n|\n/.exec(parentText)?.[0] ?? '\n';
  const removed = new Set<string>();
  const body = removeKeys(withoutHeader(parentText), (key) => isSecretKey(key) && removed.add(key) !== undefined);
  const header = iterHeader(baseFileName, story).map((line) => line + eol);
  return { text: header.join('') + setValues(body, story.changes), secretKeysRemoved: [...removed] };
}

/** The comment lines that head an iter, without line ends. */
export function iterHeader(baseFileName: string, story: IterStory): string[] {
  const changes = story.changes.map(changeText).join(', ');
  return [
    `mmfleet ${iterName(story.iter)} of ${baseFileName}, parent ${iterName(story.parentIter)}`,
    `theme: ${story.theme}`,
    `trigger: ${story.trigger}`,
    `change: ${changes}`,
  ].map((line) => `# ${oneLine(line)}`);
}

/** The text without the story that heads it, if one does. */
export function withoutHeader(text: string): string {
  return text.replace(
    /^# mmfleet iter\d{3,}[^\r\n]*(?:\r\n|\n|$)(?:# (?:theme|trigger|change):[^\r\n]*(?:\r\n|\n|$)){0,3}/,
    '',
  );
}
