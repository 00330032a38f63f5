/**
 * Runs the simulated venue: `venue-main.js WORLD_DIR SECRETS_FILE [--keep]`; writes its address to `venue.url` in the world
 * folder. Without `--keep` it ends when its standard input closes.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from '../../core/env/read.ts';
import { startVenue } from './venue.ts';

const [worldDir, secretsFile, keep] = process.argv.slice(2);
if (worldDir === undefined || secretsFile === undefined) throw new Error('usage: venue-main.js WORLD_DIR SECRETS_FILE');
const key = parseEnv(readFileSync(secretsFile, 'utf8'), secretsFile).values['MM_API_KEY'];
if (key === undefined) throw new Error(`${secretsFile} has no MM_API_KEY`);

void startVenue(key).then((venue) => {
  writeFileSync(join(worldDir, 'venue.url.new'), `${venue.url}\n`);
  renameSync(join(worldDir, 'venue.url.new'), join(worldDir, 'venue.url'));
});

if (keep !== '--keep') process.stdin.resume().on('end', () => process.exit(0));
