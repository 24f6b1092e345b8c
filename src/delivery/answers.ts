/** The answers about the recipients of an attempt: gathered, and completed at its end. */
import type { SendResult } from '../client/index.ts';
import { isPermanent, isPositive, type RecipientStatus, type Reply } from '../mail/index.ts';
import type { AttemptResult } from '../queue/index.ts';
import type { PooledSession } from './pool.ts';
import type { RemoteTransport } from './transport.ts';

/** The status of each recipient of an attempt, as it stands so far. */
export class Answers {
  readonly statuses = new Map<number, RecipientStatus>();
  readonly #protocol: RemoteTransport['protocol'];
  readonly #now: () => number;

  constructor(protocol: RemoteTransport['protocol'], now: () => number) {
    this.#protocol = protocol;
    this.#now = now;
  }

  /** The recipients without a status. */
  missing(indices: readonly number[]): readonly number[] {
    return indices.filter((index) => !this.statuses.has(index));
  }

  /** One reply, which is not positive, for all of them; `relay` is its server. */
  settle(indices: readonly number[], why: Reply, relay?: string): void {
    const at = this.#now();
    const status = isPermanent(why) ? 'failed' : 'pending';
    for (const index of indices) {
      this.statuses.set(index, { status, at, reply: why, ...(relay === undefined ? {} : { relay }) });
    }
  }

  /** Records the server's reply for one recipient. */
  record(
    index: number,
    said: Reply,
    from: { readonly host: PooledSession; readonly result: SendResult },
  ): void {
    if (isPositive(said)) this.statuses.set(index, this.#delivered(said, from));
    else this.settle([index], said, from.host.relay);
  }

  #delivered(
    said: Reply,
    { host, result }: { readonly host: PooledSession; readonly result: SendResult },
  ): RecipientStatus {
    const { relay } = host;
    const at = this.#now();
    if (result.dsnOffered) return { status: 'delivered', at, relay, reply: said, dsnPassedOn: true };
    // An LMTP server is the end of the way: the mail is delivered there, not relayed (RFC 2033 §4).
    if (this.#protocol === 'lmtp') return { status: 'delivered', at, relay, reply: said };
    return { status: 'delivered', at, relay, reply: said, relayed: true };
  }
}

/** The result with one status for each recipient that was asked about and not replaced, in any case. */
export function completed(
  result: AttemptResult,
  recipients: readonly number[],
  otherwise: () => RecipientStatus,
): AttemptResult {
  const { statuses, replacements } = result;
  if (statuses.size + (replacements?.size ?? 0) === recipients.length) return result;
  const missing = recipients.filter((index) => !statuses.has(index) && !replacements?.has(index));
  return {
    ...result,
    statuses: new Map([...statuses, ...missing.map((index) => [index, otherwise()] as const)]),
  };
}
