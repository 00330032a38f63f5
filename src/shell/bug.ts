/** An unexpected error: its place in our code, never its text (a library's message may hold a secret). */
export function describeBug(error: unknown): string {
  const name = error instanceof Error ? error.name : typeof error;
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  const frames = stack
    .split('\n')
    .filter((line) => /^\s+at .*(?:dist|src)\//.test(line))
    .slice(0, 5)
    .map((line) => line.replace(/\(?file:\/\/\S*\/(dist|src)\//, '($1/'));
  const detail = process.env['MMFLEET_DEBUG'] === '1' && error instanceof Error ? `${error.message}\n` : '';
  return `internal error (${name}): this is a bug in mmfleet; nothing was left half-written that the next pass cannot finish\n${detail}${frames.join('\n')}\n`;
}
