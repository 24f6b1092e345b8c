const lf = 10;
const cr = 13;
const blank = 32;
const tab = 9;
const nothing = Buffer.alloc(0);
const lineEnd = Buffer.from('\r\n');
/** What only we may say: in lower case, and without the name that follows. */
const ours = Buffer.from('x-posthouse-');

/** Where the octets stand: at the start of a line, within one that passes, or within a field that is left out. */
type Place = 'line-start' | 'line' | 'dropped-line' | 'body';

/**
 * Looks at the beginning of a message that follows our own trace field. A first line that begins with a blank
 * would extend that field (RFC 5322 §2.2.3), so an empty line goes before it and makes all of it body, as
 * Postfix does. From those who are not trusted, the fields `X-Posthouse-…`, which only we write and others
 * read, are left out. What else is in the header passes as it is; the octets may come in any pieces.
 */
export class HeaderEdge {
  readonly #dropsOurs: boolean;
  #isFirst = true;
  #place: Place = 'line-start';
  /** The line before it was left out, so what continues it is left out too. */
  #isDropping = false;
  /** The beginning of a line of which more has to be seen. */
  #kept: Buffer = nothing;
  /** Octets that were added, less those that were left out. */
  growth = 0;

  constructor(options: { readonly dropsOurs: boolean }) {
    this.#dropsOurs = options.dropsOurs;
  }

  /** What passes of the next octets; the very same ones where nothing is added or left out. */
  read(octets: Buffer): Buffer {
    if (this.#place === 'body' || octets.length === 0) return octets;
    const passed: Buffer[] = [];
    if (this.#isFirst) this.#begin(octets, passed);
    const all = this.#kept.length === 0 ? octets : Buffer.concat([this.#kept, octets]);
    this.#kept = nothing;
    // Up to here it has passed or was left out.
    let done = 0;
    for (let at = 0; at < all.length; ) {
      if (this.#place === 'line-start') this.#place = this.#look(all, at);
      if (this.#place === 'body') break;
      if (this.#place === 'line-start') {
        // Not enough of the line to know: it is held back, in a copy, for the receiver uses its buffer again.
        this.#kept = Buffer.from(all.subarray(at));
        passed.push(all.subarray(done, at));
        return Buffer.concat(passed);
      }
      const found = all.indexOf(lf, at);
      const end = found < 0 ? all.length : found + 1;
      if (this.#place === 'dropped-line') {
        passed.push(all.subarray(done, at));
        this.growth -= end - at;
        done = end;
      }
      at = end;
      if (found >= 0) this.#place = 'line-start';
    }
    return passed.length === 0 ? all : Buffer.concat([...passed, all.subarray(done)]);
  }

  /** What was held back, at the end of the message. */
  end(): Buffer {
    const kept = this.#kept;
    this.#kept = nothing;
    return kept;
  }

  #begin(octets: Buffer, passed: Buffer[]): void {
    this.#isFirst = false;
    const isContinuation = octets[0] === blank || octets[0] === tab;
    if (isContinuation) {
      passed.push(lineEnd);
      this.growth += lineEnd.length;
    }
    if (isContinuation || !this.#dropsOurs) this.#place = 'body';
  }

  /** What the line that begins at `at` is; `line-start` when more of it has to come. */
  #look(octets: Buffer, at: number): Place {
    const first = octets[at];
    if (first === blank || first === tab) return this.#isDropping ? 'dropped-line' : 'line';
    this.#isDropping = false;
    if (first === lf) return 'body';
    if (first === cr) {
      if (at + 1 === octets.length) return 'line-start';
      return octets[at + 1] === lf ? 'body' : 'line';
    }
    for (let i = 0; i < ours.length; i++) {
      if (at + i === octets.length) return 'line-start';
      const octet = octets[at + i] ?? 0;
      const isUpper = octet >= 0x41 && octet <= 0x5a;
      if ((isUpper ? octet | 0x20 : octet) !== ours[i]) return 'line';
    }
    this.#isDropping = true;
    return 'dropped-line';
  }
}
