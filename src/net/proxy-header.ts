/** The header of the PROXY protocol, versions 1 and 2 (haproxy.org): the client for which a proxy speaks. */
import { isIP, isIPv4, type Socket } from 'node:net';
import { canonicalIp, octetsOf } from '../base/index.ts';

/** One side of a connection. */
export interface Endpoint {
  /** A canonical IP address. */
  readonly address: string;
  readonly port: number;
}

/** A PROXY header, parsed. `octets` is its length: the octets after it are the client's. */
export type ProxyHeader =
  | {
      readonly kind: 'client';
      readonly address: string;
      readonly port: number;
      /** The client spoke TLS with the proxy: TLS that follows is the proxy's own, and so is its certificate. */
      readonly endsTls?: true;
      readonly octets: number;
    }
  /** A health check of the proxy itself (`LOCAL`, `UNKNOWN`): the client is the proxy. */
  | { readonly kind: 'local'; readonly octets: number }
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'invalid' };

/** "PROXY protocol", version 2, §2.2. */
const signature = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
/** §2.1: the longest header of version 1 with its CRLF. */
const maxTextOctets = 107;
const maxBinaryOctets = 4096;
/** RFC 4291 §2.5.5.2. */
const ipv4Prefix = Buffer.from('00000000000000000000ffff', 'hex');
const incomplete: ProxyHeader = { kind: 'incomplete' };
const invalid: ProxyHeader = { kind: 'invalid' };

/** Parses the header that a listed proxy sends first. */
export function parseProxyHeader(octets: Buffer): ProxyHeader {
  const common = Math.min(octets.length, signature.length);
  if (octets.length > 0 && octets.compare(signature, 0, common, 0, common) === 0) return readBinary(octets);
  return readText(octets);
}

function readText(octets: Buffer): ProxyHeader {
  const end = octets.indexOf('\r\n');
  if (end < 0 && octets.length < maxTextOctets) {
    const start = octets.subarray(0, 6).toString('latin1');
    return 'PROXY '.startsWith(start) ? incomplete : invalid;
  }
  if (end < 0 || end > maxTextOctets - 2) return invalid;
  const words = octets.toString('latin1', 0, end).split(' ');
  if (words[0] !== 'PROXY') return invalid;
  if (words[1] === 'UNKNOWN') return { kind: 'local', octets: end + 2 };
  const [, family, source = '', destination = '', port = '', destinationPort = ''] = words;
  const address = canonicalIp(source);
  const version = family === 'TCP4' ? 4 : 6;
  const isFamily = family === 'TCP4' || family === 'TCP6';
  const isMatch = isIP(source) === version && isIP(destination) === version;
  if (words.length !== 6 || !isFamily || !isMatch || address === undefined) return invalid;
  if (!isPort(port) || !isPort(destinationPort)) return invalid;
  return { kind: 'client', address, port: Number(port), octets: end + 2 };
}

function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) <= 65535;
}

function readBinary(octets: Buffer): ProxyHeader {
  if (octets.length < 16) return incomplete;
  const version = octets.readUInt8(12) >> 4;
  const command = octets.readUInt8(12) & 15;
  const length = octets.readUInt16BE(14);
  if (version !== 2 || command > 1 || length > maxBinaryOctets) return invalid;
  const total = 16 + length;
  if (octets.length < total) return incomplete;
  if (command === 0) return { kind: 'local', octets: total };
  switch (octets.readUInt8(13)) {
    case 0x11:
      if (length < 12) return invalid;
      return {
        kind: 'client',
        address: octets.subarray(16, 20).join('.'),
        port: octets.readUInt16BE(24),
        ...endedTls(octets.subarray(28, total)),
        octets: total,
      };
    case 0x21: {
      if (length < 36) return invalid;
      const groups = Array.from({ length: 8 }, (_, i) => octets.readUInt16BE(16 + 2 * i).toString(16));
      const address = canonicalIp(groups.join(':'));
      if (address === undefined) return invalid;
      return {
        kind: 'client',
        address,
        port: octets.readUInt16BE(48),
        ...endedTls(octets.subarray(52, total)),
        octets: total,
      };
    }
    default:
      // UNSPEC, UDP, unix: nothing that could be a mail client's address.
      return invalid;
  }
}

/** Version 2, §2.2.5: whether PP2_TYPE_SSL says PP2_CLIENT_SSL. */
function endedTls(extensions: Buffer): { readonly endsTls?: true } {
  for (let at = 0; at + 3 <= extensions.length; at += 3 + extensions.readUInt16BE(at + 1)) {
    const isSsl = extensions[at] === 0x20 && ((extensions[at + 3] ?? 0) & 1) === 1;
    if (isSsl) return { endsTls: true };
  }
  return {};
}

/** A header that came, or `cut` where the peer left in the middle of it. */
export type ProxyGreeting = Exclude<ProxyHeader, { readonly kind: 'incomplete' }> | { readonly kind: 'cut' };

/**
 * Reads the header from a socket and calls back once. The socket is paused then, and the octets after the header are
 * read from it next. A silent peer is up to the caller.
 */
export function readProxyHeader(socket: Socket, done: (header: ProxyGreeting) => void): void {
  let octets = Buffer.alloc(0);
  const finish = (header: ProxyGreeting) => {
    socket.off('data', read);
    socket.off('end', left);
    socket.off('close', left);
    // Stopped until it is read again, or the octets after the header would be lost.
    socket.pause();
    if ('octets' in header && octets.length > header.octets) socket.unshift(octets.subarray(header.octets));
    done(header);
  };
  const left = () => finish({ kind: 'cut' });
  const read = (more: Buffer) => {
    octets = Buffer.concat([octets, more]);
    const header = parseProxyHeader(octets);
    if (header.kind !== 'incomplete') finish(header);
  };
  socket.on('data', read);
  socket.on('end', left);
  socket.on('close', left);
  socket.resume();
}

/**
 * Writes a header of version 2 (§2.2): the connection from `client` to `server` over TCP. Where the families differ,
 * the IPv4 address is written as an IPv6 one.
 */
export function encodeProxyHeader(client: Endpoint, server: Endpoint): Buffer {
  const to = canonicalIp(server.address) ?? '::';
  const isShort = isIPv4(client.address) && isIPv4(to);
  const addresses = [client.address, to].map((address) => wideOctets(address).subarray(isShort ? 12 : 0));
  const fixed = Buffer.from([0x21, isShort ? 0x11 : 0x21, 0, isShort ? 12 : 36]);
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(client.port, 0);
  ports.writeUInt16BE(server.port, 2);
  return Buffer.concat([signature, fixed, ...addresses, ports]);
}

/** An address as the 16 octets of an IPv6 address; an IPv4 address is its last four. */
function wideOctets(address: string): Uint8Array {
  const octets = octetsOf(address) ?? new Uint8Array(16);
  return octets.length === 16 ? octets : Buffer.concat([ipv4Prefix, octets]);
}
