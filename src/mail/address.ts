/** Domains, address literals and mailboxes (RFC 5321). */
import { isIPv4, isIPv6 } from 'node:net';
import { domainToASCII, domainToUnicode } from 'node:url';

declare const domainBrand: unique symbol;

/**
 * A domain in its canonical form: lower-case A-labels without a trailing dot (`xn--bcher-kva.example`),
 * or an address literal in brackets (`[192.0.2.1]`, `[IPv6:2001:db8::1]`). Compared with `===`.
 */
export type Domain = string & { readonly [domainBrand]: true };

/**
 * A mailbox (RFC 5321 §4.1.2), parsed once at the edge and never again. `localPart` and `domain` identify it, in
 * whatever form its labels were written.
 */
export interface Address {
  /**
   * As it goes on the wire between the brackets, without a source route. The local part is as it came. The domain is too,
   * but has A-labels where the local part is of ASCII: so only what needs SMTPUTF8 has characters that ask for it.
   */
  readonly text: string;
  /** The local part without quoting: `"a b"@d` has `a b`. Its case is kept; beyond ASCII it is in NFC (RFC 6532 §3.1). */
  readonly localPart: string;
  readonly domain: Domain;
}

/** RFC 5321 §4.5.3.1.1, with the quotes where there are some. */
const maxLocalPartOctets = 64;
/** RFC 5321 §4.5.3.1.2. */
const maxDomainOctets = 255;

const dotString = /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/;
const dotStringUtf8 =
  /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\u{10ffff}-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\u{10ffff}-]+)*$/u;
/** C1 controls, line and paragraph separator, halves of surrogate pairs: valid in no address of ours. */
const harmfulUnicode = /[\u0080-\u009f\u2028\u2029\ud800-\udfff]/u;
/** A last label that some resolvers read as (a part of) an IPv4 address. */
const numericLabel = /(?:^|\.)(?:\d+|0x[0-9a-f]*)$/;

/**
 * Parses a domain or an address literal (RFC 5321 §4.1.2, §4.1.3). U-labels become A-labels. Refused:
 * everything but letters, digits and inner hyphens, empty and over-long labels, a trailing dot, and names
 * whose last label is a number, which would be an IP address in disguise.
 */
export function parseDomain(text: string): Domain | undefined {
  return parseName(isAscii(text) ? text : toAscii(text));
}

/** The same of text that is of ASCII. */
function parseName(ascii: string | undefined): Domain | undefined {
  if (ascii === undefined) return undefined;
  if (ascii.startsWith('[')) return parseLiteral(ascii);
  if (!isHostName(ascii)) return undefined;
  const lower = ascii.toLowerCase();
  return numericLabel.test(lower) ? undefined : (lower as Domain);
}

/** True when the domain is an address literal. */
export function isLiteral(domain: Domain): boolean {
  return domain.startsWith('[');
}

/**
 * Parses a mailbox as it stands between the brackets of a path, without a source route. The local part
 * ends at the first `@` outside quotes, so nothing that follows it can hide in the local part. Characters
 * beyond ASCII are allowed only with `smtputf8` (RFC 6531 §3.3).
 */
export function parseMailbox(text: string, options: { readonly smtputf8: boolean }): Address | undefined {
  if (text.startsWith('"')) return parseQuoted(text, options.smtputf8);
  const at = text.indexOf('@');
  if (at < 1 || at > maxLocalPartOctets) return undefined;
  const localPart = text.slice(0, at);
  if (dotString.test(localPart)) return withDomain(text, localPart, at, options.smtputf8);
  if (!options.smtputf8 || !dotStringUtf8.test(localPart) || !isSafeUtf8(localPart)) return undefined;
  return withDomain(text, localPart.normalize('NFC'), at, true);
}

/**
 * The key that is equal for all spellings of one mailbox. The case of a local part is its domain's business (RFC 5321
 * §2.4): it is ignored for our domains, and by most others.
 */
export function mailboxKey({ localPart, domain }: Address, keepsCase = false): string {
  return `${keepsCase ? localPart : localPart.toLowerCase()}@${domain}`;
}

/** True when the address can only be sent to a peer that offers SMTPUTF8 (RFC 6531). */
export function needsSmtputf8(address: Address): boolean {
  return !isAscii(address.localPart);
}

/** The wire form without characters beyond ASCII: A-labels; `undefined` when the local part has some. */
export function asciiMailbox(address: Address): string | undefined {
  if (isAscii(address.text)) return address.text;
  if (!isAscii(address.localPart)) return undefined;
  return `${address.text.slice(0, address.text.lastIndexOf('@'))}@${address.domain}`;
}

/**
 * True when the local part could be read as a route to somewhere else: `user%there`, `there!user`,
 * `"user@there"` (RFC 2505 §2.1, RFC 5321 §3.6.1). Quoting makes no difference.
 */
export function hidesRoute(address: Address): boolean {
  return /[%!@]/.test(address.localPart);
}

/** Quotes a local part where it needs quoting (RFC 5321 §4.1.2). */
export function formatLocalPart(localPart: string): string {
  if (dotString.test(localPart) || (!isAscii(localPart) && dotStringUtf8.test(localPart))) return localPart;
  return `"${localPart.replace(/["\\]/g, '\\$&')}"`;
}

function parseQuoted(text: string, smtputf8: boolean): Address | undefined {
  let localPart = '';
  let i = 1;
  for (; i < text.length && text[i] !== '"'; i++) {
    if (text[i] === '\\') i++;
    const code = text.charCodeAt(i);
    // A NaN, after a backslash at the end, fails this test too.
    if (!(code >= 0x20 && code !== 0x7f && (code < 0x7f || smtputf8))) return undefined;
    localPart += text[i];
  }
  const end = i + 1;
  if (text[i] !== '"' || text[end] !== '@') return undefined;
  const octets = isAscii(text) ? end : Buffer.byteLength(text.slice(0, end));
  if (octets > maxLocalPartOctets || harmfulUnicode.test(localPart)) return undefined;
  return withDomain(text, localPart.normalize('NFC'), end, smtputf8);
}

function withDomain(text: string, localPart: string, at: number, smtputf8: boolean): Address | undefined {
  const name = text.slice(at + 1);
  if (isAscii(name)) {
    const domain = parseName(name);
    return domain === undefined ? undefined : { text, localPart, domain };
  }
  const domain = smtputf8 ? parseName(toAscii(name)) : undefined;
  if (domain === undefined) return undefined;
  return { text: isAscii(localPart) ? `${text.slice(0, at)}@${domain}` : text, localPart, domain };
}

function parseLiteral(text: string): Domain | undefined {
  if (!text.endsWith(']')) return undefined;
  const inner = text.slice(1, -1);
  if (isIPv4(inner)) return text as Domain;
  if (!/^IPv6:/i.test(inner)) return undefined;
  const address = inner.slice(5);
  // A zone (`%eth0`) has a meaning only on the machine that wrote it.
  if (!isIPv6(address) || address.includes('%')) return undefined;
  // The URL parser writes an IPv6 address in its one shortest form, so that literals compare with ===.
  const shortest = URL.parse(`http://[${address}]`)?.hostname;
  return shortest === undefined ? undefined : (`[IPv6:${shortest.slice(1, -1)}]` as Domain);
}

/** One pass over the characters: letters, digits, inner hyphens, labels of 1 to 63, 255 in all. */
function isHostName(text: string): boolean {
  const length = text.length;
  if (length === 0 || length > maxDomainOctets) return false;
  let labelStart = 0;
  let last = 0x2e;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x2e) {
      if (last === 0x2d || last === 0x2e || i - labelStart > 63) return false;
      labelStart = i + 1;
    } else if (code === 0x2d) {
      if (last === 0x2e) return false;
    } else if (!isLetterOrDigit(code)) {
      return false;
    }
    last = code;
  }
  return last !== 0x2e && last !== 0x2d && length - labelStart <= 63;
}

function isLetterOrDigit(code: number): boolean {
  return (code >= 0x61 && code <= 0x7a) || (code >= 0x30 && code <= 0x39) || (code >= 0x41 && code <= 0x5a);
}

/**
 * U-labels to A-labels, each by itself: a name may have both. The characters of ASCII are checked before, because
 * the conversion is the one of URLs: it would decode `%41` and read `1.2.3` as an IPv4 address.
 */
function toAscii(text: string): string | undefined {
  if (text.length > maxDomainOctets || harmfulUnicode.test(text)) return undefined;
  if (!/^[A-Za-z0-9.\u0080-\u{10ffff}-]+$/u.test(text)) return undefined;
  const labels: string[] = [];
  for (const label of text.split('.')) {
    const ascii = isAscii(label) ? label : labelToAscii(label);
    if (ascii === undefined) return undefined;
    labels.push(ascii);
  }
  return labels.join('.');
}

/**
 * Refuses characters that were only mapped to a label (full-width letters, ideographic dots): the next hop might read
 * them differently.
 */
function labelToAscii(label: string): string | undefined {
  const ascii = domainToASCII(label);
  return ascii !== '' && domainToUnicode(ascii) === label.toLowerCase().normalize('NFC') ? ascii : undefined;
}

function isSafeUtf8(localPart: string): boolean {
  return !harmfulUnicode.test(localPart) && Buffer.byteLength(localPart) <= maxLocalPartOctets;
}

/** True when every character is of ASCII. */
export function isAscii(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the range of ASCII is what is meant
  return /^[\x00-\x7f]*$/.test(text);
}
