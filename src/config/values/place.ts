/** Options that name a place in a network: networks, addresses, ports, servers. */
import { isIP } from 'node:net';
import {
  type Cidr,
  canonicalIp,
  formatHostPort,
  IpSet,
  isLoopback,
  isPort,
  isPrivate,
  parseCidr,
  splitHostPort,
} from '../../base/index.ts';
import { describe, Fault, textual } from './value.ts';

/** A trusted network. One that has every address is refused, with the consequence of trusting it. */
export const network = (everybody: { readonly means: string; readonly hint: string }) =>
  textual('network', (value): Cidr | Fault => {
    const cidr = parseCidr(value);
    if (cidr === undefined) {
      return new Fault(`not a network: ${describe(value)}`, 'write 10.8.0.0/24 or 2001:db8::/32');
    }
    return isEverybody(cidr) ? new Fault(everybody.means, everybody.hint) : cidr;
  });

/** `0.0.0.0/0` and `::/0`, and networks that only look narrower: no site owns so much of the public Internet. */
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

/** An IP address or a name. */
const isHost = (text: string): boolean => isIP(text) !== 0 || /^[\w.-]+$/.test(text);

/** The host of another server, a name or an address, and its port. */
export const hostAndPort = () =>
  textual('host and port', (value): SocketAddress | Fault => {
    const { host = '', port } = splitHostPort(value) ?? {};
    if (port === undefined || !isHost(host))
      return new Fault(`not a host and port: ${describe(value)}`, 'write bulk.example.org:2704');
    return isPort(port) ? { host, port } : new Fault(`${port} is no port`);
  });

/** A POP3 server, and whether it is under TLS from the first octet. */
export const popServer = () =>
  textual('POP3 server', (value) => {
    const [, scheme = '', authority = ''] = /^(pop3s?):\/\/(.*)$/i.exec(value) ?? [];
    const isSecure = scheme.toLowerCase() === 'pop3s';
    const { host = '', port = isSecure ? 995 : 110 } = splitHostPort(authority) ?? {};
    if (!isHost(host)) return new Fault(`not a POP3 server: ${describe(value)}`, 'write pop3s://host:995');
    if (!isPort(port)) return new Fault(`${port} is no port`);
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

/** A place as programs write it: `127.0.0.1:53`, `[::1]:53`. */
export function hostPort({ host, port }: SocketAddress): string {
  return formatHostPort(host, port);
}

/**
 * A proxy that names its clients decides which of them relays, so an unlimited list of proxies is an open relay too.
 */
export const anyClaim = 'anybody could claim any address';
/** Clients in a trusted network may relay. */
export const ownNetwork = () =>
  network({ means: 'this is an open relay', hint: 'that is relay.open; list your own networks' });
/** Servers in this network are believed about the client that they speak for. */
export const proxyNetwork = () => network({ means: anyClaim, hint: 'list your proxies' });

/** The key by which addresses to listen on must differ; empty for port 0, of which there may be any number. */
export function uniquePlace({ host, port }: SocketAddress): string {
  return port === 0 ? '' : `${host} port ${port}`;
}

/** The unspecified addresses are all addresses of the machine. */
export function isPrivateHost(host: string): boolean {
  return host !== '0.0.0.0' && host !== '::' && isPrivate(host);
}
