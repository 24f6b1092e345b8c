import { z } from 'zod';
import {
  type Cidr,
  canonicalIp,
  IpSet,
  isLoopback,
  isPrivate,
  nearest,
  parseCidr,
  withoutPassword,
} from '../base/index.ts';
import { type Address, type Domain, parseDomain, parseMailbox } from '../mail/index.ts';

/** Why a value was not taken. */
class Fault {
  readonly message: string;
  readonly hint: string | undefined;
  constructor(message: string, hint?: string) {
    this.message = message;
    this.hint = hint;
  }
}

/** An option with one value. `type` is what the documentation calls it. */
export function scalar<T>(type: string, parse: (value: unknown) => T | Fault) {
  return z
    .unknown()
    .transform((value, context): T => {
      const result = value === null || value === undefined ? noValue(value) : parse(value);
      if (!(result instanceof Fault)) return result;
      const params = result.hint === undefined ? {} : { hint: result.hint };
      context.addIssue({ code: 'custom', message: result.message, params, input: value });
      return z.NEVER;
    })
    .meta({ type });
}

function noValue(value: null | undefined): Fault {
  return value === undefined
    ? new Fault('is missing')
    : new Fault('has no value', 'give it one or remove the key');
}

/** A list; a single value stands for a list of one. */
export function listOf<T extends z.ZodType>(item: T) {
  return z.preprocess(
    (value) => (value === undefined || Array.isArray(value) ? value : [value]),
    z.array(item),
  );
}

/** Text without control characters: what is configured ends in commands, header fields, DNS names and logs. */
function textual<T>(type: string, parse: (text: string) => T | Fault) {
  return prose(type, (value) => (hasControl(value) ? new Fault('has a control character') : parse(value)));
}

/** Text of several lines, for people. */
function prose<T>(type: string, parse: (text: string) => T | Fault) {
  return scalar(type, (value) => {
    if (typeof value !== 'string' && typeof value !== 'number') return expected('text', value);
    return parse(String(value));
  });
}

/** C0, DEL, C1, line and paragraph separators, and halves of surrogate pairs, which are no characters. */
export function hasControl(text: string): boolean {
  return /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}]/u.test(text);
}

function expected(what: string, value: unknown): Fault {
  return new Fault(`expected ${what}, found ${describe(value)}`);
}

/** A value as a message may show it: short, on one line, and without the password of a URL. */
export function describe(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'a mapping';
  const text = withoutPassword(JSON.stringify(value) ?? String(value));
  return text.length <= 60 ? text : `${text.slice(0, 57)}...`;
}

export const text = () => textual('text', (value) => (value === '' ? new Fault('is empty') : value));

/** Of one line or several. */
export const sentence = () => prose('text', (value) => (value === '' ? new Fault('is empty') : value));

export const path = () => textual('path', (value) => (value === '' ? new Fault('is not a path') : value));

export const boolean = () =>
  scalar('true or false', (value) => (typeof value === 'boolean' ? value : expected('true or false', value)));

/** A whole number from `min` to `max`. */
export const count = (min: number, max: number) =>
  scalar(`number, ${min} to ${max}`, (value) => {
    if (typeof value !== 'number' || !Number.isInteger(value)) return expected('a whole number', value);
    return value >= min && value <= max ? value : new Fault(`${value} is not between ${min} and ${max}`);
  });

/** A part of something, from 0 to 1. */
export const share = () =>
  scalar('number, 0 to 1', (value) => {
    if (typeof value !== 'number') return expected('a number', value);
    return value >= 0 && value <= 1 ? value : new Fault(`${value} is not between 0 and 1`);
  });

/** One of some words. `later` are words whose feature is not built yet. */
export function choice<const T extends string>(words: readonly T[], later: readonly string[] = []) {
  return scalar(words.map((word) => `\`${word}\``).join(', '), (value): T | Fault => {
    const found = words.find((word) => word === String(value));
    if (found !== undefined) return found;
    if (later.includes(String(value))) return new Fault(`not available yet: ${value}`);
    const hint = typeof value === 'string' ? nearestHint(value, [...words, ...later]) : undefined;
    return new Fault(`expected ${words.join(', ')}, found ${describe(value)}`, hint);
  });
}

/** An option whose feature is not built yet. Only a value that asks for nothing is taken. */
export function notYet(name: string, harmless?: unknown) {
  return z
    .unknown()
    .transform((value, context): undefined => {
      if (value === undefined || value === harmless) return undefined;
      context.addIssue({ code: 'custom', message: `not available yet: ${name}`, input: value });
      return z.NEVER;
    })
    .optional();
}

const durationUnits: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** A time as `30s`, `5m`, `4h`, `5d`, in milliseconds. */
export const duration = (range: { readonly min?: string; readonly max?: string } = {}) =>
  scalar('duration', (value) => {
    const ms = parseDuration(value);
    if (ms === undefined) {
      const hint = typeof value === 'number' ? `for seconds write ${value}s` : 'write 30s, 5m, 4h or 5d';
      return new Fault(`not a duration: ${describe(value)}`, hint);
    }
    const { min = '0s', max = '365d' } = range;
    const fits = ms >= (parseDuration(min) ?? 0) && ms <= (parseDuration(max) ?? 0);
    return fits ? ms : new Fault(`${value} is not between ${min} and ${max}`);
  });

function parseDuration(value: unknown): number | undefined {
  if (value === 0) return 0;
  const match = typeof value === 'string' ? /^(\d{1,12}(?:\.\d{1,3})?) ?(ms|[smhdw])$/.exec(value) : null;
  return match === null ? undefined : Math.round(Number(match[1]) * (durationUnits[match[2] ?? ''] ?? 0));
}

const sizeUnits: Readonly<Record<string, number>> = { B: 1, KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 };

/** A size as `10MB`, decimal, in octets. A bare number is octets. */
export const size = (range: { readonly min?: string; readonly max?: string } = {}) =>
  scalar('size', (value) => {
    const bytes = parseSize(value);
    if (bytes === undefined) return new Fault(`not a size: ${describe(value)}`, 'write 64KB, 10MB or 1GB');
    const { min = '0B', max = '1000TB' } = range;
    const fits = bytes >= (parseSize(min) ?? 0) && bytes <= (parseSize(max) ?? 0);
    return fits ? bytes : new Fault(`${value} is not between ${min} and ${max}`);
  });

function parseSize(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? value : undefined;
  const match = typeof value === 'string' ? /^(\d{1,12}(?:\.\d{1,3})?) ?([KMGT]?B)$/i.exec(value) : null;
  return match === null
    ? undefined
    : Math.round(Number(match[1]) * (sizeUnits[(match[2] ?? '').toUpperCase()] ?? 0));
}

/** A network to be trusted. One of everybody is refused, with what trusting it would mean. */
export const network = (everybody: { readonly means: string; readonly hint: string }) =>
  textual('network', (value): Cidr | Fault => {
    const cidr = parseCidr(value);
    if (cidr === undefined) {
      return new Fault(`not a network: ${describe(value)}`, 'write 10.8.0.0/24 or 2001:db8::/32');
    }
    return isEverybody(cidr) ? new Fault(everybody.means, everybody.hint) : cidr;
  });

/** `0.0.0.0/0` and `::/0`, and what only looks narrower: no site owns so much of the public Internet. */
function isEverybody(cidr: Cidr): boolean {
  const { address, prefix, family } = cidr;
  if (family === 'ipv4') return prefix < 8;
  if (prefix < 7 || (prefix < 16 && !isPrivate(address))) return true;
  const network = new IpSet([cidr]);
  return translations.some(
    ({ cidr: one, narrow }) => prefix < narrow && (network.has(one.address) || new IpSet([one]).has(address)),
  );
}

/** NAT64, 6to4 and Teredo hold all of IPv4; from the prefix `narrow` on one of its networks of 8 bits or less. */
const translations = [
  { text: '64:ff9b::/96', narrow: 104 },
  { text: '2002::/16', narrow: 24 },
  { text: '2001::/32', narrow: 104 },
].flatMap(({ text, narrow }) => {
  const cidr = parseCidr(text);
  return cidr === undefined ? [] : [{ cidr, narrow }];
});

export const ipAddress = () =>
  textual('IP address', (value) =>
    value.includes('%')
      ? zoned(value)
      : (canonicalIp(value) ?? new Fault(`not an IP address: ${describe(value)}`)),
  );

/** Addresses are kept without a zone (`%eth0`), and a link-local one is nothing without. */
function zoned(value: string): Fault {
  return new Fault(`${describe(value)} has a zone`, 'use an address that is not link-local');
}

/** An address to listen on, or a server to ask. */
export interface SocketAddress {
  /** Canonical, without brackets. */
  readonly host: string;
  readonly port: number;
}

/** `0.0.0.0:25`, `[::1]:25`; the port may be left out when there is a usual one. */
export const socketAddress = (defaultPort?: number) =>
  textual('IP address and port', (value): SocketAddress | Fault => {
    const match = /^(\[[^\]]*\]|[^:]*)(?::(\d{1,5}))?$/.exec(value) ?? [value, value, undefined];
    const host = canonicalIp(match[1] ?? '');
    const port = match[2] === undefined ? defaultPort : Number(match[2]);
    if (value.includes('%')) return zoned(value);
    if (host === undefined) {
      return new Fault(`not an IP address and port: ${describe(value)}`, 'write 0.0.0.0:25 or "[::]:25"');
    }
    if (port === undefined) return new Fault(`no port in ${describe(value)}`, `write ${value}:25`);
    return port <= 65535 ? { host, port } : new Fault(`${port} is no port`);
  });

/** Where somebody else listens: a name or an address, and a port. */
export const hostAndPort = () =>
  textual('host and port', (value): SocketAddress | Fault => {
    const match = /^(?:\[([0-9a-f:.]+)\]|([\w.-]+)):(\d{1,5})$/i.exec(value);
    const [host, port] = [match?.[1] ?? match?.[2], Number(match?.[3])];
    if (host === undefined)
      return new Fault(`not a host and port: ${describe(value)}`, 'write bulk.example.org:2704');
    return port > 0 && port <= 65535 ? { host, port } : new Fault(`${port} is no port`);
  });

export const domainName = () =>
  textual('domain', (value): Domain | Fault => {
    return parseDomain(value) ?? new Fault(`not a domain: ${describe(value)}`);
  });

/** A POP3 server, and whether it is under TLS from the first octet. */
export const popServer = () =>
  textual('POP3 server', (value) => {
    const match = /^(pop3s?):\/\/(?:\[([0-9a-f:.]+)\]|([\w.-]+))(?::(\d{1,5}))?$/i.exec(value);
    const host = match?.[2] ?? match?.[3];
    if (host === undefined)
      return new Fault(`not a POP3 server: ${describe(value)}`, 'write pop3s://host:995');
    const isSecure = match?.[1]?.toLowerCase() === 'pop3s';
    const port = match?.[4] === undefined ? (isSecure ? 995 : 110) : Number(match[4]);
    if (port === 0 || port > 65_535) return new Fault(`${port} is no port`);
    return { host: host.toLowerCase(), port, isSecure };
  });

/** Where something is asked over HTTP. In clear only on this machine. */
export const webAddress = () =>
  textual('web address', (value): string | Fault => {
    const url = URL.parse(value);
    if (url?.protocol !== 'https:' && url?.protocol !== 'http:') {
      return new Fault(`not a web address: ${describe(value)}`, 'write https://login.example.org/keys');
    }
    if (url.username !== '' || url.password !== '')
      return new Fault('a user or password has no place in an address', 'there are options for them');
    const host = canonicalIp(url.hostname) ?? '';
    const isHere = url.hostname === 'localhost' || isLoopback(host);
    return url.protocol === 'https:' || isHere
      ? value
      : new Fault(`${describe(value)} is not protected`, 'use https');
  });

/** Of a certificate: `sha256:` and 64 hexadecimal digits, colons between them allowed. Lower case without colons. */
/** A permanent refusal: `550`, or an enhanced code, `5.1.1`. */
export const refusal = () =>
  textual('reply code', (code) =>
    /^5(?:\d\d|(?:\.\d{1,3}){2})$/.test(code) ? code : expected('a code such as 550 or 5.1.1', code),
  );

export const fingerprint = () =>
  textual('fingerprint', (value): string | Fault => {
    const digits = value
      .replace(/^sha256:/i, '')
      .replaceAll(':', '')
      .toLowerCase();
    return /^[0-9a-f]{64}$/.test(digits)
      ? `sha256:${digits}`
      : new Fault(
          `not a SHA-256 fingerprint: ${describe(value)}`,
          'openssl x509 -noout -fingerprint -sha256 -in client.pem',
        );
  });

/** A domain of ours: never a pattern. */
export const ownDomain = () =>
  textual('domain', (value): Domain | Fault => {
    if (value.includes('*')) {
      return new Fault(
        `${describe(value)} would relay for anybody`,
        'that is relay.open; list your own domains',
      );
    }
    return parseDomain(value) ?? new Fault(`not a domain: ${describe(value)}`);
  });

export const mailbox = () =>
  textual('mail address', (value): Address | Fault => {
    return parseMailbox(value, { smtputf8: true }) ?? new Fault(`not a mail address: ${describe(value)}`);
  });

const destinations: readonly (readonly [scheme: string, form: RegExp, example: string])[] = [
  [
    'smtp',
    /^smtp:\/\/(?:[^\s/]+@)?(?:\[[0-9a-f:.]+\]|[\w.\u0080-\uffff-]+)(?::\d{1,5})?$/i,
    'smtp://host:25',
  ],
  [
    'smtps',
    /^smtps:\/\/(?:[^\s/]+@)?(?:\[[0-9a-f:.]+\]|[\w.\u0080-\uffff-]+)(?::\d{1,5})?$/i,
    'smtps://user@host:465',
  ],
  [
    'lmtp',
    /^lmtp:(?:\/\/(?:\[[0-9a-f:.]+\]|[\w.\u0080-\uffff-]+)(?::\d{1,5})?|(?:\/\/)?\/.+)$/i,
    'lmtp://127.0.0.1:24',
  ],
  ['maildir', /^maildir:\/.+$/, 'maildir:/var/mail/{local}'],
  ['capture', /^capture$/, 'capture'],
  ['mx', /^mx(?::[^\s:]+)?$/, 'mx'],
];
// Also where the slashes or the scheme are missing; a path may have both signs.
const withPassword =
  /^(?:[a-z]+:\/\/[^/]*|(?:smtps?:\/?|lmtp:(?!\/))[^/]*|(?!maildir:|mx:|smtps?:|lmtp:)[^/:]+):.*@/is;

/** Where mail goes. The form alone is looked at here; delivery, which reads it, checks the rest. */
export const destination = () =>
  textual('destination', (value) => {
    const scheme = /^[a-z]*/i.exec(value)?.[0] ?? '';
    const known = destinations.find(([name]) => name === scheme);
    if (withPassword.test(value))
      return new Fault('a password has no place in an address', 'write password: { file: PATH }');
    if (known === undefined) {
      const hint = nearestHint(
        scheme,
        Array.from(destinations, ([name]) => name),
      );
      const forms = destinations.map(([, , example]) => example).join(', ');
      return new Fault(`unknown destination ${describe(value)}: expected ${forms}`, hint);
    }
    return known[1].test(value)
      ? value
      : new Fault(`not a destination: ${describe(value)}`, `write ${known[2]}`);
  });

/** How a domain knows its recipients, before its file is read. */
export type RecipientsOption =
  | { readonly kind: 'any' | 'verify' }
  | { readonly kind: 'file'; readonly file: string }
  | { readonly kind: 'list'; readonly names: readonly string[] };

export const recipients = () =>
  scalar('`any`, `verify`, `{ file: PATH }` or a list of names', (value): RecipientsOption | Fault => {
    if (value === 'any' || value === 'verify') return { kind: value };
    if (Array.isArray(value)) return recipientList(value);
    if (typeof value === 'object' && value !== null) {
      const [[key, file] = [], ...more] = Object.entries(value);
      if (key === 'file' && typeof file === 'string' && file !== '' && more.length === 0) {
        return { kind: 'file', file };
      }
      return new Fault('expected { file: PATH }');
    }
    const hint = typeof value === 'string' ? nearestHint(value, ['any', 'verify']) : undefined;
    return new Fault(
      `expected any, verify, { file: PATH } or a list of names, found ${describe(value)}`,
      hint,
    );
  });

function nearestHint(value: string, words: readonly string[]): string | undefined {
  const near = nearest(value, words);
  return near === undefined ? undefined : `did you mean "${near}"?`;
}

function recipientList(list: readonly unknown[]): RecipientsOption | Fault {
  const bad = list.find((name) => typeof name !== 'string' || !/^\S+$/.test(name));
  if (bad !== undefined) return new Fault(`not a recipient: ${describe(bad)}`);
  return { kind: 'list', names: list.map((name) => String(name).normalize('NFC').toLowerCase()) };
}
