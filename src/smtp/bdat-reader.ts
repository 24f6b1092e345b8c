/** Reads the chunks of BDAT (RFC 3030 §2). */
import type { ContentFacts } from '../mail/index.ts';
import type { ContentFault, ContentLimits } from './data-reader.ts';

const cr = 13;
const lf = 10;
const dot = 46;
/** RFC 5322 §2.1.1. */
const textLineOctets = 998;

/** Where in a line the last octet was. */
const inText = 0;
const afterCr = 1;
const afterCrlf = 2;
const afterBareLf = 3;
type Place = 0 | 1 | 2 | 3;

/**
 * Reads the chunks of one message sent by BDAT (RFC 3030 §2). Each chunk is exactly as long as announced,
 * whatever is in it, so its end can not be forged. `begin` announces one, `read` takes its octets.
 *
 * Bare CR and LF are faults, also when a CR ends one chunk and no LF begins the next, because the message
 * may have to go on by DATA; with `binarymime` they only make the content binary. After a fault nothing more
 * is emitted, but the announced octets are still read.
 */
export class BdatReader {
  readonly #maxOctets: number;
  readonly #maxLineOctets: number;
  readonly #allowNul: boolean;
  readonly #isBinaryMime: boolean;
  /** Octets of the announced chunk that are still to come. */
  #left = 0;
  #isLast = false;
  #size = 0;
  #place: Place = afterCrlf;
  /** Octets of the current line that were read before. */
  #lineOctets = 0;
  /** All octets or-ed together. */
  #bits = 0;
  #hasLeadingDot = false;
  #isBinary = false;
  #fault: ContentFault | undefined;

  constructor(limits: ContentLimits & { readonly isBinaryMime?: boolean }) {
    this.#maxOctets = limits.maxOctets;
    this.#isBinaryMime = limits.isBinaryMime ?? false;
    this.#allowNul = limits.allowNul ?? false;
    const unlimited = this.#isBinaryMime ? textLineOctets : Number.POSITIVE_INFINITY;
    this.#maxLineOctets = limits.maxLineOctets ?? unlimited;
  }

  /** The first fault; final when the last chunk was read. */
  get fault(): ContentFault | undefined {
    return this.#fault;
  }

  /** Octets of the announced chunk that are still to come. */
  get left(): number {
    return this.#left;
  }

  /** The facts of the octets emitted; of use when the last chunk was read without a fault. */
  get facts(): ContentFacts {
    return {
      size: this.#size,
      hasEightBit: this.#bits > 127,
      hasLeadingDot: this.#hasLeadingDot,
      endsWithCrlf: this.#place === afterCrlf,
      isBinary: this.#isBinary,
    };
  }

  /** Announces a chunk of `octets`. One beyond the limit is `too-big` before its first octet comes. */
  begin(octets: number, isLast: boolean): void {
    this.#left = octets;
    this.#isLast = isLast;
    if (this.#size + octets > this.#maxOctets) this.#fault ??= 'too-big';
    this.#finish();
  }

  /**
   * Reads `chunk` from the index `from`. Returns the index after the last announced octet, or -1 when the
   * chunk was used up before. `emit` gets the octets of the message in order, as slices of the chunk.
   */
  read(chunk: Buffer, from: number, emit: (octets: Buffer) => void): number {
    const stop = Math.min(chunk.length, from + this.#left);
    if (stop > from) {
      if (this.#fault === undefined) this.#scan(chunk, from, stop);
      if (this.#fault === undefined) {
        this.#size += stop - from;
        emit(from === 0 && stop === chunk.length ? chunk : chunk.subarray(from, stop));
      }
      this.#left -= stop - from;
      this.#finish();
    }
    return this.#left === 0 ? stop : -1;
  }

  /** One loop over the octets that skips irrelevant ones, as in `DataReader`. */
  #scan(chunk: Buffer, from: number, stop: number): void {
    let place = this.#place;
    let bits = this.#bits;
    let at = from;
    let lineStart = from - this.#lineOctets;
    while (at < stop) {
      if (place !== inText) {
        const octet = chunk[at] ?? 0;
        if (place === afterCr && octet === lf) {
          place = afterCrlf;
          lineStart = ++at;
          continue;
        }
        if (place === afterCr) this.#odd('bare-cr');
        else if (octet === dot) this.#hasLeadingDot = true;
        place = inText;
      }
      let octet = 0;
      do {
        octet = chunk[at++] ?? 0;
        bits |= octet;
      } while (octet > cr && at < stop);
      if (octet > cr) break;
      if (octet === 0 && !this.#allowNul) this.#odd('nul');
      if (octet !== cr && octet !== lf) continue;
      if (at - 1 - lineStart > this.#maxLineOctets) this.#odd('line-too-long');
      place = afterCr;
      if (octet === cr) continue;
      // Some hop may take a bare LF for a line end, so a dot behind it counts as leading.
      this.#odd('bare-lf');
      place = afterBareLf;
      lineStart = at;
    }
    this.#place = place;
    this.#bits = bits;
    this.#lineOctets = stop - lineStart;
  }

  /** Checks that need the end of the message. */
  #finish(): void {
    if (!this.#isLast || this.#left > 0) return;
    if (this.#place === afterCr) this.#odd('bare-cr');
    if (this.#place === inText && this.#lineOctets > this.#maxLineOctets) this.#odd('line-too-long');
  }

  /** Something that text has not: a fault, or a fact of BINARYMIME content. */
  #odd(fault: ContentFault): void {
    if (this.#isBinaryMime) this.#isBinary = true;
    else this.#fault ??= fault;
  }
}
