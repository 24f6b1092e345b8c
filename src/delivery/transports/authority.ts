/** The `host:port` of a `via`. */
import { isIP } from 'node:net';
import { isPort, splitHostPort } from '../../base/index.ts';
import { isAscii, parseDomain } from '../../mail/index.ts';

/** `undefined` when it is none. The host is a name in lower case or a bare IP address. */
export function parseAuthority(
  text: string,
  defaultPort: number,
): { readonly host: string; readonly port: number } | undefined {
  const { host = '', port = defaultPort } = splitHostPort(text) ?? {};
  const written = host.replace(/^IPv6:/i, '').toLowerCase();
  const name = isAscii(written) ? written : (parseDomain(written) ?? '');
  if (!isPort(port)) return undefined;
  if (isIP(name) !== 0) return { host: name, port };
  // Names of containers and hosts files have underscores more often than the DNS likes.
  return /^[a-z0-9_](?:[a-z0-9_.-]{0,252}[a-z0-9_])?$/.test(name) && !name.includes('..')
    ? { host: name, port }
    : undefined;
}
