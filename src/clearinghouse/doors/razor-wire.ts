/** Razor's lines: `key=value&key=value`, values percent-encoded; a batch begins with `-` and ends with a dot. */

export type Sis = ReadonlyMap<string, string>;

/** One line. What is no pair is passed over. */
export function parseSis(line: string): Sis {
  const fields = new Map<string, string>();
  for (const pair of line.replace(/[\r\n]+$/, '').split('&')) {
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

/** The queries of a batch, without its first character and its last line; templates with `?` are filled in. */
export function parseBatch(text: string): readonly Sis[] {
  const lines = text
    .replace(/\r\n\.\r\n$/, '')
    .split(/\r?\n/)
    .filter((line) => line !== '');
  const [template = ''] = lines;
  if (!/=\?(?:&|$)/.test(template)) return lines.map(parseSis);
  return lines.slice(1).map((line) => {
    const values = line.split(',');
    return parseSis(template.replace(/=\?(?=&|$)/g, () => `=${values.shift() ?? ''}`));
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
