/** One message from its first octet to the intake, from DATA, BDAT or a local user. */
import type { ContentFacts, Envelope, Reply } from '../mail/index.ts';
import { type Header, type HeaderDecision, Incoming, type Room } from '../message/index.ts';
import { BdatReader, type ContentFault, type DataReader } from '../smtp/index.ts';
import type { IncomingMessage, Later } from './ask.ts';
import { type Disposition, dispositionAfter, type Ruling, type Screening } from './screening.ts';

/** Our own verdict about a header, before the checks are asked. */
export type HeaderVerdict = HeaderDecision | { readonly kind: 'refuse'; readonly reply: Reply };

const keep: HeaderDecision = { kind: 'keep' };
const drop: HeaderDecision = { kind: 'drop' };

/** The parts that a message needs. */
export interface ContentParts {
  readonly message: IncomingMessage;
  readonly reader: DataReader | BdatReader;
  readonly begunAt: number;
  /** Our own trace field. */
  readonly trace: string;
  readonly room: Room | undefined;
  /** Without it every header is kept as it is. */
  readonly judge?: (header: Header) => HeaderVerdict;
  /** Without it nothing is checked. */
  readonly screening?: Screening | undefined;
  /** Passed on to the checks. */
  readonly isKnown: () => Later<boolean>;
  /** The checks' decision before the message arrived. */
  readonly disposition?: Disposition | undefined;
  /** As far as it is known before the end. */
  readonly envelope: () => Omit<Envelope, 'content'>;
}

/** Why a message is not kept. */
export interface Refused {
  readonly reply: Reply;
  readonly because?: string;
}

export class Content {
  readonly begunAt: number;
  readonly message: IncomingMessage;
  readonly incoming: Incoming;
  readonly screening: Screening | undefined;
  readonly isKnown: () => Later<boolean>;
  /** A check looks at the content, so that it is kept back until the end, as long as there is room. */
  readonly withholds: boolean;
  readonly #parts: ContentParts;
  /** The refusal of the message for its header, which is sent at its end. */
  refused: Refused | undefined;
  /** The checks' decision about it so far. */
  disposition: Disposition | undefined;
  #waiting: Promise<void> | undefined;

  constructor(parts: ContentParts) {
    const { message, begunAt, trace, room, screening } = parts;
    this.#parts = parts;
    this.begunAt = begunAt;
    this.message = message;
    this.screening = screening;
    this.isKnown = parts.isKnown;
    this.disposition = parts.disposition;
    this.withholds = screening !== undefined && screening.beginningOctets > 0;
    const onHeader = (header: Header) => this.#decide(header);
    this.incoming = new Incoming({ sink: message, trace, room, withholds: this.withholds, onHeader });
  }

  get fault(): ContentFault | undefined {
    return this.#parts.reader.fault;
  }

  /** The facts of the octets written on, or of those received while they are withheld. */
  get facts(): ContentFacts {
    return this.incoming.facts(this.#parts.reader.facts);
  }

  /** A BDAT chunk of which nothing more has to come: one of no octets has nothing that could arrive. */
  get isChunkComplete(): boolean {
    const { reader } = this.#parts;
    return reader instanceof BdatReader && reader.left === 0;
  }

  /** Announces a BDAT chunk. */
  begin(octets: number, isLast: boolean): void {
    const { reader } = this.#parts;
    if (reader instanceof BdatReader) reader.begin(octets, isLast);
  }

  /**
   * Reads octets. `end` is the index after the end of data, or of the chunk, in `octets`; -1 when more have
   * to come. `wait` asks to stop reading until it resolves.
   */
  read(octets: Buffer): { readonly end: number; readonly wait: Promise<void> | undefined } {
    this.#waiting = undefined;
    const end = this.#parts.reader.read(octets, 0, (slice) => {
      this.#waiting = this.incoming.write(slice);
    });
    return { end, wait: this.#waiting };
  }

  /** Nothing is kept of it. */
  discard(): void {
    this.incoming.close();
    this.message.discard();
  }

  #decide(header: Header): Later<HeaderDecision> {
    const judged = this.#parts.judge?.(header) ?? keep;
    if (judged.kind === 'refuse') {
      this.refused = judged;
      return drop;
    }
    if (this.disposition?.kind === 'discard') return drop;
    const ask = this.screening?.header;
    if (ask === undefined) return judged;
    const ruling = ask({
      id: this.message.id,
      isKnown: this.isKnown,
      envelope: this.#parts.envelope(),
      header: header.octets,
    });
    if (ruling instanceof Promise) return ruling.then((made) => this.#rule(made, judged));
    return this.#rule(ruling, judged);
  }

  #rule(ruling: Ruling, judged: HeaderDecision): HeaderDecision {
    if (ruling.kind === 'pass') return judged;
    if (ruling.kind === 'refuse') this.refused = ruling;
    else this.disposition = dispositionAfter(this.disposition, ruling);
    return ruling.kind === 'hold' ? judged : drop;
  }
}
