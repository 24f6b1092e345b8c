/** An intake in memory for tests of the receiver. */
import { type Envelope, QueueIdSource, type Reply, reply } from '../../src/mail/index.ts';
import type { Room } from '../../src/message/index.ts';
import type { IncomingMessage, Intake } from '../../src/receiver/index.ts';

/** A message that was committed. */
export interface KeptMessage {
  readonly envelope: Envelope;
  /** Why it is set aside. */
  readonly held: string | undefined;
  /** With our Received field. */
  readonly octets: Buffer;
  /** Without it: what the peer sent. */
  readonly sent: Buffer;
}

/** An intake that keeps messages in memory and can be told to be slow, or to refuse. */
export class MemoryIntake implements Intake {
  readonly messages: KeptMessage[] = [];
  begun = 0;
  /** Messages that were begun and neither committed nor discarded. */
  open = 0;
  room: Room | undefined;
  /** The answer of `refusal`. */
  refuses: Reply | undefined;
  /** Promises for which `commit` and `write` wait. */
  hold: { commit?: Promise<void>; write?: Promise<void> } = {};
  #onCommit: () => void = () => {};
  readonly #ids = new QueueIdSource({ shard: 0, now: () => 1 });

  refusal(): Reply | undefined {
    return this.refuses;
  }

  /** Lets no commit come to its end before `release`; `begun` when one has begun. */
  holdCommit(): { readonly begun: Promise<void>; readonly release: () => void } {
    const begun = Promise.withResolvers<void>();
    const released = Promise.withResolvers<void>();
    this.#onCommit = begun.resolve;
    this.hold = { commit: released.promise };
    return { begun: begun.promise, release: released.resolve };
  }

  begin(): IncomingMessage {
    const id = this.#ids.next();
    const parts: Uint8Array[] = [];
    let isOver = false;
    this.begun++;
    this.open++;
    const finish = () => {
      if (isOver) return;
      isOver = true;
      this.open--;
    };
    return {
      id,
      write: (octets) => {
        if (isOver) throw new Error('written after its end');
        parts.push(octets);
        // The first write is our own Received field.
        return parts.length > 1 ? this.hold.write : undefined;
      },
      commit: async (envelope, held) => {
        if (isOver) throw new Error('committed after its end');
        this.#onCommit();
        await this.hold.commit;
        finish();
        const [received = Buffer.alloc(0), ...rest] = parts;
        const sent = Buffer.concat(rest);
        this.messages.push({ envelope, held, octets: Buffer.concat([received, sent]), sent });
        return reply(250, '0.0', `queued as ${id}`);
      },
      discard: finish,
    };
  }
}
