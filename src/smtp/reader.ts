/** Cuts input into command lines. */
import { isUtf8 } from 'node:buffer';

/** The result of `takeLine`. Each value but `undefined` is one line of the peer and gets exactly one reply. */
export type LineResult =
  | { readonly kind: 'line'; readonly text: string }
  /** Longer than the limit; all of it was read and dropped. */
  | { readonly kind: 'too-long' }
  /** It has a CR or LF that is no line end. */
  | { readonly kind: 'bare-line-end' }
  /** It has a NUL, or octets above 127 that are no UTF-8; the octets of the latter. */
  | { readonly kind: 'invalid'; readonly octets?: Buffer };

const cr = 13;
const lf = 10;
const nothing = Buffer.alloc(0);
const tooLong: LineResult = { kind: 'too-long' };
const bareLineEnd: LineResult = { kind: 'bare-line-end' };
const invalid: LineResult = { kind: 'invalid' };

/** The limit for a command line with its CRLF: 512 octets (RFC 5321 §4.5.3.1.4) plus those of extensions. */
export const commandLineOctets = 4096;
/** The limit during an AUTH exchange: 12288 octets (RFC 4954 §4) plus CRLF. */
export const authLineOctets = 12290;

/**
 * Cuts a peer's octets into command lines. Only CRLF ends a line. A bare LF is answered at once, so that a peer that
 * knows no better is told, but its line goes on: the octets up to the CRLF are dropped without a reply. So a command
 * behind a bare LF is never carried out, wherever the chunks end.
 *
 * Holds at most one line of the limit beyond the chunk last pushed. A pushed chunk is kept, not copied, and must not
 * change afterwards; it is copied only when a line begins in one chunk and ends in another.
 */
export class CommandInput {
  /** Octets of a line with its CRLF; a longer one is `too-long`. May be changed between lines. */
  maxLineOctets: number;
  #octets: Buffer = nothing;
  /** The first octet not yet taken. */
  #at = 0;
  /** Up to here there is no LF. */
  #scanned = 0;
  /** `drop`: the line is too long. `tail`: it was already answered for its bare LF. */
  #mode: 'line' | 'drop' | 'tail' = 'line';
  /** The last octet that was dropped. */
  #dropped = 0;

  constructor(options: { readonly maxLineOctets?: number } = {}) {
    this.maxLineOctets = options.maxLineOctets ?? commandLineOctets;
  }

  /** Octets pushed and not yet taken. */
  get buffered(): number {
    return this.#octets.length - this.#at;
  }

  push(chunk: Buffer): void {
    if (this.#at === this.#octets.length) {
      this.#octets = chunk;
      this.#scanned = 0;
    } else {
      this.#octets = Buffer.concat([this.#octets.subarray(this.#at), chunk]);
      this.#scanned -= this.#at;
    }
    this.#at = 0;
  }

  /** The next line, or `undefined` when more octets are needed. */
  takeLine(): LineResult | undefined {
    for (;;) {
      const end = this.#octets.indexOf(lf, this.#scanned);
      if (end < 0) {
        this.#wait();
        return undefined;
      }
      const start = this.#at;
      const mode = this.#mode;
      const before = end > start ? this.#octets[end - 1] : this.#dropped;
      this.#at = end + 1;
      this.#scanned = this.#at;
      this.#dropped = 0;
      this.#mode = before === cr ? 'line' : 'tail';
      if (mode === 'drop' || (mode === 'line' && this.#at - start > this.maxLineOctets)) return tooLong;
      if (before !== cr) return bareLineEnd;
      if (mode === 'line') return decodeLine(this.#octets, start, end - 1);
    }
  }

  /** Everything not yet taken, for the readers of DATA and BDAT; `undefined` when there is nothing. */
  takeRest(): Buffer | undefined {
    if (this.buffered === 0) return undefined;
    const rest = this.#at === 0 ? this.#octets : this.#octets.subarray(this.#at);
    this.#octets = nothing;
    this.#at = 0;
    this.#scanned = 0;
    return rest;
  }

  /** Remembers how far it has searched, and drops octets that will not become part of a line. */
  #wait(): void {
    const length = this.#octets.length;
    if (this.#mode === 'line' && this.buffered >= this.maxLineOctets) this.#mode = 'drop';
    if (this.#mode === 'line') {
      this.#scanned = length;
      return;
    }
    if (this.buffered > 0) this.#dropped = this.#octets[length - 1] ?? 0;
    this.#octets = nothing;
    this.#at = 0;
    this.#scanned = 0;
  }
}

function decodeLine(octets: Buffer, start: number, end: number): LineResult {
  const text = octets.toString('latin1', start, end);
  if (/^[\x20-\x7e]*$/.test(text)) return { kind: 'line', text };
  if (text.includes('\r')) return bareLineEnd;
  if (text.includes('\0')) return invalid;
  const line = octets.subarray(start, end);
  if (!isUtf8(line)) return { kind: 'invalid', octets: line };
  return { kind: 'line', text: line.toString('utf8') };
}
