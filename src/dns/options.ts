/** Options of a resolver, with the defaults. */
import type { Clock, Log } from '../base/index.ts';
import type { DnsEvents } from './events.ts';

/** How long one server is waited for. */
export const defaultTimeoutMs = 5_000;

/** How to resolve. Every part has a default. */
export interface ResolverOptions {
  /** `127.0.0.1:53`, `[::1]:53`, `::1`; default: the `nameserver` lines of /etc/resolv.conf. */
  readonly servers?: readonly string[];
  /** How long one server is waited for; `defaultTimeoutMs` when absent. */
  readonly timeoutMs?: number;
  /** Rounds over all servers before giving up; default 2. */
  readonly attempts?: number;
  /** Entries kept per record type; default 10,000. */
  readonly maxEntries?: number;
  readonly clock?: Clock;
  readonly log?: Log<DnsEvents>;
}
