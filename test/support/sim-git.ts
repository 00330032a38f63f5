/** A clone and its remote in memory: linear history, one branch. Moves and pushes are single effects that may be cut off. */
import { createHash } from 'node:crypto';
import { fail, type Problem } from '../../src/core/problem.ts';
import { parseLog } from '../../src/core/trail/parse.ts';
import type { TrailEntry } from '../../src/core/trail/types.ts';
import type { TreeFile } from '../../src/shell/desired.ts';
import type { FleetGit } from '../../src/shell/fleet-git.ts';
import type { Life, SimLoop } from './sim-loop.ts';

export type SimCommit = {
  id: string;
  parent: SimCommit | null;
  depth: number;
  tree: ReadonlyMap<string, TreeFile>;
  files: { path: string; text: string | null }[];
  message: string;
  entry: TrailEntry;
};

export const OUR_EMAIL = 'mmfleet@localhost';
export const PERSON = { name: 'Ada', email: 'ada@example.org' };

/** What may go wrong with the remote now. */
export type RemoteMood = { away: boolean; refuses: boolean; lostAnswer: number };

export class SimGit {
  readonly #loop: SimLoop;
  readonly commits = new Map<string, SimCommit>();
  local: SimCommit;
  remote: SimCommit;
  /** The remote's head as the clone last saw it. */
  seen: SimCommit | null = null;
  mood: RemoteMood = { away: false, refuses: false, lostAnswer: 0 };
  /** Commits and pushes of mmfleet so far. */
  changes = 0;

  constructor(loop: SimLoop, files: Record<string, string>) {
    this.#loop = loop;
    const first = this.#make(
      null,
      Object.entries(files).map(([path, text]) => ({ path, text })),
      {
        message: 'fleet: four markets',
        author: PERSON,
        authorTs: null,
        committer: PERSON.email,
      },
    );
    this.local = first;
    this.remote = first;
    this.seen = first;
  }

  /** A person's commit, pushed to the remote from elsewhere. */
  pushByHand(files: { path: string; text: string | null }[], message: string): void {
    this.remote = this.#make(this.remote, files, { message, author: PERSON, authorTs: null, committer: PERSON.email });
    this.#loop.note(`person pushes "${message.split('\n')[0]}"`);
  }

  text(commit: SimCommit, path: string): string | null {
    return commit.tree.get(path)?.text ?? null;
  }

  isAncestor(ancestor: SimCommit, descendant: SimCommit): boolean {
    let at: SimCommit | null = descendant;
    while (at !== null && at.depth > ancestor.depth) at = at.parent;
    return at === ancestor;
  }

  /** Newest first, from the clone's head. */
  trail(): TrailEntry[] {
    const entries: TrailEntry[] = [];
    for (let at: SimCommit | null = this.local; at !== null; at = at.parent) entries.push(at.entry);
    return entries;
  }

  port(life: Life): FleetGit {
    const commit = (id: string) => this.commits.get(id);
    const refs: FleetGit['refs'] = async () => ({
      ok: true,
      value: { branch: 'main', head: this.local.id, own: new Map() },
    });
    return {
      refs,
      refsAsTheyAre: refs,
      branchHead: async () => this.local.id,
      head: async () => ({ ok: true, value: this.local.id }),
      isAncestor: async (a, d) => {
        const [ancestor, descendant] = [commit(a), commit(d)];
        return ancestor !== undefined && descendant !== undefined && this.isAncestor(ancestor, descendant);
      },
      dirty: async () => ({ ok: true, value: [] }),
      fileAt: async (id, path) => commit(id)?.tree.get(path)?.text ?? null,
      remoteHead: async () => this.seen?.id ?? null,
      sync: () => life.effect('git sync', 'read', () => this.#sync('rebase')),
      publish: (options) => this.#publish(life, options),
    };
  }

  #sync(leftovers: 'rebase' | 'drop'): Awaited<ReturnType<FleetGit['sync']>> {
    const { local: here, remote: there } = this;
    const done = (head: SimCommit) => {
      this.local = head;
      this.seen = there;
      return { ok: true as const, value: { remote: 'ok' as const, head: head.id, remoteHead: there.id, notes: [] } };
    };
    if (this.mood.away)
      return {
        ok: true,
        value: {
          remote: 'away',
          head: here.id,
          remoteHead: this.seen?.id ?? null,
          notes: [problem('git-remote-away')],
        },
      };
    if (this.isAncestor(here, there)) return done(there);
    if (this.isAncestor(there, here) && leftovers === 'rebase') return done(here);
    return done(leftovers === 'drop' ? there : (this.#replayed(here, there) ?? there));
  }

  /** Our unpushed commits on top of the remote; null: a path was changed on both sides. */
  #replayed(here: SimCommit, there: SimCommit): SimCommit | null {
    const ours: SimCommit[] = [];
    let base = here;
    while (!this.isAncestor(base, there)) {
      ours.unshift(base);
      base = base.parent!;
    }
    const touched = ours.flatMap((c) => c.files.map((f) => f.path));
    if (touched.some((path) => base.tree.get(path)?.blob !== there.tree.get(path)?.blob)) return null;
    return ours.reduce(
      (top, each) =>
        this.#make(top, each.files, {
          message: each.message,
          author: { name: each.entry.authorName, email: each.entry.authorEmail },
          authorTs: each.entry.authorTs,
          committer: OUR_EMAIL,
        }),
      there,
    );
  }

  async #publish(life: Life, options: Parameters<FleetGit['publish']>[0]): ReturnType<FleetGit['publish']> {
    let subjects: string[] = [];
    for (let attempt = 1; ; attempt += 1) {
      const built = await options.build(this.local.id);
      if (!built.ok) return built;
      const made = await life.effect('git commit', 'local', () => {
        const before = this.local;
        for (const plan of built.value) {
          const files = plan.files.filter((f) => (this.local.tree.get(f.path)?.text ?? null) !== f.text);
          if (files.length === 0) continue;
          this.local = this.#make(this.local, files, {
            message: plan.message,
            author: plan.author ?? options.author,
            authorTs: plan.at === null ? null : Math.floor(plan.at),
            committer: OUR_EMAIL,
          });
          this.changes += 1;
          subjects.push(plan.message.split('\n')[0] ?? '');
          this.#loop.note(`commit "${plan.message.split('\n')[0]}"`);
        }
        return this.local !== before;
      });
      if (!options.push || (!made && this.local === this.seen)) return { ok: true, value: subjects };
      const pushed = this.local;
      const lost = this.#loop.dice.chance(this.mood.lostAnswer);
      await life.effect('git push', 'network', () => {
        if (this.mood.away || this.mood.refuses || this.remote === pushed) return;
        if (!this.isAncestor(this.remote, pushed)) return;
        this.remote = pushed;
        this.changes += 1;
      });
      const there = await life.effect('git ls-remote', 'read', () => (this.mood.away || lost ? null : this.remote));
      if (there === null) return fail(problem('git-remote-away'));
      if (there === pushed) {
        this.seen = there;
        return { ok: true, value: subjects };
      }
      const refused = this.isAncestor(there, pushed);
      const kept = subjects;
      await life.effect('git sync', 'read', () => this.#sync('drop'));
      if (refused) return fail(problem('git-push-refused'));
      if (attempt === 6) return fail(problem('git-push-lost'));
      subjects = this.isAncestor(pushed, this.local) ? kept : [];
      await options.clock.sleep(this.#loop.dice.whole(0, 200));
    }
  }

  #make(
    parent: SimCommit | null,
    files: SimCommit['files'],
    by: { message: string; author: { name: string; email: string }; authorTs: number | null; committer: string },
  ): SimCommit {
    const tree = new Map(parent?.tree ?? []);
    const statuses = files.map(({ path, text }) => {
      const status = text === null ? 'D' : tree.has(path) ? 'M' : 'A';
      if (text === null) tree.delete(path);
      else tree.set(path, { path, text, blob: hash(text) });
      return `${status}\0${path}\0`;
    });
    const ts = Math.floor(this.#loop.nowMs / 1000);
    const id = hash(JSON.stringify([parent?.id, files, by, ts]));
    const known = this.commits.get(id);
    if (known !== undefined) return known;
    const { name, email } = by.author;
    const fields = [id, parent?.id ?? '', name, email, String(by.authorTs ?? ts), String(ts), by.message];
    const log = `${fields.join('\0')}\0${statuses.join('')}`;
    const entry = parseLog(log, { under: '', ourEmail: OUR_EMAIL })[0]!;
    const made = { id, parent, depth: (parent?.depth ?? 0) + 1, tree, files, message: by.message, entry };
    this.commits.set(id, made);
    return made;
  }
}

const hash = (text: string) => createHash('sha1').update(text).digest('hex');

const problem = (code: string): Problem => ({ code, message: `simulated ${code}`, retry: 'backoff' });
