/** Writes content for DATA. */
import type { ContentFacts } from '../mail/index.ts';

/** Thrown when octets that are to be sent by DATA have a CR or an LF that is no line end. */
export class LineEndError extends Error {
  readonly code: 'bare-cr' | 'bare-lf';
  constructor(code: LineEndError['code']) {
    super(`content for DATA has a ${code === 'bare-cr' ? 'bare CR' : 'bare LF'}`);
    this.name = 'LineEndError';
    this.code = code;
  }
}

const cr = 13;
const lf = 10;
const dot = 46;

/** Where in a line the last chunk ended. */
const inText = 0;
const afterCr = 1;
const atLineStart = 2;
type Place = 0 | 1 | 2;

/**
 * Makes octets fit for DATA: doubles the dots that begin a line and writes the end (RFC 5321 §4.5.2). It
 * refuses a bare CR or LF by throwing `LineEndError`, because the next hop might see an end of data there:
 * then the connection has to be closed, with the data unfinished.
 *
 * With facts that say there is nothing to stuff, the octets go through unread.
 */
export class DotStuffer {
  /** The facts by which the octets can go as they are; they also tell how the octets end. */
  readonly #clean: ContentFacts | undefined;
  #place: Place = atLineStart;

  constructor(facts?: ContentFacts) {
    if (facts !== undefined && !facts.hasLeadingDot && !facts.isBinary) this.#clean = facts;
  }

  /** The octets to send for the next piece: the piece itself when nothing in it has to change. */
  write(chunk: Buffer): Buffer {
    if (this.#clean !== undefined) return chunk;
    const dots = this.#scan(chunk);
    if (dots.length === 0) return chunk;
    const stuffed = Buffer.allocUnsafe(chunk.length + dots.length);
    let from = 0;
    let to = 0;
    for (const at of dots) {
      to += chunk.copy(stuffed, to, from, at);
      stuffed[to++] = dot;
      from = at;
    }
    chunk.copy(stuffed, to, from);
    return stuffed;
  }

  /** The last octets: a CRLF when the content lacks it, then the dot. */
  end(): Buffer {
    if (this.#place === afterCr) throw new LineEndError('bare-cr');
    const isComplete = this.#clean === undefined ? this.#place === atLineStart : this.#clean.endsWithCrlf;
    return Buffer.from(isComplete ? '.\r\n' : '\r\n.\r\n');
  }

  /** Checks the line ends and returns the indices of the dots to double. */
  #scan(chunk: Buffer): readonly number[] {
    const dots: number[] = [];
    const length = chunk.length;
    let place = this.#place;
    let at = 0;
    while (at < length) {
      if (place === afterCr) {
        if (chunk[at] !== lf) throw new LineEndError('bare-cr');
        place = atLineStart;
        at++;
        continue;
      }
      if (place === atLineStart && chunk[at] === dot) dots.push(at);
      place = inText;
      let octet = 0;
      do octet = chunk[at++] ?? 0;
      while (octet > cr && at < length);
      if (octet === lf) throw new LineEndError('bare-lf');
      if (octet === cr) place = afterCr;
    }
    this.#place = place;
    return dots;
  }
}
