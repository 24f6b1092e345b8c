/** Takes secrets out of peers' texts, in any form in which they were sent. */

/** Stands for a secret. */
const hidden = '***';
/** The number of characters of a secret in a row that reveal it; fewer in an encoded one. */
const plainLength = 8;
const encodedLength = 6;

/** The secrets of one login. */
export interface Secrets {
  /** As they are: a password, a token. */
  readonly plain: readonly string[];
  /** Encoded, as they were sent: base 64 of a whole response. */
  readonly encoded?: readonly string[];
}

/** Replaces secrets by `***`. `quick` looks for whole ones only, and costs next to nothing. */
export interface Redactor {
  readonly redact: (text: string) => string;
  readonly quick: (text: string) => string;
}

/** Pieces of secrets by their length. */
type Needles = ReadonlyMap<number, ReadonlySet<string>>;

/**
 * Returns a function that removes these secrets from a text: plain, in base 64 (at every offset, for it may have been
 * encoded anew with something before it), hexadecimal or percent-encoding, in any letter case, whole or cut off, down
 * to eight characters (six of an encoded one).
 */
export function redactor(secrets: Secrets): Redactor {
  const whole = [...secrets.plain, ...(secrets.encoded ?? [])].filter(
    ({ length }) => length >= encodedLength,
  );
  let needles: Needles | undefined;
  const redact = (text: string) => {
    needles ??= needlesOf(secrets);
    return hide(text, needles);
  };
  return { redact, quick: (text) => (whole.some((secret) => text.includes(secret)) ? redact(text) : text) };
}

function needlesOf({ plain, encoded = [] }: Secrets): Needles {
  const needles = new Map<number, Set<string>>();
  const add = (text: string, length: number) => {
    const size = Math.min(text.length, length);
    const set = needles.get(size) ?? new Set<string>();
    needles.set(size, set);
    for (let at = 0; at + size <= text.length; at++) set.add(alike(text.slice(at, at + size)));
  };
  for (const secret of plain) {
    if (secret === '') continue;
    for (const text of [secret, ...asReplies(secret)]) add(text, plainLength);
    for (const text of encodings(secret)) if (text.length >= encodedLength) add(text, encodedLength);
  }
  for (const text of encoded) add(text, encodedLength);
  return needles;
}

/** As programs write it that support ASCII only, and as in a form. */
function asReplies(secret: string): readonly string[] {
  const raw = Buffer.from(secret, 'utf8').toString('latin1');
  const inForm = encodeURIComponent(secret.toWellFormed());
  const forms = [secret.replace(/[^ -~]/gu, '?'), raw, raw.replace(/[^ -~]/g, '?'), inForm];
  return forms.filter((form) => form !== secret);
}

function encodings(secret: string): readonly string[] {
  const octets = Buffer.from(secret, 'utf8');
  const base64 = [0, 1, 2].map((before) => {
    const text = Buffer.concat([Buffer.alloc(before), octets])
      .toString('base64')
      .replace(/=+$/, '');
    // The first and the last character also encode bits of the text beside the secret.
    return text.slice(before === 0 ? 0 : before + 1, (before + octets.length) % 3 === 0 ? undefined : -1);
  });
  return [...base64, octets.toString('hex')];
}

/** Letter case and the alphabet of base 64 make no difference. */
function alike(text: string): string {
  return text.toLowerCase().replace(/-/g, '+').replace(/_/g, '/');
}

function hide(text: string, needles: Needles): string {
  const searched = alike(text);
  // Some characters have a lower case of another length; there every one counts as itself.
  const found = searched.length === text.length ? searched : text;
  let out = '';
  let kept = 0;
  for (let at = 0; at < found.length; at++) {
    const end = endOf(found, at, needles);
    if (end === undefined) continue;
    const from = wordStart(text, at, kept);
    out += text.slice(kept, from) + hidden;
    kept = wordEnd(text, end);
    at = kept - 1;
  }
  return out + text.slice(kept);
}

/** Where the run of pieces of secrets ends that begins at this place. */
function endOf(text: string, begin: number, needles: Needles): number | undefined {
  let end: number | undefined;
  for (let at = begin; at <= (end ?? begin) && at < text.length; at++) {
    for (const [size, set] of needles) {
      if (set.has(text.slice(at, at + size)) && isWhole(text, at, size)) end = Math.max(end ?? 0, at + size);
    }
  }
  return end;
}

/** A secret of up to three characters counts as a word of its own only: every text would be full of it. */
function isWhole(text: string, at: number, size: number): boolean {
  if (size > 3) return true;
  return !isWordly(text[at - 1]) && !isWordly(text[at + size]);
}

function isWordly(char: string | undefined): boolean {
  return char !== undefined && /[\p{L}\p{N}+/_-]/u.test(char);
}

function wordStart(text: string, at: number, floor: number): number {
  let from = at;
  while (from > floor && isWordly(text[from - 1])) from--;
  return from;
}

function wordEnd(text: string, at: number): number {
  let end = at;
  while (isWordly(text[end]) || text[end] === '=') end++;
  return end;
}
