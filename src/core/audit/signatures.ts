/** Signatures of commits that the fleet asked to be signed. */
import type { AuditReport, Violation } from './types.ts';

/** `judge`: what git says of a commit; undefined counts as not checkable. */
export function signatureViolations(
  toVerify: AuditReport['toVerify'],
  judge: (commit: string) => 'good' | 'bad' | 'none' | 'unchecked' | undefined,
): Violation[] {
  return toVerify.flatMap(({ commit, subject, instance }) => {
    const found = judge(commit) ?? 'unchecked';
    if (found === 'good') return [];
    const wanted = 'a good signature, as git.signing asks';
    return [{ commit, subject, instance, rule: 'signature' as const, file: null, found: FOUND[found], wanted }];
  });
}

const FOUND = { bad: 'a bad or unknown signature', none: 'no signature', unchecked: 'one that cannot be checked here' };
