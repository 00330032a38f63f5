/** Who runs this command, as git knows them. */
import type { Repo } from './git.ts';
import type { Person } from './git-commit.ts';
import { runGit } from './git-run.ts';

/** `user.name` and `user.email`; null when either is not configured. */
export async function gitUser(repo: Repo): Promise<Person | null> {
  const read = async (key: string) => {
    const end = await runGit({ cwd: repo.root, args: ['config', '--get', key] });
    return end.code === 0 ? end.stdout.toString('utf8').trim() : '';
  };
  const [name, email] = await Promise.all([read('user.name'), read('user.email')]);
  return name === '' || email === '' ? null : { name, email };
}
