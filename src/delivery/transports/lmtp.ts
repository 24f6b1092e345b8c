/** Mail for a server on this side of the mailboxes, by LMTP (RFC 2033): over TCP or a socket of this machine. */
import { formatHostPort, withoutPassword } from '../../base/index.ts';
import { parseAuthority } from './authority.ts';
import type { TransportKind, Via } from './kind.ts';
import { remoteTransport } from './remote.ts';

export const lmtp: TransportKind = {
  schemes: ['lmtp'],
  forms: ['lmtp://', 'lmtp:/path'],
  parse(rest, text) {
    if (rest === undefined) return undefined;
    if (!rest.startsWith('//'))
      return rest.startsWith('/') ? viaSocket(rest) : `expected lmtp:/path, found "${text}"`;
    // Three slashes are the other usual way to write a path.
    if (rest.startsWith('///')) return viaSocket(rest.slice(2));
    const authority = parseAuthority(rest.slice(2), 24);
    return authority === undefined
      ? `not a host and port in "${withoutPassword(text)}"`
      : viaHost(authority.host, authority.port);
  },
};

function viaSocket(path: string): Via {
  const place = { scheme: 'lmtp', place: path, protocol: 'lmtp', nextHop: { kind: 'socket', path } } as const;
  return { scheme: 'lmtp', transport: (rule) => remoteTransport(rule, place) };
}

function viaHost(host: string, port: number): Via {
  const place = {
    scheme: 'lmtp',
    place: formatHostPort(host, port),
    protocol: 'lmtp',
    nextHop: { kind: 'hosts', hosts: [{ host, port, isImplicitTls: false }] },
  } as const;
  return { scheme: 'lmtp', transport: (rule) => remoteTransport(rule, place) };
}
