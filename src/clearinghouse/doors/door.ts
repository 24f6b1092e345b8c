/** The common part of the doors: options, access list, limits, and the visitor of a request. */
import type { Clock, IpSet, Log } from '../../base/index.ts';
import type { Clearinghouse } from '../ask.ts';
import type { ClearinghouseEvents } from '../events.ts';
import type { DoorLimits } from '../options.ts';

/** The options of every door. */
export interface DoorOptions {
  /** The name in the log, and the first part of reporters' names. */
  readonly name: string;
  /** An address, or the path of a unix socket. */
  readonly at: { readonly host: string; readonly port: number } | { readonly path: string };
  readonly clearinghouse: Clearinghouse;
  readonly access: Access;
  readonly limits: DoorLimits;
  readonly clock: Clock;
  readonly log: Log<ClearinghouseEvents>;
}

/** The clients that may connect, and those whose reports count as known. */
export interface Access {
  readonly allowed: IpSet;
  readonly known: IpSet;
}

/** The events at a door, for metrics. */
export interface DoorCounts {
  requests: number;
  /** By the access list or a limit. */
  refused: number;
  /** Requests that made no sense. */
  faults: number;
}

/** A door that is open. */
export interface Door<Options extends DoorOptions = DoorOptions> extends AsyncDisposable {
  readonly name: string;
  /** `127.0.0.1:2703`, or a path. */
  readonly address: string;
  readonly port: number;
  readonly counts: DoorCounts;
  /** Applies to new connections. The address stays. */
  change(options: Options): void;
}

/** A client at a door: an IP address, or a local user at a unix socket. */
export interface Visitor {
  readonly address: string;
  readonly isKnown: boolean;
}

/** The visitor at an address; undefined if the access list does not allow it. */
export function visitorOf(address: string | undefined, { allowed, known }: Access): Visitor | undefined {
  if (address === undefined || !allowed.has(address)) return undefined;
  return { address, isKnown: known.has(address) };
}
