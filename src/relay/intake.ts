import { Gathered, type Log } from '../base/index.ts';
import type { Guard, Judgement } from '../guard/index.ts';
import { type Envelope, type QueueId, type Reply, reply } from '../mail/index.ts';
import { maxWithheldTogether, Room } from '../message/index.ts';
import type { Queue } from '../queue/index.ts';
import type { IncomingMessage, Intake } from '../receiver/index.ts';
import { type Draft, type Spool, SpoolError } from '../spool/index.ts';
import { type BulkCheck, type BulkJudgement, bulkOctets } from './bulk.ts';

const noSpace = reply(452, '3.1', 'insufficient system storage, try again later');
const failing = reply(451, '3.0', 'messages cannot be kept now, try again later');
const draining = reply(421, '3.2', 'shutting down');

/** What the intake works with. */
export interface IntakeParts {
  readonly spool: Spool;
  readonly queue: Queue;
  readonly log: Log;
  /** Asked once for each message. */
  readonly guard: Pick<Guard, 'judge'>;
  /** Asked about those that the guard lets pass. */
  readonly bulk: BulkCheck;
  /** Octets that may be withheld at once; default 64 MiB. */
  readonly mostWithheld?: number;
  /** True once the relay is going down. */
  readonly isDraining: () => boolean;
}

/** Puts what the receiver takes into the spool: 250 only when it is durable there. */
export function createIntake(parts: IntakeParts): Intake {
  const room = new Room(parts.mostWithheld ?? maxWithheldTogether);
  return {
    room,
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
    begin: () => new SpooledMessage(parts, parts.spool.begin(), room),
  };
}

/** The reply for a message that could not be kept. Always transient: the message may be good. */
export function storageReply(error: unknown): Reply {
  return error instanceof SpoolError && error.code === 'full' ? noSpace : failing;
}

function queued(id: QueueId): Reply {
  return reply(250, '0.0', `queued as ${id}`);
}

class SpooledMessage implements IncomingMessage {
  readonly #parts: IntakeParts;
  readonly #draft: Draft;
  /** The first write that failed: what follows is read and dropped, and `commit` says so. */
  #failure: unknown;
  /** Not yet in the draft, because what is said of the message goes before it. */
  #withheld: Gathered | undefined;
  readonly #room: Room;
  #taken = 0;
  /** The beginning of a message that is too long to be withheld. */
  #beginning: Buffer | undefined;

  constructor(parts: IntakeParts, draft: Draft, room: Room) {
    this.#parts = parts;
    this.#draft = draft;
    this.#room = room;
    this.#withheld = parts.bulk.isOn() ? new Gathered() : undefined;
  }

  get id() {
    return this.#draft.id;
  }

  write(octets: Uint8Array): Promise<void> | undefined {
    if (this.#failure !== undefined) return undefined;
    if (this.#withheld === undefined) return this.#pass(octets);
    this.#withheld.push(octets);
    const hasRoom = this.#room.take(octets.length);
    if (hasRoom) this.#taken += octets.length;
    if (hasRoom && this.#withheld.length <= bulkOctets) return undefined;
    this.#beginning = this.#withheld.take();
    this.#withheld = undefined;
    return this.#pass(this.#beginning);
  }

  #pass(octets: Uint8Array): Promise<void> | undefined {
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
      const judged = this.#parts.guard.judge(envelope);
      if (judged.kind !== 'pass') {
        await this.#complete(envelope);
        return await this.#keepBack(envelope, judged);
      }
      return await this.#screen(envelope, held);
    } catch (error) {
      this.#fail(error);
      this.discard();
      return storageReply(error);
    } finally {
      this.#giveBack();
    }
  }

  /** From outside a message that is held is queued like any other. */
  async #keepBack(envelope: Envelope, judged: Exclude<Judgement, { kind: 'pass' }>): Promise<Reply> {
    if (judged.kind === 'refuse') {
      this.discard();
      return judged.reply;
    }
    try {
      await judged.durable;
      return queued(await this.#parts.queue.accept(this.#draft, envelope, { held: judged.because }));
    } finally {
      judged.end();
    }
  }

  /** What is bulk is tagged, held or refused, as the rules say. */
  async #screen(envelope: Envelope, held?: string): Promise<Reply> {
    const { bulk, log, queue } = this.#parts;
    const octets = this.#beginning ?? this.#whole();
    const judged: BulkJudgement =
      octets === undefined ? { kind: 'pass' } : await bulk.judge(envelope, octets);
    if (judged.kind === 'refuse') {
      log.info('bulk-refused', {
        queueId: this.id,
        because: judged.because,
        reply: String(judged.reply.code),
      });
      this.discard();
      return judged.reply;
    }
    const complete = await this.#complete(envelope, judged.header);
    if (judged.kind === 'pass')
      return queued(await queue.accept(this.#draft, complete, held === undefined ? {} : { held }));
    log.info('bulk-held', { queueId: this.id, because: judged.because });
    return queued(await queue.accept(this.#draft, complete, { held: judged.because }));
  }

  /** Writes what was withheld, with a field before it; the envelope then knows of both. */
  async #complete(envelope: Envelope, field?: string): Promise<Envelope> {
    const withheld = this.#whole();
    if (withheld === undefined) return envelope;
    this.#withheld = undefined;
    await this.#pass(field === undefined ? withheld : Buffer.concat([Buffer.from(field), withheld]));
    if (this.#failure !== undefined) throw this.#failure;
    const { content } = envelope;
    const growth = field === undefined ? 0 : Buffer.byteLength(field);
    return { ...envelope, content: { ...content, size: content.size + growth } };
  }

  /** What is withheld, in one piece. */
  #whole(): Buffer | undefined {
    const whole = this.#withheld?.take();
    if (whole !== undefined) this.#withheld?.push(whole);
    return whole;
  }

  #giveBack(): void {
    this.#room.give(this.#taken);
    this.#taken = 0;
  }

  discard(): void {
    this.#giveBack();
    void this.#draft[Symbol.asyncDispose]().catch((error: unknown) => this.#fail(error));
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    const because = error instanceof Error ? error.message : String(error);
    this.#parts.log.error('spool-write-failed', { queueId: this.id, because });
  }
}
