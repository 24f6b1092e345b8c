/** Mail for smart hosts by SMTP, with STARTTLS (`smtp://`) or TLS from the first octet (`smtps://`). */
import { formatHostPort } from '../../base/index.ts';
import type { SmtpServer } from '../transport.ts';
import { parseAuthority } from './authority.ts';
import type { TransportKind, Via } from './kind.ts';
import { remoteTransport } from './remote.ts';

export const smtp: TransportKind = {
  schemes: ['smtp', 'smtps'],
  forms: ['smtp://', 'smtps://'],
  parse(rest, text) {
    if (rest === undefined) return undefined;
    const server = parseServer(text.startsWith('smtps:'), rest, text);
    return typeof server === 'string' ? server : viaServer(server);
  },
};

/** A rule has one lane for its whole list. */
function viaServer(server: SmtpServer): Via {
  return {
    scheme: server.isImplicitTls ? 'smtps' : 'smtp',
    server,
    mayFallBack: true,
    transport: (rule) =>
      remoteTransport(rule, {
        scheme: rule.hosts.some(({ isImplicitTls }) => isImplicitTls) ? 'smtps' : 'smtp',
        place: rule.hosts.map(({ host, port }) => formatHostPort(host, port)).join(','),
        protocol: 'smtp',
        nextHop: { kind: 'hosts', hosts: rule.hosts },
      }),
  };
}

function parseServer(isImplicitTls: boolean, rest: string, text: string): SmtpServer | string {
  if (!rest.startsWith('//'))
    return `expected ${isImplicitTls ? 'smtps' : 'smtp'}://host:port, found "${text}"`;
  // The user may itself be an address: the last @ divides.
  const at = rest.lastIndexOf('@');
  const user = at < 0 ? undefined : decodeUser(rest.slice(2, at));
  if (rest.slice(2, Math.max(at, 2)).includes(':'))
    return 'a password has no place in an address: use password';
  if (at >= 0 && (user === undefined || user === '')) return `not a user name in "${text}"`;
  const plainPort = user === undefined ? 25 : 587;
  const authority = parseAuthority(rest.slice(at < 0 ? 2 : at + 1), isImplicitTls ? 465 : plainPort);
  if (authority === undefined) return `not a host and port in "${text}"`;
  return { ...authority, isImplicitTls, ...(user === undefined ? {} : { user }) };
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
