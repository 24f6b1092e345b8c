/** Reads the content of DATA: its end, its dots, its faults. */
import type { ContentFacts } from '../mail/index.ts';

/**
 * The first fault in the octets of a message. `bare-cr` and `bare-lf` make one message look like two (SMTP smuggling);
 * they are refused after the real end of the data.
 */
export type ContentFault = 'bare-cr' | 'bare-lf' | 'nul' | 'line-too-long' | 'too-big';

/** The limits of one message. */
export interface ContentLimits {
  /** Octets of the message, without stuffed dots and the final dot. */
  readonly maxOctets: number;
  /** Octets of a line without its CRLF; default: no limit. */
  readonly maxLineOctets?: number;
  /** Let NUL pass; default: a fault, because some programs end a line or a string there. */
  readonly allowNul?: boolean;
}

const cr = 13;
const lf = 10;
const dot = 46;

/** The octets of a chunk from its first word on, four at a time. */
function wordsOf(chunk: Buffer, skew: number): Int32Array {
  const words = (chunk.length - skew) >> 2;
  return words <= 0 ? noWords : new Int32Array(chunk.buffer, chunk.byteOffset + skew, words);
}

const noWords = new Int32Array(0);

/** Whether one of four octets is below 14: a line end, or another character that text has not. */
function hasControl(four: number): boolean {
  return ((four - 0x0e0e0e0e) & ~four & 0x80808080) !== 0;
}

/** Where in a line the last chunk ended. */
const inText = 0;
const afterCr = 1;
const atLineStart = 2;
const afterDot = 3;
const afterDotCr = 4;
const ended = 5;
type Place = 0 | 1 | 2 | 3 | 4 | 5;

/**
 * Reads the octets of DATA up to CRLF.CRLF and nothing else (RFC 5321 §4.1.1.4), takes out the stuffed dots
 * (§4.5.2) and gathers what is known of the content. A line ends at CRLF, for the end of data, for the dots
 * and for the limits alike: one definition, in one loop.
 *
 * After a fault it emits nothing more but goes on to the real end, so that what is inside a refused message
 * is never taken for commands. The result does not depend on where the chunks end.
 *
 * The octets of a line are skipped four at a time, which only a line end or another control character ends.
 * Measured for 100 KB of 80-octet lines in chunks of 64 KB: 41 µs, where one octet at a time takes 70 µs and
 * `indexOf` for each CR alone 48 µs.
 */
export class DataReader {
  readonly #maxOctets: number;
  readonly #maxLineOctets: number;
  readonly #allowNul: boolean;
  #place: Place = atLineStart;
  #size = 0;
  /** Octets of the current line that were in earlier chunks. */
  #lineOctets = 0;
  /** All octets or-ed together. */
  #bits = 0;
  #hasLeadingDot = false;
  #fault: ContentFault | undefined;
  /** The octets before removed dots of a chunk, in one piece, and their number. */
  #undotted: Buffer | undefined;
  #undottedOctets = 0;

  constructor(limits: ContentLimits) {
    this.#maxOctets = limits.maxOctets;
    this.#maxLineOctets = limits.maxLineOctets ?? Number.POSITIVE_INFINITY;
    this.#allowNul = limits.allowNul ?? false;
  }

  /** The first fault, final when the end was reached. */
  get fault(): ContentFault | undefined {
    return this.#fault;
  }

  /** The facts of the octets emitted; of use when the end was reached without a fault. */
  get facts(): ContentFacts {
    return {
      size: this.#size,
      hasEightBit: (this.#bits & 0x80808080) !== 0,
      hasLeadingDot: this.#hasLeadingDot,
      endsWithCrlf: true,
      isBinary: false,
    };
  }

  /**
   * Reads `chunk` from the index `from`. Returns the index after the CRLF.CRLF, or -1 when the chunk was used
   * up before. `emit` gets the octets of the message in order, at most once: a slice of the chunk, or a copy where dots
   * were taken out, for a message of nothing but dots would come in millions of pieces.
   */
  read(chunk: Buffer, from: number, emit: (octets: Buffer) => void): number {
    const length = chunk.length;
    let place = this.#place;
    let bits = this.#bits;
    let at = from;
    // The first octet not yet emitted, and where the line began (below `from`: in an earlier chunk).
    let start = from;
    let lineStart = from - this.#lineOctets;
    const skew = (4 - (chunk.byteOffset & 3)) & 3;
    const words = wordsOf(chunk, skew);
    while (at < length && place !== ended) {
      if (place === inText) {
        let octet = 0xff;
        do {
          if (((at - skew) & 3) === 0) {
            let word = (at - skew) >> 2;
            for (; word < words.length; word++) {
              const four = words[word] ?? 0;
              if (hasControl(four)) break;
              bits |= four;
            }
            at = skew + (word << 2);
            if (at >= length) break;
          }
          octet = chunk[at++] ?? 0;
          bits |= octet;
        } while (octet > cr && at < length);
        if (octet === cr) {
          place = afterCr;
          if (at - 1 - lineStart > this.#maxLineOctets) this.#fail('line-too-long', at - 1 - start);
        } else if (octet === lf) this.#fail('bare-lf', at - 1 - start);
        else if (octet === 0 && !this.#allowNul) this.#fail('nul', at - 1 - start);
        continue;
      }
      const octet = chunk[at] ?? 0;
      if (place === afterCr) {
        if (octet === lf) {
          place = atLineStart;
          lineStart = ++at;
        } else {
          place = inText;
          this.#fail('bare-cr', at - start);
        }
      } else if (place === atLineStart) {
        place = inText;
        if (octet !== dot) continue;
        this.#keep(chunk, start, at);
        start = ++at;
        lineStart = at;
        place = afterDot;
      } else if (place === afterDot) {
        place = octet === cr ? afterDotCr : inText;
        if (octet === cr) at++;
        else if (octet === dot) this.#hasLeadingDot = true;
      } else if (octet === lf) {
        place = ended;
        at++;
      } else {
        // A dot and a CR that were no end: the octets since the dot are no content that could be counted.
        place = inText;
        this.#fail('bare-cr', 0);
      }
    }
    const stop = place === ended || place === afterDotCr ? start : length;
    if (this.#undotted !== undefined) {
      this.#keep(chunk, start, stop);
      emit(this.#undotted.subarray(0, this.#undottedOctets));
      this.#undotted = undefined;
      this.#undottedOctets = 0;
    } else if (this.#count(stop - start)) {
      emit(start === 0 && stop === length ? chunk : chunk.subarray(start, stop));
    }
    this.#place = place;
    this.#bits = bits;
    this.#lineOctets = length - lineStart;
    return place === ended ? at : -1;
  }

  /** Copies the octets before a removed dot. */
  #keep(chunk: Buffer, start: number, end: number): void {
    if (!this.#count(end - start)) return;
    this.#undotted ??= Buffer.allocUnsafe(chunk.length - start);
    // A call of `copy` for a few octets takes ten times as long as this.
    if (end - start < 32)
      for (let at = start; at < end; at++) this.#undotted[this.#undottedOctets++] = chunk[at] ?? 0;
    else this.#undottedOctets += chunk.copy(this.#undotted, this.#undottedOctets, start, end);
  }

  /** Counts octets of the message; whether there are any, and they may go on. */
  #count(octets: number): boolean {
    if (octets === 0 || this.#fault !== undefined) return false;
    if (this.#size + octets > this.#maxOctets) {
      this.#fault = 'too-big';
      return false;
    }
    this.#size += octets;
    return true;
  }

  /** `pending` octets of content come before the fault and were not yet counted. */
  #fail(fault: ContentFault, pending: number): void {
    if (this.#fault !== undefined) return;
    this.#fault = this.#size + pending > this.#maxOctets ? 'too-big' : fault;
  }
}
