/** Messages that were accepted a moment ago, as they are in the store: they need not be read. */
import type { Envelope, QueueId } from '../mail/index.ts';
import type { LaneEntry } from './spool.ts';

const maxMessages = 5000;
/** Octets of messages kept for their first attempt. */
const maxOctets = 8 * 2 ** 20;

/** A message with all of its records. */
export interface FreshMessage {
  readonly envelope: Envelope;
  /** By number. */
  readonly entries: LaneEntry[];
  /** A view of the written octets; absent when too many of them wait already. */
  readonly octets: Buffer | undefined;
}

/**
 * Messages whose octets are in the store, and of which nothing was written since but when they are due: all of their
 * records are known, and they have no statuses. Most mail is delivered at the first attempt: it is sent from memory and
 * removed without reading anything back. Measured at 1 KiB, that halves what a removal costs; at 100 KiB it saves a
 * copy and a checksum. The oldest is forgotten first, and whatever is not here is read.
 */
export class FreshMessages {
  readonly #messages = new Map<QueueId, FreshMessage>();
  #octets = 0;

  add(id: QueueId, { envelope, entries, octets }: FreshMessage & { readonly octets: Buffer }): void {
    const isKept = this.#octets + octets.length <= maxOctets;
    if (isKept) this.#octets += octets.length;
    this.#messages.set(id, { envelope, entries, octets: isKept ? octets : undefined });
    if (this.#messages.size <= maxMessages) return;
    for (const oldest of this.#messages.keys()) {
      this.take(oldest);
      return;
    }
  }

  get(id: QueueId): FreshMessage | undefined {
    return this.#messages.get(id);
  }

  octets(id: QueueId): Buffer | undefined {
    return this.#messages.get(id)?.octets;
  }

  /** A message that is about to be changed, and is not fresh any more. */
  take(id: QueueId): FreshMessage | undefined {
    const message = this.#messages.get(id);
    if (message === undefined) return undefined;
    this.#messages.delete(id);
    this.#octets -= message.octets?.length ?? 0;
    return message;
  }
}
