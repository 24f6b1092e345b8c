/** Reads the resolvers of the system. */
import { readFileSync } from 'node:fs';

const loopback: readonly string[] = ['127.0.0.1'];

/** The `nameserver` lines of a resolv.conf, at most three (resolv.conf(5)); none means this machine. */
export function parseResolvConf(text: string): readonly string[] {
  const servers = text
    .split(/\r?\n/)
    .map((line) => /^\s*nameserver\s+(\S+)/.exec(line)?.[1])
    .filter((server) => server !== undefined);
  return servers.length > 0 ? servers.slice(0, 3) : loopback;
}

/** The system's resolvers. An unreadable file means this machine, as it does for the C library. */
export function systemServers(path = '/etc/resolv.conf'): readonly string[] {
  try {
    return parseResolvConf(readFileSync(path, 'utf8'));
  } catch {
    return loopback;
  }
}
