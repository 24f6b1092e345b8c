/** Parses reverse-paths and forward-paths. */
import { type Address, parseDomain, parseMailbox } from './address.ts';

/** Why a path was refused. `too-long` is over 256 octets with its brackets (RFC 5321 §4.5.3.1.3). */
export type PathError = { readonly kind: 'syntax' } | { readonly kind: 'too-long' };

/** A reverse-path and the text after its `>`. `null` is `<>`. */
export type ReversePathResult =
  | { readonly kind: 'path'; readonly path: Address | null; readonly rest: string }
  | PathError;

/** A forward-path and the text after its `>`. `postmaster` is `<Postmaster>`, which has no domain. */
export type ForwardPathResult =
  | { readonly kind: 'path'; readonly path: Address | 'postmaster'; readonly rest: string }
  | PathError;

const maxPathOctets = 256;
const syntax: PathError = { kind: 'syntax' };
const tooLong: PathError = { kind: 'too-long' };

/**
 * Parses the argument after `FROM:`. Spaces before the bracket are tolerated, a source route is read and dropped (RFC
 * 5321 §4.1.2, appendix C). UTF-8 is accepted here; whether the transaction allows it is known only when its
 * parameters are (`needsSmtputf8`).
 */
export function parseReversePath(text: string): ReversePathResult {
  const cut = cutPath(text);
  if ('kind' in cut) return cut;
  if (cut.inner === '') return { kind: 'path', path: null, rest: cut.rest };
  const path = parseInner(cut.inner);
  return path === undefined ? syntax : { kind: 'path', path, rest: cut.rest };
}

/** Parses the argument after `TO:`, as `parseReversePath` does; `<>` is an error, `<Postmaster>` is not. */
export function parseForwardPath(text: string): ForwardPathResult {
  const cut = cutPath(text);
  if ('kind' in cut) return cut;
  if (cut.inner.length === 10 && cut.inner.toLowerCase() === 'postmaster')
    return { kind: 'path', path: 'postmaster', rest: cut.rest };
  const path = parseInner(cut.inner);
  return path === undefined ? syntax : { kind: 'path', path, rest: cut.rest };
}

/** The text between the brackets and after them. A `>` in quotes does not close. */
function cutPath(text: string): { readonly inner: string; readonly rest: string } | PathError {
  let start = 0;
  while (text[start] === ' ') start++;
  if (text[start] !== '<') return syntax;
  const end = closingBracket(text, start + 1);
  if (end < 0) return syntax;
  const rest = text.slice(end + 1);
  if (rest !== '' && rest[0] !== ' ') return syntax;
  // A code unit is at most three octets, so most paths need no counting.
  const units = end + 1 - start;
  if (units * 3 > maxPathOctets && Buffer.byteLength(text.slice(start, end + 1)) > maxPathOctets)
    return tooLong;
  return { inner: text.slice(start + 1, end), rest };
}

function closingBracket(text: string, from: number): number {
  const first = text.indexOf('>', from);
  const quote = text.indexOf('"', from);
  if (quote < 0 || quote > first) return first;
  let isQuoted = false;
  for (let i = from; i < text.length; i++) {
    const char = text[i];
    if (isQuoted && char === '\\') i++;
    else if (char === '"') isQuoted = !isQuoted;
    else if (char === '>' && !isQuoted) return i;
  }
  return -1;
}

function parseInner(inner: string): Address | undefined {
  if (!inner.startsWith('@')) return parseMailbox(inner, { smtputf8: true });
  // A source route: every hop must be a domain, though none is used.
  const colon = routeEnd(inner);
  if (colon < 0) return undefined;
  const hops = inner.slice(0, colon).split(',');
  if (!hops.every((hop) => hop.startsWith('@') && parseDomain(hop.slice(1)) !== undefined)) return undefined;
  return parseMailbox(inner.slice(colon + 1), { smtputf8: true });
}

/** The colon that ends a source route; those of IPv6 literals do not. */
function routeEnd(inner: string): number {
  let isLiteral = false;
  for (let i = 0; i < inner.length; i++) {
    const char = inner[i];
    if (char === '[') isLiteral = true;
    else if (char === ']') isLiteral = false;
    else if (char === ':' && !isLiteral) return i;
  }
  return -1;
}
