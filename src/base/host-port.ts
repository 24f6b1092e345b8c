/** A host and a port as one text, as programs and people write it. */
import { isIPv6 } from 'node:net';

/** `10.0.0.5:25`, `[2001:db8::1]:25`, `smart.example:587`. */
export function formatHostPort(host: string, port: number): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}
