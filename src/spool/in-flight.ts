/** Changes that are being written and cannot be read yet. */
import type { QueueId } from '../mail/index.ts';
import type { LaneEntry } from './spool.ts';

/** The records of one message that are being written and cannot be read yet. */
export interface MessageInFlight {
  writers: number;
  isRemoved: boolean;
  /** `undefined` is an entry that is finished. */
  readonly entries: Map<number, LaneEntry | undefined>;
  readonly statuses: Set<number>;
}

const noEntries = new Map<number, LaneEntry | undefined>();
const noStatuses = new Set<number>();

/**
 * The changes between the call of `update` and its commit. Reads show durable state; an update has to know the effects
 * of the updates before it in line, so that it removes the right keys and revives nothing.
 */
export class InFlight {
  readonly #messages = new Map<QueueId, MessageInFlight>();

  get(id: QueueId): MessageInFlight | undefined {
    return this.#messages.get(id);
  }

  /** The state of a message for one writer, which calls `leave` once for each id in the end. */
  enter(id: QueueId, writer: Set<QueueId>): MessageInFlight {
    let message = this.#messages.get(id);
    if (message === undefined) {
      message = { writers: 0, isRemoved: false, entries: new Map(), statuses: new Set() };
      this.#messages.set(id, message);
    }
    if (!writer.has(id)) {
      writer.add(id);
      message.writers++;
    }
    return message;
  }

  /** The same for a message that is removed whole: no other write about it matters. */
  enterRemoved(id: QueueId, writer: Set<QueueId>): void {
    if (this.#messages.has(id)) this.enter(id, writer).isRemoved = true;
    else {
      this.#messages.set(id, { writers: 1, isRemoved: true, entries: noEntries, statuses: noStatuses });
      writer.add(id);
    }
  }

  leave(writer: ReadonlySet<QueueId>): void {
    for (const id of writer) {
      const message = this.#messages.get(id);
      if (message !== undefined && --message.writers === 0) this.#messages.delete(id);
    }
  }
}
