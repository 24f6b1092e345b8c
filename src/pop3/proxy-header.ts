import { isIPv4 } from 'node:net';
import { canonicalIp } from '../base/index.ts';

/** One side of a connection. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

const signature = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
const versionAndProxy = 0x21;

/**
 * A header of the PROXY protocol, version 2 (haproxy.org, §2.2): the connection from `client` to `server` over TCP.
 * Where the families differ, the IPv4 address is written as an IPv6 one.
 */
export function encodeProxyHeader(client: Endpoint, server: Endpoint): Buffer {
  const isShort = isIPv4(client.address) && isIPv4(canonicalIp(server.address) ?? '');
  const octets = (address: string) => (isShort ? ipv4Octets(address) : ipv6Octets(address));
  const addresses = Buffer.concat([octets(client.address), octets(canonicalIp(server.address) ?? '::')]);
  const fixed = Buffer.alloc(4);
  fixed.writeUInt8(versionAndProxy, 0);
  fixed.writeUInt8(isShort ? 0x11 : 0x21, 1);
  fixed.writeUInt16BE(addresses.length + 4, 2);
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(client.port, 0);
  ports.writeUInt16BE(server.port, 2);
  return Buffer.concat([signature, fixed, addresses, ports]);
}

function ipv4Octets(address: string): Buffer {
  return Buffer.from(address.split('.').map(Number));
}

function ipv6Octets(address: string): Buffer {
  if (isIPv4(address)) return Buffer.concat([Buffer.alloc(10), Buffer.from([255, 255]), ipv4Octets(address)]);
  const [head = '', tail = ''] = address.split('::');
  const front = groups(head);
  const back = groups(tail);
  const octets = Buffer.alloc(16);
  front.forEach((group, i) => {
    octets.writeUInt16BE(group, 2 * i);
  });
  back.forEach((group, i) => {
    octets.writeUInt16BE(group, 16 - 2 * (back.length - i));
  });
  return octets;
}

function groups(text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
}
