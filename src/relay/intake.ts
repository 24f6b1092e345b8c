/** Puts accepted mail into the spool, and hands it to the queue. */
import type { Log } from '../base/index.ts';
import { type Envelope, type Reply, reply } from '../mail/index.ts';
import { maxWithheldTogether, Room } from '../message/index.ts';
import type { Queue } from '../queue/index.ts';
import type { IncomingMessage, Intake } from '../receiver/index.ts';
import { type Draft, type Spool, SpoolError } from '../spool/index.ts';
import type { RelayEvents } from './events.ts';

const noSpace = reply(452, '3.1', 'insufficient system storage, try again later');
const failing = reply(451, '3.0', 'messages cannot be kept now, try again later');
const draining = reply(421, '3.2', 'shutting down');

/** The parts that the intake needs. */
export interface IntakeParts {
  readonly spool: Spool;
  readonly queue: Pick<Queue, 'accept'>;
  readonly log: Log<RelayEvents>;
  /** True once the relay is going down. */
  readonly isDraining: () => boolean;
}

/** Puts the receiver's messages into the spool: 250 only when they are durable there. */
export function createIntake(parts: IntakeParts): Intake {
  return {
    room: new Room(maxWithheldTogether),
    refusal() {
      if (parts.isDraining()) return draining;
      const health = parts.spool.health();
      switch (health.state) {
        case 'ok':
          return undefined;
        case 'low':
          return noSpace;
        case 'failing':
          return failing;
      }
    },
    begin: () => new SpooledMessage(parts, parts.spool.begin()),
  };
}

/** The reply for a message that could not be kept. Always transient: the message may be good. */
export function storageReply(error: unknown): Reply {
  return error instanceof SpoolError && error.code === 'full' ? noSpace : failing;
}

class SpooledMessage implements IncomingMessage {
  readonly #parts: IntakeParts;
  readonly #draft: Draft;
  /** The first write that failed: later octets are read and dropped, and `commit` reports it. */
  #failure: unknown;

  constructor(parts: IntakeParts, draft: Draft) {
    this.#parts = parts;
    this.#draft = draft;
  }

  get id() {
    return this.#draft.id;
  }

  write(octets: Uint8Array): Promise<void> | undefined {
    if (this.#failure !== undefined) return undefined;
    try {
      return this.#draft.write(octets)?.catch((error: unknown) => this.#fail(error));
    } catch (error) {
      this.#fail(error);
      return undefined;
    }
  }

  async commit(envelope: Envelope, held?: string): Promise<Reply> {
    try {
      // Nothing that came in by a trap is ever queued; it has an intake of its own.
      if (envelope.origin.ground === 'trap') throw new Error('mail of a trap came to the queue');
      if (this.#failure !== undefined) throw this.#failure;
      const id = await this.#parts.queue.accept(
        this.#draft,
        envelope,
        held === undefined ? undefined : { held },
      );
      return reply(250, '0.0', `queued as ${id}`);
    } catch (error) {
      this.#fail(error);
      this.discard();
      return storageReply(error);
    }
  }

  discard(): void {
    void this.#draft[Symbol.asyncDispose]().catch((error: unknown) => this.#fail(error));
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    const because = error instanceof Error ? error.message : String(error);
    this.#parts.log.error('spool-write-failed', { queueId: this.id, because });
  }
}
