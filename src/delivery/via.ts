import { isIP } from 'node:net';
import { withoutPassword } from '../base/index.ts';
import { type Domain, isAscii, parseDomain } from '../mail/index.ts';

/** One `via` or `deliver`, parsed. */
export type Via =
  | {
      readonly kind: 'smtp';
      /** A lower-case name or a bare IP address. */
      readonly host: string;
      readonly port: number;
      readonly isImplicitTls: boolean;
      readonly user?: string;
    }
  | { readonly kind: 'lmtp'; readonly host: string; readonly port: number }
  | { readonly kind: 'lmtp-socket'; readonly path: string }
  | { readonly kind: 'maildir'; readonly template: string }
  | { readonly kind: 'capture' }
  /** Without a domain: that of the recipient. */
  | { readonly kind: 'mx'; readonly domain?: Domain };

/** Parses a `via`. A string is what is wrong with it, for the reader of the configuration. */
export function parseVia(text: string): Via | string {
  if (text === 'capture') return { kind: 'capture' };
  if (text === 'mx') return { kind: 'mx' };
  const colon = text.indexOf(':');
  const scheme = text.slice(0, Math.max(colon, 0));
  const rest = text.slice(colon + 1);
  switch (scheme) {
    case 'smtp':
    case 'smtps':
      return parseSmtp(scheme, rest, text);
    case 'lmtp':
      return parseLmtp(rest, text);
    case 'maildir':
      return parseMaildir(rest, text);
    case 'mx': {
      const domain = parseDomain(rest);
      return domain === undefined ? `not a domain: "${rest}"` : { kind: 'mx', domain };
    }
    default:
      return `unknown destination "${withoutPassword(text)}": expected smtp://, smtps://, lmtp://, lmtp:/path, maildir:/path, capture or mx`;
  }
}

function parseSmtp(scheme: 'smtp' | 'smtps', rest: string, text: string): Via | string {
  if (!rest.startsWith('//')) return `expected ${scheme}://host:port, found "${text}"`;
  // The user may itself be an address: the last @ divides.
  const at = rest.lastIndexOf('@');
  const isImplicitTls = scheme === 'smtps';
  const user = at < 0 ? undefined : decodeUser(rest.slice(2, at));
  if (rest.slice(2, Math.max(at, 2)).includes(':'))
    return 'a password has no place in an address: use password';
  if (at >= 0 && (user === undefined || user === '')) return `not a user name in "${text}"`;
  const plainPort = user === undefined ? 25 : 587;
  const authority = parseAuthority(rest.slice(at < 0 ? 2 : at + 1), isImplicitTls ? 465 : plainPort);
  if (authority === undefined) return `not a host and port in "${text}"`;
  return { kind: 'smtp', ...authority, isImplicitTls, ...(user === undefined ? {} : { user }) };
}

function parseLmtp(rest: string, text: string): Via | string {
  if (!rest.startsWith('//')) {
    return rest.startsWith('/')
      ? { kind: 'lmtp-socket', path: rest }
      : `expected lmtp:/path, found "${text}"`;
  }
  // Three slashes are the other usual way to write a path.
  if (rest.startsWith('///')) return { kind: 'lmtp-socket', path: rest.slice(2) };
  const authority = parseAuthority(rest.slice(2), 24);
  return authority === undefined
    ? `not a host and port in "${withoutPassword(text)}"`
    : { kind: 'lmtp', ...authority };
}

function parseMaildir(template: string, text: string): Via | string {
  if (!template.startsWith('/')) return `a Maildir needs an absolute path, found "${text}"`;
  const unknown = /\{(?!local\}|domain\})[^}]*\}?/.exec(template);
  if (unknown !== null) return `unknown "${unknown[0]}" in "${text}": {local} and {domain} are known`;
  return { kind: 'maildir', template };
}

function parseAuthority(
  text: string,
  defaultPort: number,
): { readonly host: string; readonly port: number } | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:[\]/]+))(?::(\d{1,5}))?$/.exec(text);
  const written = (match?.[1] ?? match?.[2] ?? '').replace(/^IPv6:/i, '').toLowerCase();
  const name = isAscii(written) ? written : (parseDomain(written) ?? '');
  const port = match?.[3] === undefined ? defaultPort : Number(match[3]);
  if (port < 1 || port > 65535) return undefined;
  if (isIP(name) !== 0) return { host: name, port };
  // Names of containers and hosts files have underscores more often than the DNS likes.
  return /^[a-z0-9_](?:[a-z0-9_.-]{0,252}[a-z0-9_])?$/.test(name) && !name.includes('..')
    ? { host: name, port }
    : undefined;
}

function decodeUser(text: string): string | undefined {
  try {
    const user = decodeURIComponent(text);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they have no place in a user name
    return /[\x00-\x1f\x7f]/.test(user) ? undefined : user;
  } catch {
    return undefined;
  }
}
