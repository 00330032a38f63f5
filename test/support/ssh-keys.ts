/** Real ssh keys for tests of signatures. */
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'vitest';

const present = spawnSync('ssh-keygen', ['-?']).error === undefined;

/** A test that needs ssh-keygen; without it the test is skipped, and its name says why. */
export function signedTest(name: string, work: () => Promise<void>, timeoutMs = 60_000): void {
  if (present) test(name, work, timeoutMs);
  else test.skip(`${name} (skipped: ssh-keygen is not installed, apt package openssh-client)`, work, timeoutMs);
}

/** Writes an ed25519 key pair to `path` and `path.pub`; returns the line of an allowed-signers file for it. */
export function newKey(path: string, email: string): string {
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', email, '-f', path]);
  return `${email} ${readFileSync(`${path}.pub`, 'utf8').trim()}\n`;
}
