import { type ContentFacts, countReceived, findField } from '../mail/index.ts';
import { BdatReader, type ContentFault, type DataReader } from '../smtp/index.ts';
import type { IncomingMessage } from './ask.ts';
import type { HeaderEdge } from './header-edge.ts';

/** How much of a message is looked at for its header. */
const headerOctets = 64 * 1024;
/** A peer that sends octet by octet must not make us keep a buffer for each. */
const maxPieces = 64;
const headerEnd = Buffer.from('\r\n\r\n');

/** The beginning of a message, kept until its header is known. */
class Head {
  #pieces: Buffer[] = [];
  #size = 0;
  /** The octets before those that come next; a header may be empty. */
  #last: Buffer = Buffer.from('\r\n');
  #isComplete = false;

  push(octets: Buffer): void {
    if (this.#isComplete) return;
    this.#pieces.push(octets);
    if (this.#pieces.length > maxPieces) this.#pieces = [Buffer.concat(this.#pieces)];
    this.#size += octets.length;
    this.#isComplete = this.#size >= headerOctets || octets.includes(headerEnd) || this.#endsAcross(octets);
  }

  /** Whether the empty line lies across the end of the last piece and the beginning of this one. */
  #endsAcross(octets: Buffer): boolean {
    const joint = Buffer.concat([this.#last, octets.subarray(0, 3)]);
    const end = octets.length < 3 ? joint : octets;
    this.#last = Buffer.from(end.subarray(-3));
    return joint.includes(headerEnd);
  }

  octets(): Buffer {
    const [only] = this.#pieces;
    return this.#pieces.length === 1 && only !== undefined ? only : Buffer.concat(this.#pieces);
  }
}

/** The octets of one message on their way from the wire into the spool, by DATA or by BDAT. */
export class Content {
  readonly message: IncomingMessage;
  readonly begunAt: number;
  readonly #reader: DataReader | BdatReader;
  readonly #head = new Head();
  readonly #edge: HeaderEdge;
  #waiting: Promise<void> | undefined;

  constructor(parts: {
    readonly message: IncomingMessage;
    readonly reader: DataReader | BdatReader;
    readonly edge: HeaderEdge;
    readonly begunAt: number;
  }) {
    this.message = parts.message;
    this.begunAt = parts.begunAt;
    this.#reader = parts.reader;
    this.#edge = parts.edge;
  }

  get fault(): ContentFault | undefined {
    return this.#reader.fault;
  }

  /** What is known of the octets that went on; of use once `end` was called. */
  get facts(): ContentFacts {
    const { facts } = this.#reader;
    const { growth } = this.#edge;
    return growth === 0 ? facts : { ...facts, size: facts.size + growth };
  }

  /** The whole message has come. */
  end(): Promise<void> | undefined {
    const kept = this.#edge.end();
    return kept.length > 0 ? this.message.write(kept) : undefined;
  }

  /** A BDAT chunk of which nothing more has to come: one of no octets has nothing that could arrive. */
  get isChunkComplete(): boolean {
    return this.#reader instanceof BdatReader && this.#reader.left === 0;
  }

  /** Announces a BDAT chunk. */
  begin(octets: number, isLast: boolean): void {
    if (this.#reader instanceof BdatReader) this.#reader.begin(octets, isLast);
  }

  /**
   * Reads octets. `end` is the index after the end of data, or of the chunk, in `octets`; -1 when more have
   * to come. `wait` asks to stop reading until it resolves.
   */
  read(octets: Buffer): { readonly end: number; readonly wait: Promise<void> | undefined } {
    this.#waiting = undefined;
    const end = this.#reader.read(octets, 0, (slice) => this.#take(slice));
    return { end, wait: this.#waiting };
  }

  #take(slice: Buffer): void {
    this.#head.push(slice);
    const passed = this.#edge.read(slice);
    if (passed.length > 0) this.#waiting = this.message.write(passed) ?? this.#waiting;
  }

  get hops(): number {
    return countReceived(this.#head.octets());
  }

  get messageId(): string | undefined {
    return findField(this.#head.octets(), 'message-id')?.slice(0, 300);
  }
}
