/** Takes everything into the archive. */
import { type Envelope, type Reply, reply } from '../mail/index.ts';
import type { IncomingMessage, Intake } from '../receiver/index.ts';
import type { TrapRecord } from './file.ts';
import type { IncomingFile } from './incoming.ts';
import type { TrapParts } from './options.ts';

// From outside a trap is a relay like any other, so these are the replies of one.
const noSpace = reply(452, '3.1', 'insufficient system storage, try again later');
const failing = reply(451, '3.0', 'messages cannot be kept now, try again later');
const tooBig = reply(552, '3.4', 'message too big');

/** Where messages are kept: the archive. */
export interface TrapStore {
  begin(): IncomingFile;
  /** Resolves when the message is durable. */
  keep(record: TrapRecord, octets: IncomingFile): Promise<void>;
}

/** The parts that the intake needs besides the archive. */
export interface TrapIntakeParts extends Pick<TrapParts, 'log' | 'background' | 'refusal'> {
  readonly maxMessageBytes: number;
}

/** Takes everything into the archive. It has nowhere else to put it. */
export function createTrapIntake(archive: TrapStore, parts: TrapIntakeParts): Intake {
  return { refusal: () => parts.refusal(), begin: () => new TrappedMessage(archive, parts) };
}

class TrappedMessage implements IncomingMessage {
  readonly #archive: TrapStore;
  readonly #parts: TrapIntakeParts;
  readonly #file: IncomingFile;
  #isTooBig = false;
  #isOver = false;

  constructor(archive: TrapStore, parts: TrapIntakeParts) {
    this.#archive = archive;
    this.#parts = parts;
    this.#file = archive.begin();
  }

  get id() {
    return this.#file.id;
  }

  write(octets: Uint8Array): Promise<void> | undefined {
    if (this.#isTooBig || this.#isOver) return undefined;
    this.#isTooBig = this.#file.size + octets.length > this.#parts.maxMessageBytes;
    return this.#isTooBig ? undefined : this.#file.write(octets);
  }

  async commit(envelope: Envelope): Promise<Reply> {
    const { log } = this.#parts;
    try {
      if (this.#isTooBig) return tooBig;
      await this.#archive.keep({ version: 1, id: this.id, envelope }, this.#file);
      return reply(250, '0.0', `queued as ${this.id}`);
    } catch (error) {
      const isFull = error instanceof Error && 'code' in error && error.code === 'ENOSPC';
      log.error('trap-write-failed', { queueId: this.id, because: String(error) });
      return isFull ? noSpace : failing;
    } finally {
      this.discard();
    }
  }

  discard(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#parts.background.run('trap discard', this.#file.discard());
  }
}
