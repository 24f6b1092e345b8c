/** The authentication protocol of Dovecot, version 1: its lines and their escapes. */

/** Reads Dovecot's answers to our requests (its authentication protocol, version 1). */
export type DovecotReply =
  | { readonly kind: 'ok'; readonly id: number; readonly fields: ReadonlyMap<string, string> }
  | { readonly kind: 'fail'; readonly id: number; readonly fields: ReadonlyMap<string, string> }
  | { readonly kind: 'continue'; readonly id: number; readonly challenge: Buffer };

/** A line of the server. */
export type DovecotLine =
  | DovecotReply
  | { readonly kind: 'version'; readonly major: number }
  | { readonly kind: 'mechanism'; readonly name: string; readonly flags: readonly string[] }
  | { readonly kind: 'done' }
  /** Commands of later versions are passed over. */
  | { readonly kind: 'other' }
  | { readonly kind: 'invalid' };

const invalid: DovecotLine = { kind: 'invalid' };

/** Parses one line without its LF. Fields are parted by tabs; `\1t`, `\1n`, `\1r`, `\10` and `\11` are escapes. */
export function parseDovecotLine(line: string): DovecotLine {
  const [command = '', ...words] = line.split('\t');
  switch (command) {
    case 'VERSION':
      return /^\d{1,5}$/.test(words[0] ?? '') ? { kind: 'version', major: Number(words[0]) } : invalid;
    case 'MECH':
      return words[0] ? { kind: 'mechanism', name: words[0].toUpperCase(), flags: words.slice(1) } : invalid;
    case 'DONE':
      return { kind: 'done' };
    case 'OK':
    case 'FAIL':
    case 'CONT':
      return parseReply(command, words);
    default:
      return /^[A-Z0-9_-]{1,30}$/.test(command) ? { kind: 'other' } : invalid;
  }
}

function parseReply(
  command: 'OK' | 'FAIL' | 'CONT',
  [number = '', ...words]: readonly string[],
): DovecotLine {
  if (!/^\d{1,10}$/.test(number)) return invalid;
  const id = Number(number);
  if (command === 'CONT') {
    const text = words[0] ?? '';
    if (words.length > 1 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return invalid;
    return { kind: 'continue', id, challenge: Buffer.from(text, 'base64') };
  }
  const fields = new Map<string, string>();
  for (const word of words) {
    const at = word.indexOf('=');
    fields.set(at < 0 ? word : word.slice(0, at), at < 0 ? '' : unescapeDovecot(word.slice(at + 1)));
  }
  return { kind: command === 'OK' ? 'ok' : 'fail', id, fields };
}

const escapes: Readonly<Record<string, string>> = { '0': '\0', '1': '\x01', t: '\t', r: '\r', n: '\n' };

function unescapeDovecot(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it is the escape of the protocol
  return text.replace(/\x01([01trn])/g, (_, letter: string) => escapes[letter] ?? '');
}

export function escapeDovecot(text: string): string {
  const letters = new Map(Object.entries(escapes).map(([letter, octet]) => [octet, letter]));
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what has to be escaped
  return text.replace(/[\0\x01\t\r\n]/g, (octet) => `\x01${letters.get(octet)}`);
}
