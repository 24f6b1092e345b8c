/** One message on its way in: from the slices that the reader of DATA or BDAT finds to the draft that keeps them. */
import { Gathered } from '../base/index.ts';
import type { ContentFacts, HeaderLine } from '../mail/index.ts';
import { type Edit, type FieldEdit, isOwn } from './edit.ts';
import { edited, type Written } from './edited.ts';
import { factsOf } from './facts.ts';
import { Header } from './header.ts';
import { HeaderScan } from './header-scan.ts';
import { maxWithheldOctets, type Room } from './room.ts';

/** Takes the octets of a message, which belong to it from then on. A promise asks for a pause until it resolves. */
export interface Sink {
  write(octets: Uint8Array): Promise<void> | undefined;
}

/** The decision about a message once its header is known. */
export type HeaderDecision =
  /** With edits, which are made at once. */
  | { readonly kind: 'keep'; readonly edits?: readonly FieldEdit[] | undefined }
  /** Nothing more of it is kept. */
  | { readonly kind: 'drop' };

export interface IncomingOptions {
  readonly sink: Sink;
  /** Our own trace field, which is written first, in a write of its own. */
  readonly trace: string;
  /** The limit of the octets withheld of all messages together; default: no limit but that of one. */
  readonly room?: Room | undefined;
  /** All of the message is withheld up to its end, as long as there is room, so that it can be edited then. */
  readonly withholds: boolean;
  /** Asked once, when the header has come; without it every message is kept as it is. */
  readonly onHeader?: (header: Header) => HeaderDecision | Promise<HeaderDecision>;
}

const keep: HeaderDecision = { kind: 'keep' };
const nothing = Buffer.alloc(0);
const lineEnd = Buffer.from('\r\n');

/**
 * The header is gathered, looked at once, and goes on with the edits that were made in it; the body goes on as it
 * comes, or is withheld for edits at the end. A header that comes in one slice with what follows it is not copied.
 * Trace and content are kept apart until they are written, so that no content can extend the trace.
 *
 * Calls of `write` wait for the promise of the one before. The result does not depend on where the octets are cut.
 */
export class Incoming {
  readonly #options: IncomingOptions;
  readonly #scan = new HeaderScan();
  /**
   * `header`: not known yet. `withheld`: known, its octets wait. `passing`: octets go on as they come. `dropped`:
   * nothing more is kept.
   */
  #state: 'header' | 'withheld' | 'passing' | 'dropped' = 'header';
  #header: Header | undefined;
  /** The content as it came, from its beginning, while it is withheld. */
  #gathered: Gathered | undefined;
  /** Octets of the room that are ours, until the end: the header is kept as long. */
  #taken = 0;
  #beginning: Buffer | undefined;
  #edits: readonly Edit[] | undefined;
  #written: Written | undefined;
  #size = 0;

  constructor(options: IncomingOptions) {
    this.#options = options;
  }

  /** Hops so far, without ours. */
  get hops(): number {
    return this.#scan.hops;
  }

  /** Known once `onHeader` is asked. */
  get header(): Header | undefined {
    return this.#header;
  }

  /** A line that only we may write stands where the header was too long to be gathered. */
  get hasOwnBeyond(): boolean {
    return this.#scan.own > (this.#header?.own ?? 0);
  }

  /** Whether edits can still be made: not once the message was too long to be withheld. */
  get isWithheld(): boolean {
    return this.#state === 'withheld';
  }

  write(slice: Buffer): Promise<void> | undefined {
    if (!this.#scan.isComplete) this.#scan.read(slice);
    switch (this.#state) {
      case 'header':
        return this.#gather(slice);
      case 'withheld':
        return this.#hold(slice) ? undefined : this.#overflow();
      case 'passing':
        return this.#pass(slice);
      case 'dropped':
        return undefined;
    }
  }

  /** The whole message has come. */
  end(): Promise<void> | undefined {
    return this.#state === 'header' ? this.#decide(this.#take(), this.#scan.length) : undefined;
  }

  /** The content as it came, at least from its beginning; empty where nothing was to be withheld. */
  beginning(): Buffer {
    if (this.#beginning !== undefined || this.#gathered === undefined) return this.#beginning ?? nothing;
    const all = this.#gathered.take();
    this.#gathered.push(all);
    return all;
  }

  /** Writes the withheld octets, with these edits. After `end`. */
  finish(edits: readonly Edit[] = []): Promise<void> | undefined {
    if (this.#state !== 'withheld') return undefined;
    if (edits.length > 0) this.#edits = [...(this.#edits ?? []), ...edits];
    return this.#release(this.#take());
  }

  /** The facts of the octets that were written or are withheld, from the reader's facts about the received ones. */
  facts(read: ContentFacts): ContentFacts {
    const written = this.#written;
    if (this.#state === 'withheld' || (written === undefined && this.#size === read.size)) return read;
    const body = written?.body === undefined ? read : factsOf(written.body);
    return {
      size: this.#size,
      hasEightBit: read.hasEightBit || body.hasEightBit || written?.addsEightBit === true,
      hasLeadingDot: read.hasLeadingDot || body.hasLeadingDot,
      endsWithCrlf: body.endsWithCrlf || (body === read && written?.addsEnd === true),
      isBinary: read.isBinary || body.isBinary,
    };
  }

  /** Keeps nothing any more. To be called when the message is over, however it ends. */
  close(): void {
    this.#state = 'dropped';
    this.#gathered = undefined;
    this.#giveBack();
  }

  #gather(slice: Buffer): Promise<void> | undefined {
    const { isComplete, length } = this.#scan;
    const end = isComplete && length <= maxWithheldOctets ? length : undefined;
    if (isComplete && this.#gathered === undefined) return this.#decide(slice, end);
    return this.#hold(slice) && !isComplete ? undefined : this.#decide(this.#take(), end);
  }

  /** Keeps octets back; false when that is more than may be kept. */
  #hold(octets: Buffer): boolean {
    this.#gathered ??= new Gathered();
    this.#gathered.push(octets);
    if (this.#options.room?.take(octets.length) === false) return false;
    this.#taken += octets.length;
    return this.#gathered.length <= maxWithheldOctets;
  }

  #take(): Buffer {
    const all = this.#gathered?.take() ?? nothing;
    this.#gathered = undefined;
    return all;
  }

  /** `end` is where the header ends; `undefined` when that was not found in as much as may be kept. */
  #decide(all: Buffer, end: number | undefined): Promise<void> | undefined {
    this.#header =
      end === undefined
        ? beginningOf(all, this.#scan.own)
        : new Header(all.subarray(0, end), { own: this.#scan.own });
    const decision = this.#options.onHeader?.(this.#header) ?? keep;
    if (decision instanceof Promise) return decision.then((made) => this.#decided(all, made));
    return this.#decided(all, decision);
  }

  #decided(all: Buffer, decision: HeaderDecision): Promise<void> | undefined {
    if (this.#state === 'dropped') return undefined;
    if (decision.kind === 'drop') {
      this.#state = 'dropped';
      return undefined;
    }
    this.#edits = decision.edits;
    if (!this.#options.withholds) return this.#release(all);
    this.#state = 'withheld';
    this.#giveBack();
    return this.#hold(all) ? undefined : this.#overflow();
  }

  /** It is too long to be withheld: it goes on without the edits of its end, and is looked at as far as it came. */
  #overflow(): Promise<void> | undefined {
    this.#beginning = this.#take();
    return this.#release(this.#beginning);
  }

  #release(all: Buffer): Promise<void> | undefined {
    this.#state = 'passing';
    const { sink } = this.#options;
    const trace = Buffer.from(this.#options.trace);
    const header = this.#header ?? new Header(nothing);
    const isBelowBlank = header.octets.length === 0 && (all[0] === 32 || all[0] === 9);
    if (this.#edits === undefined) {
      const first = sink.write(trace);
      return both(first, this.#pass(isBelowBlank ? Buffer.concat([lineEnd, all]) : all));
    }
    const rest = all.subarray(header.octets.length);
    const body = isBelowBlank ? Buffer.concat([lineEnd, rest]) : rest;
    const written = edited({ trace, header, rest: body }, this.#edits);
    this.#written = written;
    this.#size += written.top.length - trace.length;
    return both(both(sink.write(written.top), this.#pass(written.header)), this.#pass(written.rest));
  }

  #pass(octets: Buffer): Promise<void> | undefined {
    if (octets.length === 0) return undefined;
    this.#size += octets.length;
    return this.#options.sink.write(octets);
  }

  #giveBack(): void {
    this.#options.room?.give(this.#taken);
    this.#taken = 0;
  }
}

/** The known part of a header that is too long: its lines up to the last, of which more may come. */
function beginningOf(octets: Buffer, own: number): Header {
  const kept = octets.subarray(0, maxWithheldOctets);
  const cut = octets.length > maxWithheldOctets ? 'too-long' : 'no-room';
  const { lines } = new Header(kept);
  const whole = kept.subarray(0, lines.at(-1)?.start ?? 0);
  const isWhole = ({ start }: HeaderLine) => start < whole.length && isOwn(whole, start);
  return new Header(whole, { own: own === 0 ? 0 : lines.filter(isWhole).length, cut });
}

function both(
  first: Promise<void> | undefined,
  second: Promise<void> | undefined,
): Promise<void> | undefined {
  if (first === undefined || second === undefined) return first ?? second;
  return Promise.all([first, second]).then(() => {});
}
