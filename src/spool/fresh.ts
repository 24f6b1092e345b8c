import type { QueueId } from '../mail/index.ts';
import type { LaneEntry } from './spool.ts';

const maxMessages = 5000;

/**
 * Messages that were accepted a moment ago, whose octets are in the store and that nothing was written about
 * since: their entries are known, and they have no statuses. Most mail is delivered at the first attempt, and
 * is then removed without reading anything back; measured, that halves what a removal costs. The oldest is
 * forgotten first, and whatever is not here is read.
 */
export class FreshMessages {
  readonly #messages = new Map<QueueId, readonly LaneEntry[]>();

  add(id: QueueId, entries: readonly LaneEntry[]): void {
    this.#messages.set(id, entries);
    if (this.#messages.size <= maxMessages) return;
    for (const oldest of this.#messages.keys()) {
      this.#messages.delete(oldest);
      return;
    }
  }

  has(id: QueueId): boolean {
    return this.#messages.has(id);
  }

  /** The entries of a message that is about to be changed, and is not fresh any more. */
  take(id: QueueId): readonly LaneEntry[] | undefined {
    const entries = this.#messages.get(id);
    if (entries !== undefined) this.#messages.delete(id);
    return entries;
  }
}
