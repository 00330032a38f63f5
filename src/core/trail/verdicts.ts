/** `.env.NAME.verdicts`: one line per judged iteration. */
import type { Problem } from '../problem.ts';
import { effectText } from './message.ts';
import { parseEffect } from './read-message.ts';
import { iterName } from './text.ts';
import type { Verdict, VerdictLine } from './types.ts';

/** `iter007 inconclusive edge +0.9 bps (95% -0.4..+2.2, n=214) against iter006`, without a line end. */
export function verdictText(line: VerdictLine): string {
  return `${iterName(line.iter)} ${line.verdict} edge ${effectText(line)} against ${iterName(line.against)}`;
}

/** One line; null when it is not in that form. */
export function parseVerdict(text: string): VerdictLine | null {
  const form =
    /^iter(\d{3,9}) (helped|hurt|inconclusive) edge (.+) \((95% \S+, )?n=(\d{1,15})\) against (?:iter(\d{3,9})|base)$/;
  const match = form.exec(text.trim());
  if (match === null) return null;
  const interval = match[4] === undefined ? '' : ` (${match[4].slice(0, -2)})`;
  const effect = parseEffect(`${match[3]}${interval}`);
  if (effect === null) return null;
  const against = match[6] === undefined ? null : Number(match[6]);
  return { iter: Number(match[1]), verdict: match[2] as Verdict, ...effect, n: Number(match[5]), against };
}

/** Every readable line, in order; each other non-blank line is a problem with its place. */
export function parseVerdicts(text: string, file: string): { verdicts: VerdictLine[]; problems: Problem[] } {
  const verdicts: VerdictLine[] = [];
  const problems: Problem[] = [];
  for (const [i, sourceLine] of text.split(/\r?\n/).entries()) {
    if (sourceLine.trim() === '' || sourceLine.startsWith('#')) continue;
    const line = parseVerdict(sourceLine);
    if (line !== null) verdicts.push(line);
    else problems.push({ ...NOT_A_VERDICT, file, line: i + 1, column: 1, sourceLine });
  }
  return { verdicts, problems };
}

/** The file's text with one more line; an iteration already judged keeps its first verdict. */
export function appendVerdict(text: string, line: VerdictLine): string {
  if (parseVerdicts(text, '').verdicts.some((each) => each.iter === line.iter)) return text;
  const before = text === '' || text.endsWith('\n') ? text : `${text}\n`;
  return `${before}${verdictText(line)}\n`;
}

const NOT_A_VERDICT = {
  code: 'verdict-bad-line',
  message: 'not a verdict, want: iter007 inconclusive edge +0.9 bps (95% -0.4..+2.2, n=214) against iter006',
  hint: 'mmfleet writes this file; restore it from git',
};
