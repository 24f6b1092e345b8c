/** A host and a port as one text, as programs and people write it. */
import { isIPv6 } from 'node:net';

/** `10.0.0.5:25`, `[2001:db8::1]:25`, `smart.example:587`. */
export function formatHostPort(host: string, port: number): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

/** A host without brackets, and its port where one was written: 0 to 99999, see `isPort`. */
export interface HostPort {
  readonly host: string;
  readonly port?: number;
}

/**
 * Splits `host`, `host:port`, `[2001:db8::1]`, `[2001:db8::1]:port` or `2001:db8::1`. `undefined` for anything else,
 * such as a path, an empty host or a bare IPv6 address with a port. Whether the host is a name or an address of the kind
 * that is wanted is not looked at.
 */
export function splitHostPort(text: string): HostPort | undefined {
  if (isIPv6(text)) return { host: text };
  const match = /^(?:\[([^[\]/\s]+)\]|([^:[\]/\s]+))(?::(\d{1,5}))?$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined) return undefined;
  return match?.[3] === undefined ? { host } : { host, port: Number(match[3]) };
}

/** Whether a server can have the port. */
export function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65_535;
}
