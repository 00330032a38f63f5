/** The last look before a commit: is any known secret value in these bytes, in any usual spelling? */

/** `key` names it in reports; `value` is never reported. */
export type KnownSecret = { key: string; value: string };

export type SecretForm = 'plain' | 'base64' | 'base64url' | 'hex' | 'url-encoded';

/** 1-based line; never the value. */
export type SecretHit = { file: string; line: number; key: string; form: SecretForm };

/** Values shorter than this count only as a whole value after `=` or `:`. */
const SHORT_CHARS = 8;

/** Every place where a known value stands; empty: none. Blank values are no secrets. */
export function findSecrets(files: { path: string; text: string }[], secrets: readonly KnownSecret[]): SecretHit[] {
  const needles = secrets.flatMap(needlesOf);
  return files.flatMap((file) => {
    const texts = { asIs: file.text, lower: file.text.toLowerCase(), decoded: percentDecoded(file.text) };
    const hits = needles.flatMap((needle) => {
      const index = placeOf(texts[needle.within], needle);
      if (index < 0) return [];
      const line = lineAt(texts[needle.within], index);
      return [{ file: file.path, line, key: needle.key, form: needle.form }];
    });
    return hits.filter((hit, i) => hits.findIndex((other) => other.key === hit.key && other.line === hit.line) === i);
  });
}

type Needle = { key: string; form: SecretForm; text: string; within: 'asIs' | 'lower' | 'decoded'; whole: boolean };

function needlesOf(secret: KnownSecret): Needle[] {
  const value = secret.value.trim();
  if (value === '') return [];
  const whole = value.length < SHORT_CHARS;
  const bytes = Buffer.from(value, 'utf8');
  const make = (form: SecretForm, within: Needle['within'], text: string): Needle => ({
    key: secret.key,
    form,
    text,
    within,
    whole,
  });
  const plain = [make('plain', 'asIs', value), make('url-encoded', 'decoded', value)];
  // A JSON or YAML string writes a quote, a backslash or a line end of the value as an escape.
  const escaped = JSON.stringify(value).slice(1, -1);
  if (escaped !== value) plain.push(make('plain', 'asIs', escaped));
  // A hex value is the same value in capitals, and with or without its 0x.
  const bare = value.toLowerCase().replace(/^0x/, '');
  if (!whole && /^[0-9a-f]{8,}$/.test(bare) && /[a-f]/.test(bare)) plain.push(make('plain', 'lower', bare));
  const hex = make('hex', 'lower', bytes.toString('hex'));
  const encoded = whole
    ? [make('base64', 'asIs', bytes.toString('base64')), make('base64url', 'asIs', bytes.toString('base64url'))]
    : insideBase64(bytes, make);
  // The code of one to three characters is too short to mean anything: `31` is a number far more often than a "1".
  return [...plain, ...[...encoded, hex].filter((needle) => needle.text.length >= SHORT_CHARS)];
}

/** The value may stand anywhere inside a longer encoded text: its code for each of the three byte alignments. */
function insideBase64(bytes: Buffer, make: (form: SecretForm, within: 'asIs', text: string) => Needle): Needle[] {
  return [0, 1, 2].flatMap((shift) => {
    const padded = Buffer.concat([Buffer.alloc(shift), bytes]);
    // Characters that also carry bits of the neighbours are cut off at both ends.
    const start = Math.ceil((shift * 8) / 6);
    const end = Math.floor((padded.length * 8) / 6);
    const base64 = padded.toString('base64').slice(start, end);
    const base64url = padded.toString('base64url').slice(start, end);
    return base64 === base64url
      ? [make('base64', 'asIs', base64)]
      : [make('base64', 'asIs', base64), make('base64url', 'asIs', base64url)];
  });
}

function placeOf(text: string, needle: Needle): number {
  for (let index = text.indexOf(needle.text); index >= 0; index = text.indexOf(needle.text, index + 1)) {
    if (!needle.whole || standsAlone(text, index, needle.text.length)) return index;
  }
  return -1;
}

function standsAlone(text: string, index: number, length: number): boolean {
  const before = text.slice(Math.max(0, index - 64), index);
  const after = text.slice(index + length, index + length + 1);
  return /[=:][ \t]*["']?$/.test(before) && /^(?:$|[\s"',;}\])&#])/.test(after);
}

/** Percent codes as the bytes they mean, `+` as it is; line ends keep their places unless coded. */
function percentDecoded(text: string): string {
  return text.replace(/(?:%[0-9A-Fa-f]{2})+/g, (codes) =>
    Buffer.from(codes.replaceAll('%', ''), 'hex').toString('utf8'),
  );
}

function lineAt(text: string, index: number): number {
  let line = 1;
  for (let at = text.indexOf('\n'); at >= 0 && at < index; at = text.indexOf('\n', at + 1)) line++;
  return line;
}
