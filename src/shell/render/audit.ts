/** What `audit verify` prints: the verdict table, what people made by hand, every violation, one line at the end. */
import type { AuditedIter, AuditReport, Violation } from '../../core/audit/types.ts';
import { effectText } from '../../core/trail/message.ts';
import { iterName, iterText } from '../../core/trail/text.ts';
import type { Paint } from '../io.ts';
import { table } from './table.ts';

/** How the signatures stand; `unknown`: good in themselves, by keys that no file of signers names. */
export type SignatureState =
  | { configured: false }
  | { configured: true; checked: number; signers: 'known' | 'unknown' };

export type Audited = AuditReport & { signatures: SignatureState };

/** Lines without a final line end. */
export function auditText(audited: Audited, paint: Paint): string {
  const { iters, violations } = audited;
  const hand = iters.filter(({ by }) => by === 'hand');
  const parts = [
    iters.length === 0 ? 'no iteration was ever committed' : verdictTable(iters),
    hand
      .map((each) => `by hand: ${each.path} (${each.commit.slice(0, 8)}): only bounds and secrets are checked`)
      .join('\n'),
    violations.map((each) => violationText(each, paint)).join('\n'),
    summaryText(audited, paint),
  ];
  return parts.filter((part) => part !== '').join('\n\n');
}

function verdictTable(iters: readonly AuditedIter[]): string {
  const titles = ['INSTANCE', 'ITER', 'COMMIT', 'KIND', 'VERDICT', 'EFFECT', 'N', 'AGAINST'];
  const rows = iters.map(({ instance, iter, commit, by, kind, present, verdict }) => [
    instance ?? '-',
    iterText(iter),
    commit.slice(0, 8),
    by === 'hand' ? 'by hand' : (kind ?? '-'),
    verdict?.verdict ?? (present ? 'pending' : 'reverted'),
    verdict === null ? '-' : effectText(verdict).replace(/,? ?\(?n=\d+\)$/, (end) => (end.startsWith(',') ? ')' : '')),
    verdict === null ? '-' : String(verdict.n),
    verdict === null ? '-' : iterName(verdict.against),
  ]);
  return table(
    titles.map((title) => ({ title })),
    rows,
  ).join('\n');
}

function violationText({ commit, subject, rule, file, found, wanted }: Violation, paint: Paint): string {
  const place = file === null ? '' : `${file}: `;
  return `${paint('red', rule)} ${commit.slice(0, 12)} ${subject}\n  ${place}found ${found}\n  want ${wanted}`;
}

function summaryText({ commits, iters, violations, signatures }: Audited, paint: Paint): string {
  const count = (n: number, word: string) => `${n} ${word}${n === 1 ? '' : 's'}`;
  const hand = iters.filter(({ by }) => by === 'hand').length;
  const judged = iters.filter(({ verdict }) => verdict !== null).length;
  const signed = !signatures.configured
    ? 'signatures not configured'
    : `${count(signatures.checked, 'signature')} checked${signatures.signers === 'known' ? '' : ' (signers unknown: no gpg.ssh.allowedSignersFile)'}`;
  const facts = [
    count(commits, 'commit'),
    `${count(iters.length, 'iteration')} (${hand} by hand)`,
    count(judged, 'verdict'),
    signed,
  ];
  const result = violations.length === 0 ? 'no violation' : paint('red', count(violations.length, 'violation'));
  return `audit: ${facts.join(', ')}: ${result}`;
}
