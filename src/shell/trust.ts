/**
 * Which revision may be acted on. Where `git.verify` is set, each commit that changes the fleet needs the signature of an
 * allowed signer, as the sound revision before it names them: a change cannot vouch for itself, nor switch this off.
 */
import type { Refs } from '../adapters/git.ts';
import type { SignatureOf, SignedCommit, TrustPort } from '../adapters/git-trust.ts';
import { ok, type Problem, type Result } from '../core/problem.ts';
import { type Desired, FLEET_FOLDER, isSpecPath } from './desired.ts';

/** `revision`: the newest one in order. `refused`: why it is not the head; null: it is. */
export type Trusted = { revision: string; refused: Problem | null };

type Rules = {
  /** Folders and files that may not change unsigned. */
  paths: string[];
  signers: { text: string } | { path: string };
};

/**
 * Judges heads, each once it is in order; only commits since the last sound one are looked at. A refused one is judged anew: who
 * may sign, and how long, may be written down outside of git.
 */
export function headTrust(
  port: TrustPort,
  desiredAt: (revision: string) => Promise<Result<Desired>>,
): (head: string, refs?: Refs) => Promise<Result<Trusted>> {
  let last: { head: string; trusted: Trusted } | null = null;
  return async (head, refs) => {
    if (last?.head === head) return ok(last.trusted);
    const trusted = await judgeHead(port, desiredAt, head, refs);
    if (trusted.ok && trusted.value.refused === null) last = { head, trusted: trusted.value };
    return trusted;
  };
}

async function judgeHead(
  port: TrustPort,
  desiredAt: (revision: string) => Promise<Result<Desired>>,
  head: string,
  refs: Refs | undefined,
): Promise<Result<Trusted>> {
  const anchor = await port.anchor(refs);
  const start = anchor === null ? await firstStart(port, desiredAt, head) : ok(await port.mergeBase(anchor, head));
  if (!start.ok) return start;
  // Nothing in common with what was sound: nothing of it can be.
  if (start.value === null)
    return anchor === null ? ok({ revision: head, refused: null }) : ok({ revision: anchor, refused: strangers(head) });
  const commits = await port.between(start.value, head);
  if (!commits.ok) return commits;
  const walk = await walkFrom(port, desiredAt, start.value, commits.value);
  if (!walk.ok) return walk;
  const { tainted, culprit } = walk.value;
  const revision = tainted.has(head) ? newestSound(head, start.value, commits.value, walk.value) : head;
  await port.remember(revision);
  return ok({ revision, refused: tainted.has(head) && culprit !== null ? refusal(culprit, revision) : null });
}

/** A clone that never looked begins at the commit that first asked for signatures; null: none are asked for. */
async function firstStart(
  port: TrustPort,
  desiredAt: (revision: string) => Promise<Result<Desired>>,
  head: string,
): Promise<Result<string | null>> {
  const desired = await desiredAt(head);
  if (!desired.ok) return desired;
  if ((desired.value.fleet?.git.verify ?? null) === null) return ok(null);
  return ok((await port.firstWith('allowedSigners', head)) ?? head);
}

type Culprit = { commit: SignedCommit; signature: SignatureOf; paths: string[] };
/** `sound`: those in order that have the start in their history, and the start; `good`: the last of them. */
type Walk = { tainted: Set<string>; sound: Set<string>; culprit: Culprit | null; good: string };

/** Down the branch itself: what was merged into it may be in order, and yet know nothing of what the branch said meanwhile. */
function newestSound(head: string, start: string, commits: readonly SignedCommit[], { sound }: Walk): string {
  const parents = new Map(commits.map((each) => [each.commit, each.parents]));
  let at: string | undefined = head;
  while (at !== undefined && !sound.has(at)) at = parents.get(at)?.[0];
  return at ?? start;
}

async function walkFrom(
  port: TrustPort,
  desiredAt: (revision: string) => Promise<Result<Desired>>,
  start: string,
  commits: SignedCommit[],
): Promise<Result<Walk>> {
  const walk: Walk = { tainted: new Set(), sound: new Set([start]), culprit: null, good: start };
  const after = new Set([start]);
  let rules: Rules | null = null;
  let judged = new Map<string, SignatureOf>();
  let stale = true;
  for (const [i, commit] of commits.entries()) {
    if (stale) {
      const desired = await desiredAt(walk.good);
      if (!desired.ok) return desired;
      rules = rulesOf(desired.value);
      const rest = rules === null ? [] : commits.slice(i).filter((c) => watched(rules, c).length > 0);
      const all =
        rules === null
          ? ok(judged)
          : await port.judge(
              rest.map((c) => c.commit),
              rules.signers,
            );
      if (!all.ok) return all;
      judged = all.value;
      stale = false;
    }
    if (commit.parents.some((parent) => after.has(parent))) after.add(commit.commit);
    const paths = watched(rules, commit);
    const fromSound = commit.parents.every((parent) => !walk.tainted.has(parent));
    if (rules !== null && (paths.length > 0 || !fromSound)) {
      const signature = judged.get(commit.commit) ?? (await judgeOne(port, commit, rules));
      // On top of a refused commit only a signed one that takes the whole of it back is sound again.
      const before = fromSound ? walk.good : newestSound(commit.commit, start, commits, walk);
      const sound = signature === 'good' && (fromSound || (await port.same(before, commit.commit, rules.paths)));
      if (!sound) {
        walk.tainted.add(commit.commit);
        if (fromSound) walk.culprit = { commit, signature, paths };
        continue;
      }
    }
    // Beside what is in force stands an older tree, with the rules of its time: it counts from where it is joined on.
    if (!after.has(commit.commit)) continue;
    walk.sound.add(commit.commit);
    walk.good = commit.commit;
    stale =
      paths.some((path) => isSpecPath(path) || !path.startsWith(`${FLEET_FOLDER}/env/`)) ||
      (rules === null && commit.paths.some(isSpecPath));
  }
  return ok(walk);
}

async function judgeOne(port: TrustPort, { commit }: SignedCommit, rules: Rules): Promise<SignatureOf> {
  const one = await port.judge([commit], rules.signers);
  return (one.ok ? one.value.get(commit) : undefined) ?? 'none';
}

function rulesOf(desired: Desired): Rules | null {
  const file = desired.fleet?.git.verify?.allowedSigners;
  if (file === undefined) return null;
  const bases = desired.instances.flatMap((i) => (i.env === null ? [] : [i.env.basePath]));
  const outside = bases.filter((path) => !path.startsWith(`${FLEET_FOLDER}/`));
  if (file.startsWith('/')) return { paths: [FLEET_FOLDER, ...outside], signers: { path: file } };
  // A file that is not there names nobody: then nothing more is sound.
  return { paths: [FLEET_FOLDER, file, ...outside], signers: { text: desired.files.get(file)?.text ?? '' } };
}

function watched(rules: Rules | null, commit: SignedCommit): string[] {
  if (rules === null) return [];
  return commit.paths.filter((path) => rules.paths.some((own) => path === own || path.startsWith(`${own}/`)));
}

const FOUND: Record<SignatureOf, string> = {
  good: 'is signed, but stands on a commit that is refused',
  unknown: 'is signed with a key that is not among the allowed signers',
  bad: 'has a bad signature',
  none: 'is not signed',
};

function refusal({ commit, signature, paths }: Culprit, revision: string): Problem {
  const more = paths.length > 1 ? ` and ${paths.length - 1} more` : '';
  const who = `${commit.commit.slice(0, 12)} "${commit.subject}" by ${commit.author}`;
  return {
    code: 'git-unverified',
    message: `${who} changes ${paths[0] ?? FLEET_FOLDER}${more} and ${FOUND[signature]}; ${revision.slice(0, 12)} stays in force`,
    hint: `git revert -S ${commit.parents.length > 1 ? '-m 1 ' : ''}${commit.commit.slice(0, 12)} (an allowed signer), then make the change again, signed`,
    retry: 'stalled',
  };
}

function strangers(head: string): Problem {
  return {
    code: 'git-unverified',
    message: `${head.slice(0, 12)} shares no history with the last revision that was in order; that one stays in force`,
    hint: 'reset the clone to a branch that contains it',
    retry: 'stalled',
  };
}
