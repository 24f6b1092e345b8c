/** Parses address lists (RFC 5322 §3.4). */
import { type Address, parseMailbox } from './address.ts';

/**
 * The mailboxes of an address field, each once; an address that stands unquoted before another, where a name should
 * be, counts too. `aside` is the rest of the text (names, comments, names of groups), with a blank for each address.
 */
export type AddressList =
  | { readonly kind: 'list'; readonly mailboxes: readonly Address[]; readonly aside: string }
  /** A mailbox without an address, as in `From: nobody`. */
  | { readonly kind: 'no-address' }
  /** It is not of the grammar, so that two readers may find two things in it. */
  | { readonly kind: 'unclear' };

const noAddress: AddressList = { kind: 'no-address' };
const unclear: AddressList = { kind: 'unclear' };

type Token =
  | { readonly kind: 'word'; readonly text: string; readonly start: number; readonly end: number }
  | { readonly kind: 'quoted' | 'angle'; readonly text: string; readonly start: number; readonly end: number }
  | { readonly kind: ',' | ':' | ';'; readonly start: number; readonly end: number };

/**
 * Reads an unfolded address list (RFC 5322 §3.4, RFC 6854) strictly. It is lenient only where no author changes: dots
 * and brackets in names, empty elements and characters beyond ASCII. Routes, comments within an address and text
 * behind one are unclear. Takes time linear to the text.
 */
export function parseAddressList(text: string): AddressList {
  const tokens = tokenize(text);
  if (tokens === undefined) return unclear;
  const mailboxes: Address[] = [];
  let aside = '';
  let taken = 0;
  let isGroup = false;
  let element: Token[] = [];
  for (const token of [...tokens, undefined]) {
    if (token !== undefined && !isSeparator(token)) {
      element.push(token);
      continue;
    }
    if (token?.kind === ':') {
      if (isGroup || element.length === 0 || !element.every(isName)) return unclear;
      isGroup = true;
    } else {
      const found = mailboxOf(element, text);
      if (found === 'none') return noAddress;
      if (found === 'unclear') return unclear;
      if (found !== undefined) {
        for (const each of found.addresses)
          if (!mailboxes.some(({ text: known }) => known === each.text)) mailboxes.push(each);
        aside += `${text.slice(taken, found.start)} `;
        taken = found.end;
      }
      if (token?.kind === ';' && !isGroup) return unclear;
      if (token?.kind === ';') isGroup = false;
    }
    element = [];
  }
  if (isGroup) return unclear;
  return mailboxes.length === 0 ? noAddress : { kind: 'list', mailboxes, aside: aside + text.slice(taken) };
}

function isSeparator(token: Token): token is Token & { readonly kind: ',' | ':' | ';' } {
  return token.kind === ',' || token.kind === ':' || token.kind === ';';
}

/** A word of a display name: an `@` there makes some readers find an address. */
function isName(token: Token): boolean {
  return token.kind === 'quoted' || (token.kind === 'word' && !token.text.includes('@'));
}

type Found =
  | { readonly addresses: readonly Address[]; readonly start: number; readonly end: number }
  | 'none'
  | 'unclear'
  | undefined;

/** The mailbox between two separators; `undefined` when there is nothing. */
function mailboxOf(tokens: readonly Token[], text: string): Found {
  const last = tokens.at(-1);
  const first = tokens[0];
  if (first === undefined || last === undefined) return undefined;
  if (last.kind === 'angle') {
    const found = addressOf(last.text.replace(/^[ \t]+|[ \t]+$/g, ''), last);
    if (typeof found !== 'object') return found;
    // `anna@example.org <anna@example.org>`: some readers take the first for the address.
    const before = tokens.slice(0, -1).filter((token) => !isName(token));
    const named = before.flatMap((token) => parseMailbox(wordOf(token), { smtputf8: true }) ?? []);
    return named.length < before.length ? 'unclear' : { ...found, addresses: [...found.addresses, ...named] };
  }
  if (tokens.every(isName)) return 'none';
  const [, second] = tokens;
  // `"a b"@example.org` is two tokens without a blank between them.
  const isOne =
    tokens.length === 1 || (tokens.length === 2 && first.kind === 'quoted' && second?.start === first.end);
  return isOne
    ? addressOf(text.slice(first.start, last.end), { start: first.start, end: last.end })
    : 'unclear';
}

/** Some clients put the address that is a name into apostrophes. */
function wordOf(token: Token): string {
  return token.kind === 'word' ? token.text.replace(/^'(.*)'$/, '$1') : '';
}

function addressOf(text: string, { start, end }: { readonly start: number; readonly end: number }): Found {
  const address = parseMailbox(text, { smtputf8: true });
  // Readers decode an encoded word in an address too, and see another one.
  if (address !== undefined && !text.includes('=?')) return { addresses: [address], start, end };
  return text.includes('@') ? 'unclear' : 'none';
}

const special = new Set(['(', ')', '<', '>', ',', ':', ';', '"', '\\', ' ', '\t']);

function tokenize(text: string): Token[] | undefined {
  const tokens: Token[] = [];
  for (let at = 0; at < text.length; ) {
    const char = text[at] ?? '';
    let end: number;
    if (char === ' ' || char === '\t') end = at + 1;
    else if (char === '(') end = commentEnd(text, at);
    else if (char === '"' || char === '<') {
      end = closed(text, at, char === '"' ? '"' : '>');
      const kind = char === '"' ? 'quoted' : 'angle';
      tokens.push({ kind, text: text.slice(at + 1, end - 1), start: at, end });
    } else if (char === ',' || char === ':' || char === ';') {
      end = at + 1;
      tokens.push({ kind: char, start: at, end });
    } else {
      end = wordEnd(text, at);
      tokens.push({ kind: 'word', text: text.slice(at, end), start: at, end });
    }
    // Something that is not closed, or a `)`, `>` or backslash in the open.
    if (end <= at) return undefined;
    at = end;
  }
  return tokens;
}

/** The index after the comment, which may hold others; 0 when it is not closed. */
function commentEnd(text: string, from: number): number {
  let depth = 0;
  for (let at = from; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === '(') depth++;
    else if (text[at] === ')' && --depth === 0) return at + 1;
  }
  return 0;
}

/** The index after the quote or bracket that closes; 0 when there is none. */
function closed(text: string, from: number, closing: '"' | '>'): number {
  let isQuoted = closing === '"';
  for (let at = from + 1; at < text.length; at++) {
    const char = text[at];
    if (isQuoted && char === '\\') at++;
    else if (char === closing && (closing === '"' || !isQuoted)) return at + 1;
    else if (char === '"') isQuoted = !isQuoted;
    else if (char === '<' && !isQuoted) return 0;
  }
  return 0;
}

function wordEnd(text: string, from: number): number {
  let at = from;
  for (; at < text.length; at++) {
    // The colons of `[IPv6:::1]` separate nothing.
    const literalEnd = text[at] === '[' && text[at - 1] === '@' ? text.indexOf(']', at) : -1;
    if (literalEnd > 0) at = literalEnd;
    else if (special.has(text[at] ?? '')) break;
  }
  return at;
}
