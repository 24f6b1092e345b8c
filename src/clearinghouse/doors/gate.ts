/** Admits visitors to a door, and limits their rate. */
import { blockOf, canonicalIp, isLoopback } from '../../base/index.ts';
import { Admission } from '../../net/index.ts';
import { type DoorCounts, type DoorOptions, type Visitor, visitorOf } from './door.ts';
import { Rates } from './rates.ts';

/**
 * Admits visitors by the access list and the limits of a door, and counts them. A /64 of IPv6 is one visitor, since
 * its owner has all of its addresses.
 */
export class Gate {
  readonly counts: DoorCounts = { requests: 0, refused: 0, faults: 0 };
  /** May be others from one visitor to the next. */
  options: DoorOptions;
  readonly #rates: Rates;
  readonly #inside = new Admission();

  constructor(options: DoorOptions) {
    this.options = options;
    this.#rates = new Rates(options.clock);
  }

  /**
   * Admits a connection; undefined if its address is not allowed or the limit is reached. It counts until `leave` is
   * called.
   */
  enter(address: string | undefined): { readonly visitor: Visitor; readonly leave: () => void } | undefined {
    const visitor = this.visitorOf(address);
    if (visitor === undefined) return undefined;
    const { connections: all, connectionsPerClient: perClient } = this.options.limits;
    const leave = this.#inside.enter(visitor.address, { all, perClient });
    if (typeof leave === 'string') {
      this.counts.refused++;
      return undefined;
    }
    return { visitor, leave };
  }

  /** The visitor at an address, or the local user at a unix socket; undefined, and counted, if it is not allowed. */
  visitorOf(address: string | undefined): Visitor | undefined {
    if ('path' in this.options.at) return { address: 'local', isKnown: true };
    const visitor = visitorOf(canonicalIp(address ?? ''), this.options.access);
    if (visitor === undefined) this.counts.refused++;
    return visitor;
  }

  /** Counts a request; false when it is one too many. */
  admits({ address, isKnown }: Visitor): boolean {
    const { requestsPerMinute, knownPerMinute } = this.options.limits;
    const limit = isKnown || isLoopback(address) ? knownPerMinute : requestsPerMinute;
    const isAdmitted = this.#rates.admits(blockOf(address), limit);
    if (isAdmitted) this.counts.requests++;
    else this.counts.refused++;
    return isAdmitted;
  }
}

/** Messages of the largest size that a door holds at once. */
const messagesHeld = 16;

/** The octets of incomplete and unanswered requests that all visitors of a door hold together. */
export class Room {
  readonly #most: number;
  #held = 0;

  constructor({ octets }: DoorOptions['limits']) {
    this.#most = messagesHeld * octets;
  }

  /**
   * One visitor's part. The returned function takes its present number of octets, and returns false if all parts
   * together are too large.
   */
  part(): (octets: number) => boolean {
    let own = 0;
    return (octets) => {
      this.#held += octets - own;
      own = octets;
      return this.#held <= this.#most;
    };
  }
}
