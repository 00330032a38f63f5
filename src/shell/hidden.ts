/** What may be shown: no secret value that this process has read, and no character that moves a terminal. */
import { isSecretKey } from '../core/env/keys.ts';

/** Every spelling of every secret read so far -> nothing else is kept of it. */
const spellings = new Set<string>();
/** Values too short to be searched for anywhere: they are hidden behind the name of a secret key. */
const shortValues = new Set<string>();

const SHORT_CHARS = 8;

/** From now on these values are cut out of everything that `shown` lets pass. */
export function hide(values: Iterable<string>): void {
  for (const raw of values) {
    const value = raw.trim();
    if (value === '') continue;
    if (value.length < SHORT_CHARS) shortValues.add(value);
    else for (const spelling of spellingsOf(value)) spellings.add(spelling);
  }
}

/** The text without secrets, in which only `\n`, tabs and (with `color`) plain colours act on a terminal. */
export function shown(text: string, color: boolean): string {
  return harmless(masked(text), color);
}

/** The text with every hidden value as `***`. */
export function masked(text: string): string {
  let result = text;
  for (const spelling of spellings) result = result.replaceAll(spelling, MASK);
  if (shortValues.size === 0) return result;
  return result.replace(
    /([A-Za-z_]\w{0,63})(["']?[ \t]*[=:][ \t]*["']?)([^\s"',;}\])&#]{1,7})/g,
    (all, name, sign, value) => (shortValues.has(value) && isSecretKey(name) ? `${name}${sign}${MASK}` : all),
  );
}

const MASK = '***';

function spellingsOf(value: string): string[] {
  const bytes = Buffer.from(value, 'utf8');
  const hex = bytes.toString('hex');
  const bare = (base64: string) => base64.replace(/=+$/, '');
  return [
    value,
    JSON.stringify(value).slice(1, -1),
    encodeURIComponent(value),
    bare(bytes.toString('base64')),
    bytes.toString('base64url'),
    hex,
    hex.toUpperCase(),
  ];
}

/** Control characters, line separators and marks that turn the direction of writing, as `\u001b`: JSON stays JSON. */
function harmless(text: string, color: boolean): string {
  return text.replace(ACTING, (found, code: string | undefined) => {
    if (code !== undefined) return color && OUR_COLOURS.includes(code) ? found : '';
    return `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

const OUR_COLOURS = ['0', '1', '2', '22', '31', '32', '33'];

/** A colour code as a whole, or one acting character. */
const ACTING =
  /\u001b\[([0-9;]{0,20})m|[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
