/** Messages that were accepted a moment ago, to be read without the store. */
import type { QueueId } from '../mail/index.ts';
import type { Operation } from '../store/index.ts';

const maxMessages = 5000;
/** Octets of messages kept for their first attempt. */
const maxOctets = 8 * 2 ** 20;

interface FreshMessage {
  /** What takes its records away. */
  readonly removal: readonly Operation[];
  /** A view of what was written; absent when too much of it waits already. */
  octets: Buffer | undefined;
}

/**
 * Messages that were accepted a moment ago, whose octets are in the store and that nothing was written about
 * since: their records are known, and they have no statuses. Most mail is delivered at the first attempt: it
 * is sent from memory and removed without reading anything back. Measured at 1 KiB, that halves what a
 * removal costs; at 100 KiB it saves a copy and a checksum. The oldest is forgotten first, and whatever is
 * not here is read.
 */
export class FreshMessages {
  readonly #messages = new Map<QueueId, FreshMessage>();
  #octets = 0;

  /** `written` is what made it durable. */
  add(id: QueueId, written: readonly Operation[], octets: Buffer): void {
    const isKept = this.#octets + octets.length <= maxOctets;
    if (isKept) this.#octets += octets.length;
    const removal = written.map(({ table, key }): Operation => ({ table, key, frame: undefined }));
    this.#messages.set(id, { removal, octets: isKept ? octets : undefined });
    if (this.#messages.size <= maxMessages) return;
    for (const oldest of this.#messages.keys()) {
      this.take(oldest);
      return;
    }
  }

  has(id: QueueId): boolean {
    return this.#messages.has(id);
  }

  octets(id: QueueId): Buffer | undefined {
    return this.#messages.get(id)?.octets;
  }

  /** A message that is about to be changed, and is not fresh any more: what would remove it. */
  take(id: QueueId): readonly Operation[] | undefined {
    const message = this.#messages.get(id);
    if (message === undefined) return undefined;
    this.#messages.delete(id);
    this.#octets -= message.octets?.length ?? 0;
    return message.removal;
  }
}
