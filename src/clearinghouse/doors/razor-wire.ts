/** Razor's lines: `key=value&key=value`, values percent-encoded; a batch begins with `-` and ends with a dot. */
import { trimmedEnd } from '../content/spans.ts';

export type Sis = ReadonlyMap<string, string>;

/** Bounds of one line. Clients send eight pairs, and no more than a few hundred characters. */
const [maxFields, maxCharacters] = [32, 4096] as const;
const batchEnd = '\r\n.\r\n';

/** Parses one line. A malformed pair, or one beyond the bound, is ignored. */
export function parseSis(line: string): Sis {
  const fields = new Map<string, string>();
  for (const pair of trimmedEnd(line.slice(0, maxCharacters), '\r\n').split('&', maxFields)) {
    const at = pair.indexOf('=');
    if (at > 0) fields.set(pair.slice(0, at), percentDecoded(pair.slice(at + 1)));
  }
  return fields;
}

export function formatSis(fields: Readonly<Record<string, string | number>>): string {
  return Object.keys(fields)
    .sort((a, b) => (a < b ? -1 : 1))
    .map((key) => `${key}=${percentEncoded(String(fields[key]))}`)
    .join('&');
}

/**
 * The queries of a batch, so many at most, without its first character; templates with `?` are filled in.
 */
export function parseBatch(text: string, max: number): readonly Sis[] {
  const all = text.endsWith(batchEnd) ? text.slice(0, -batchEnd.length) : text;
  // The queries that count are in there; the rest is not worth taking apart.
  const begun = all.slice(0, (1 + max) * maxCharacters);
  const lines = begun.split(/\r?\n/).filter((line) => line !== '');
  const [template = ''] = lines;
  if (!/=\?(?:&|$)/.test(template)) return lines.slice(0, max).map(parseSis);
  const pairs = template.slice(0, maxCharacters).split('&', maxFields);
  return lines.slice(1, 1 + max).map((line) => {
    const values = line.split(',', maxFields).values();
    const filled = pairs.map((pair) =>
      pair.endsWith('=?') ? `${pair.slice(0, -1)}${values.next().value ?? ''}` : pair,
    );
    return parseSis(filled.join('&'));
  });
}

export function formatReplies(replies: readonly string[]): string {
  return replies.length === 1 ? `${replies[0]}\r\n` : `-${replies.join('\r\n')}\r\n.\r\n`;
}

function percentEncoded(text: string): string {
  return text.replace(
    /[^A-Za-z0-9\-_.~]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );
}

function percentDecoded(text: string): string {
  return text.replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}
