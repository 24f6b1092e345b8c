/** The octets of one message on their way from the wire into the intake, by DATA or by BDAT. */
import type { ContentFacts, Reply } from '../mail/index.ts';
import { type Header, type HeaderDecision, Incoming, type Room } from '../message/index.ts';
import { BdatReader, type ContentFault, type DataReader } from '../smtp/index.ts';
import type { IncomingMessage } from './ask.ts';

export interface ContentParts {
  readonly message: IncomingMessage;
  readonly reader: DataReader | BdatReader;
  readonly begunAt: number;
  /** Our own trace field. */
  readonly trace: string;
  readonly room: Room | undefined;
  /** What is to be changed in the header, or why the message may not go on. */
  readonly judge: (header: Header) => HeaderDecision | Reply;
}

/** One message: its reader, what it becomes, and where that goes. */
export class Content {
  readonly begunAt: number;
  readonly message: IncomingMessage;
  readonly incoming: Incoming;
  readonly #reader: DataReader | BdatReader;
  readonly #judge: ContentParts['judge'];
  /** Why the message is refused for its header, which is said at its end. */
  refusal: Reply | undefined;
  #waiting: Promise<void> | undefined;

  constructor({ message, reader, begunAt, trace, room, judge }: ContentParts) {
    this.begunAt = begunAt;
    this.message = message;
    this.#reader = reader;
    this.#judge = judge;
    const onHeader = (header: Header) => this.#decide(header);
    this.incoming = new Incoming({ sink: message, trace, room, withholds: false, onHeader });
  }

  get fault(): ContentFault | undefined {
    return this.#reader.fault;
  }

  /** What is known of the octets that went on; of use once all of them have. */
  get facts(): ContentFacts {
    return this.incoming.facts(this.#reader.facts);
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
    const end = this.#reader.read(octets, 0, (slice) => {
      this.#waiting = this.incoming.write(slice);
    });
    return { end, wait: this.#waiting };
  }

  /** Nothing is kept of it. */
  discard(): void {
    this.incoming.close();
    this.message.discard();
  }

  #decide(header: Header): HeaderDecision {
    const judged = this.#judge(header);
    if (judged === undefined || judged === 'drop' || !('code' in judged)) return judged;
    this.refusal = judged;
    return 'drop';
  }
}
