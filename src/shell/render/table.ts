/** Plain aligned text tables; the last column is never padded. */
export type Column = { title: string; align?: 'right' };

/** Lines of a table with a header; cells may hold colour codes, which take no width. */
export function table(columns: Column[], texts: string[][]): string[] {
  const all = texts.map((cells) => cells.join('')).join('');
  // What people wrote may have lines of its own; a row has one.
  const rows = /[\n\t]/.test(all) ? texts.map((cells) => cells.map(oneLine)) : texts;
  const titles = columns.map((c) => c.title);
  const chars = all.includes('\u001b') ? visible : (text: string) => text.length;
  const widths = titles.map((title) => title.length);
  for (const cells of rows)
    for (let i = 0; i < widths.length; i += 1) widths[i] = Math.max(widths[i]!, chars(cells[i] ?? ''));
  const line = (cells: string[]) => {
    const padded = cells.map((cell, i) => {
      const width = (widths[i] ?? 0) + cell.length - chars(cell);
      if (columns[i]?.align === 'right') return cell.padStart(width);
      return i === cells.length - 1 ? cell : cell.padEnd(width);
    });
    return padded.join('  ').trimEnd();
  };
  return [titles, ...rows].map(line);
}

const oneLine = (cell: string) => (/[\n\t]/.test(cell) ? cell.replace(/\s+/g, ' ') : cell);

function visible(text: string): number {
  if (!text.includes('\u001b')) return text.length;
  return text.replace(/\u001b\[\d+m/g, '').length;
}

/** `4s`, `12m`, `3h`, `2d`: the age of something, to one unit. */
export function age(ms: number): string {
  if (ms < 0) return '0s';
  if (ms < 90_000) return `${Math.round(ms / 1000)}s`;
  if (ms < 90 * 60_000) return `${Math.round(ms / 60_000)}m`;
  if (ms < 36 * 3_600_000) return `${Math.round(ms / 3_600_000)}h`;
  return `${Math.round(ms / 86_400_000)}d`;
}

/** Signed number with `digits` decimals: `+1.12`, `-3.81`, `0.00`. */
export function signed(value: number, digits: number): string {
  const text = value.toFixed(digits);
  if (Number(text) === 0) return text.replace('-', '');
  return value > 0 ? `+${text}` : text;
}

/** Terminals, in characters: small ones below the first, wide ones from the second on. */
export const NARROW_BELOW = 80;
export const WIDE_FROM = 140;

/** Cuts a line to the terminal's width, with an ellipsis; colour codes take no width and end where the line is cut. */
export function clip(line: string, columns: number): string {
  if (visible(line) <= columns) return line;
  const wanted = Math.max(1, columns - 1);
  let shown = 0;
  let text = '';
  for (const part of line.split(/(\u001b\[\d+m)/)) {
    if (part.startsWith('\u001b')) {
      text += part;
      continue;
    }
    text += part.slice(0, wanted - shown);
    shown += Math.min(part.length, wanted - shown);
    if (shown >= wanted) break;
  }
  return `${text}…${text.includes('\u001b') ? '\u001b[0m' : ''}`;
}
