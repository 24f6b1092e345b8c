/** Writes and counts Received fields. */
import { isIPv4, isIPv6 } from 'node:net';
import { type Address, asciiMailbox, parseDomain } from './address.ts';
import { formatDate } from './date.ts';

const plainName = /^[A-Za-z0-9._-]{1,255}$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const controls = /[\x00-\x1f\x7f]/;

/** The facts of a session that its trace line gives (RFC 5321 §4.4). */
export interface ReceivedFacts {
  /** The argument of HELO, EHLO or LHLO, as it came. */
  readonly helo: string;
  /** The verified name of the client's address. */
  readonly rdns?: string | undefined;
  /** The client's IP address. */
  readonly client: string;
  /** The client's port, which a carrier-grade NAT needs to find the user (RFC 6302). */
  readonly port?: number | undefined;
  /** Our own name. */
  readonly by: string;
  /** How the client greeted us: HELO, EHLO or LHLO. */
  readonly protocol: 'smtp' | 'esmtp' | 'lmtp';
  readonly isAuthenticated: boolean;
  readonly smtputf8: boolean;
  /** `version` as in `TLSv1.3`, `cipher` by its registered name, as in `TLS_AES_256_GCM_SHA384`. */
  readonly tls?: { readonly version: string; readonly cipher: string } | undefined;
  /** The queue id. */
  readonly id: string;
  /** The recipient, when there is only one: with more it would tell each of the others. */
  readonly for?: Address | undefined;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** The `with` type of a Received field (RFC 3848, RFC 6531 §4.3). */
export function receivedProtocol(
  facts: Pick<ReceivedFacts, 'protocol' | 'isAuthenticated' | 'smtputf8'> & { readonly tls?: unknown },
): string {
  // HELO has no registered form with TLS or AUTH.
  if (facts.protocol === 'smtp') return 'SMTP';
  const suffix = `${facts.tls === undefined ? '' : 'S'}${facts.isAuthenticated ? 'A' : ''}`;
  if (facts.smtputf8) return `UTF8${facts.protocol === 'lmtp' ? 'LMTP' : 'SMTP'}${suffix}`;
  return `${facts.protocol === 'lmtp' ? 'LMTP' : 'ESMTP'}${suffix}`;
}

/**
 * The Received field to put before the message, folded and ended by CRLF. The client's own words are reduced to the
 * characters of names, so that no HELO can end the line, open a comment or forge a clause.
 */
export function formatReceived(facts: ReceivedFacts): string {
  const { rdns, port, tls } = facts;
  const recipient = facts.for === undefined ? undefined : printablePath(facts.for, facts.smtputf8);
  const clauses = [
    rdns === undefined
      ? `(${addressLiteral(facts.client)})`
      : `(${nameOf(rdns)} ${addressLiteral(facts.client)})`,
    port === undefined ? undefined : `(port ${port})`,
    `by ${nameOf(facts.by)}`,
    `with ${receivedProtocol(facts)}`,
    `id ${nameOf(facts.id)}`,
    recipient === undefined ? undefined : `for <${recipient}>`,
    // RFC 8314 §4.3; the version is a comment.
    tls === undefined ? undefined : `tls ${nameOf(tls.cipher)} (${nameOf(tls.version)})`,
  ];
  return `${fold(`Received: from ${nameOf(facts.helo)}`, clauses)};\r\n\t${formatDate(facts.at)}\r\n`;
}

/** Puts the clauses on lines of at most 77 characters where they fit; the longest has 520. */
function fold(start: string, clauses: readonly (string | undefined)[]): string {
  let text = start;
  let width = start.length;
  for (const clause of clauses) {
    if (clause === undefined) continue;
    const fits = width + 1 + clause.length <= 77;
    text += (fits ? ' ' : '\r\n\t') + clause;
    width = (fits ? width : 0) + 1 + clause.length;
  }
  return text;
}

/**
 * A name as a client gave it: a literal when it is a valid one, else each character that no name has becomes
 * `?`, which readers of trace lines take for part of the word.
 */
function nameOf(text: string): string {
  if (plainName.test(text)) return text;
  if (text.startsWith('[')) {
    const literal = parseDomain(text);
    if (literal !== undefined) return literal;
  }
  return text === '' ? 'unknown' : text.slice(0, 255).replace(/[^A-Za-z0-9._-]/g, '?');
}

function addressLiteral(ip: string): string {
  if (isIPv4(ip)) return `[${ip}]`;
  return isIPv6(ip) ? `[IPv6:${ip.split('%', 1)[0]}]` : 'unknown';
}

/** The address as the field may show it: without octets above 127 unless the message is SMTPUTF8. */
function printablePath(address: Address, smtputf8: boolean): string | undefined {
  const text = smtputf8 ? address.text : asciiMailbox(address);
  // An address that was parsed has no control characters; one that was made by hand might.
  return text === undefined || controls.test(text) ? undefined : text;
}
