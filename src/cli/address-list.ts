/** Reads the address fields of local mail, as sendmail accepts them. */
import { isAscii, parseMailbox } from '../mail/index.ts';

/**
 * The addresses in the value of an address field (RFC 5322 §3.4): mailboxes and members of groups, without display
 * names and comments, each as it was written (`"a b"@example.org`, `root`). Malformed text comes out as it stands, so
 * that the parser of addresses can refuse it by name: this one finds recipients, while `parseAddressList` of `mail`
 * finds authors, and refuses ambiguous lists.
 */
export function listedAddresses(value: string): string[] {
  const found: string[] = [];
  let plain = '';
  let angle: string | undefined;
  const flush = () => {
    const text = angle ?? plain.trim();
    if (angle !== undefined || text !== '') found.push(withoutRoute(text));
    plain = '';
    angle = undefined;
  };
  for (const token of tokens(value)) {
    if (token.startsWith('(')) continue;
    if (token === ',' || token === ';') flush();
    else if (token === ':') plain = '';
    else if (token.startsWith('<') && token.endsWith('>')) angle = token.slice(1, -1);
    else if (/^\s+$/.test(token)) plain += plain.endsWith(' ') ? '' : ' ';
    else plain += token;
  }
  flush();
  return found.map(withoutBlanks).filter((address) => address !== '');
}

/**
 * The value of an address field with `host` behind the names that have no domain (`root`, `Anna <anna>`). Everything
 * else stays as it is, octet for octet.
 */
export function qualifyAddressList(value: string, host: string): string {
  let text = '';
  let entry: string[] = [];
  for (const token of tokens(value)) {
    if (token === ',' || token === ';') {
      text += qualifyEntry(entry, host) + token;
      entry = [];
    } else if (token === ':') {
      // The name of a group.
      text += entry.join('') + token;
      entry = [];
    } else entry.push(token);
  }
  return text + qualifyEntry(entry, host);
}

function qualifyEntry(entry: readonly string[], host: string): string {
  const angle = entry.find((token) => token.startsWith('<') && token.endsWith('>'));
  const words = entry.filter((token) => !/^(?:\s|\()/.test(token));
  const name = angle ?? (words.length === 1 ? words[0] : undefined);
  const text = angle === undefined ? name : angle.slice(1, -1).trim();
  if (text === undefined || !isAscii(text) || isAddress(text) || !isAddress(`${text}@${host}`))
    return entry.join('');
  const whole = angle === undefined ? `${text}@${host}` : `<${text}@${host}>`;
  return entry.map((token) => (token === name ? whole : token)).join('');
}

function isAddress(text: string): boolean {
  return parseMailbox(text, { smtputf8: true }) !== undefined;
}

/** Quoted strings, domain literals, comments and angle brackets whole; the rest in runs. */
function* tokens(value: string): Generator<string> {
  let at = 0;
  while (at < value.length) {
    const end = tokenEnd(value, at);
    yield value.slice(at, end);
    at = end;
  }
}

function tokenEnd(value: string, start: number): number {
  const char = value[start];
  if (char === '"') return closing(value, start, '"');
  if (char === '[') return closing(value, start, ']');
  if (char === '<') return closing(value, start, '>');
  if (char === '(') return commentEnd(value, start);
  if (char === ',' || char === ';' || char === ':') return start + 1;
  const run = /\s+|[^\s"[<(,;:]+|./suy;
  run.lastIndex = start;
  return start + (run.exec(value)?.[0].length ?? 1);
}

/** The index after the character that closes what opens at `start`; quoted pairs and strings are skipped. */
function closing(value: string, start: number, close: string): number {
  for (let i = start + 1; i < value.length; i++) {
    if (value[i] === '\\') i++;
    else if (value[i] === close) return i + 1;
    else if (value[i] === '"' && close === '>') i = closing(value, i, '"') - 1;
  }
  return value.length;
}

function commentEnd(value: string, start: number): number {
  let depth = 0;
  for (let i = start; i < value.length; i++) {
    if (value[i] === '\\') i++;
    else if (value[i] === '(') depth++;
    else if (value[i] === ')' && --depth === 0) return i + 1;
  }
  return value.length;
}

/** `@a,@b:user@domain` is the obsolete form with a route, which is not used (RFC 5322 §4.4). */
function withoutRoute(text: string): string {
  return /^\s*@[^"]*?:(?!:)(.*)$/s.exec(text)?.[1] ?? text;
}

/** Blanks around the dots and the `@` are the obsolete form (RFC 5322 §4.4); within quotes they count. */
function withoutBlanks(text: string): string {
  return text.trim().replace(/("(?:\\.|[^"\\])*")|\s*([.@])\s*/gs, (_, quoted, mark) => quoted ?? mark);
}
