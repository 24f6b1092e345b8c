/** The extensions in the reply to EHLO. */
import type { Reply } from '../mail/index.ts';

/** LIMITS (RFC 9422): the numbers that a server accepts. */
export interface SessionLimits {
  readonly rcptMax?: number;
  readonly mailMax?: number;
  readonly rcptDomainMax?: number;
}

/**
 * The extensions of one EHLO, as the server offers them. The same value makes the EHLO reply and decides which
 * parameters are accepted, so that no extension is offered and then refused.
 */
export interface Extensions {
  /** SIZE (RFC 1870): octets; 0 is "no fixed maximum"; absent when not offered. */
  readonly size?: number;
  readonly pipelining: boolean;
  readonly eightBitMime: boolean;
  readonly smtputf8: boolean;
  readonly chunking: boolean;
  readonly binaryMime: boolean;
  readonly dsn: boolean;
  readonly enhancedStatusCodes: boolean;
  readonly startTls: boolean;
  /** Names of SASL mechanisms in upper case; empty when AUTH is not offered (RFC 4954). */
  readonly auth: readonly string[];
  readonly limits?: SessionLimits;
  /** Attribute names of XCLIENT; absent when not offered. */
  readonly xclient?: readonly string[];
}

/** No extensions: those of a server that answered HELO, or for a client that sent HELO. */
export const noExtensions: Extensions = {
  pipelining: false,
  eightBitMime: false,
  smtputf8: false,
  chunking: false,
  binaryMime: false,
  dsn: false,
  enhancedStatusCodes: false,
  startTls: false,
  auth: [],
};

/** The keyword lines of an EHLO reply, without its first line (RFC 5321 §4.1.1.1). */
export function formatExtensions(offer: Extensions): string[] {
  const lines: string[] = [];
  const add = (isOffered: boolean, line: string) => {
    if (isOffered) lines.push(line);
  };
  add(offer.pipelining, 'PIPELINING');
  if (offer.size !== undefined) lines.push(offer.size === 0 ? 'SIZE' : `SIZE ${offer.size}`);
  add(offer.startTls, 'STARTTLS');
  add(offer.auth.length > 0, `AUTH ${offer.auth.join(' ')}`);
  add(offer.enhancedStatusCodes, 'ENHANCEDSTATUSCODES');
  add(offer.eightBitMime, '8BITMIME');
  add(offer.dsn, 'DSN');
  add(offer.chunking, 'CHUNKING');
  add(offer.binaryMime, 'BINARYMIME');
  add(offer.smtputf8, 'SMTPUTF8');
  const limits = formatLimits(offer.limits ?? {});
  add(limits !== '', `LIMITS${limits}`);
  add(offer.xclient !== undefined, `XCLIENT ${(offer.xclient ?? []).join(' ')}`.trimEnd());
  return lines;
}

/**
 * Reads the keywords of an EHLO reply. Unknown ones are passed over, and so are values that make no sense:
 * an extension that was offered in a form we cannot read is one we do not use. BINARYMIME needs CHUNKING
 * (RFC 3030 §3).
 */
export function parseExtensions(reply: Reply): Extensions {
  const found: Mutable<Extensions> = { ...noExtensions };
  const mechanisms = new Set<string>();
  for (const line of reply.lines.slice(1)) {
    const words = line.trim().split(/[ \t]+/);
    const keyword = (words[0] ?? '').toUpperCase();
    if (Object.hasOwn(readers, keyword)) readers[keyword]?.(found, words.slice(1));
    if (keyword === 'AUTH') for (const word of words.slice(1)) mechanisms.add(word.toUpperCase());
    // The form of servers older than RFC 2554: `AUTH=LOGIN PLAIN`.
    if (keyword.startsWith('AUTH=')) {
      for (const word of [keyword.slice(5), ...words.slice(1)]) mechanisms.add(word.toUpperCase());
    }
  }
  found.auth = [...mechanisms].filter((name) => /^[A-Z0-9_-]{1,20}$/.test(name));
  found.binaryMime &&= found.chunking;
  return found;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** The setting of each keyword; `values` are the words after it. */
const readers: Readonly<Record<string, (into: Mutable<Extensions>, values: readonly string[]) => void>> = {
  SIZE: (into, [value]) => {
    into.size =
      value !== undefined && /^\d{1,20}$/.test(value) ? Math.min(Number(value), Number.MAX_SAFE_INTEGER) : 0;
  },
  PIPELINING: (into) => {
    into.pipelining = true;
  },
  '8BITMIME': (into) => {
    into.eightBitMime = true;
  },
  SMTPUTF8: (into) => {
    into.smtputf8 = true;
  },
  CHUNKING: (into) => {
    into.chunking = true;
  },
  BINARYMIME: (into) => {
    into.binaryMime = true;
  },
  DSN: (into) => {
    into.dsn = true;
  },
  ENHANCEDSTATUSCODES: (into) => {
    into.enhancedStatusCodes = true;
  },
  STARTTLS: (into) => {
    into.startTls = true;
  },
  LIMITS: (into, values) => {
    into.limits = parseLimits(values);
  },
  XCLIENT: (into, values) => {
    into.xclient = values.map((value) => value.toUpperCase());
  },
};

function formatLimits(limits: SessionLimits): string {
  const part = (name: string, value: number | undefined) => (value === undefined ? '' : ` ${name}=${value}`);
  return (
    part('RCPTMAX', limits.rcptMax) +
    part('MAILMAX', limits.mailMax) +
    part('RCPTDOMAINMAX', limits.rcptDomainMax)
  );
}

function parseLimits(values: readonly string[]): SessionLimits {
  const limits: Mutable<SessionLimits> = {};
  for (const value of values) {
    const match = /^(RCPTMAX|MAILMAX|RCPTDOMAINMAX)=([1-9]\d{0,5})$/i.exec(value);
    const name = match?.[1]?.toUpperCase();
    const number = Number(match?.[2]);
    if (name === 'RCPTMAX') limits.rcptMax = number;
    if (name === 'MAILMAX') limits.mailMax = number;
    if (name === 'RCPTDOMAINMAX') limits.rcptDomainMax = number;
  }
  return limits;
}
