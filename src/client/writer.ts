/** Writes commands and content to a stream, in as few writes as can be. */
import type { Duplex } from 'node:stream';
import { isAscii } from '../mail/index.ts';

/** Pieces of one write are copied into one buffer up to this: that is cheaper than to write a list. */
const copiedOctets = 16 * 1024;

const plain = /^[\x20-\x7e]*$/;
const control = /[\p{Cc}\p{Zl}\p{Zp}]/u;

/** The verb of the first command that holds a control character, whoever made the envelope that it is from. */
export function verbWithControl(commands: readonly string[]): string | undefined {
  for (const command of commands)
    if (!plain.test(command) && control.test(command)) return /^[A-Z]{1,8}/.exec(command)?.[0] ?? 'a line';
  return undefined;
}

/** The way out on a stream. */
export class Writer {
  readonly #stream: Duplex;
  /** The pieces of one write, while it is put together. */
  #corked: (Buffer | string)[] | undefined;

  constructor(stream: Duplex) {
    this.#stream = stream;
  }

  write(piece: Buffer | string): void {
    if (this.#corked !== undefined) this.#corked.push(piece);
    else if (typeof piece === 'string') this.#stream.write(piece, encodingOf(piece));
    else this.#stream.write(piece);
  }

  /** Makes one write of all that is written until `uncork`. */
  cork(): void {
    this.#corked = [];
  }

  uncork(): void {
    const pieces = this.#corked ?? [];
    this.#corked = undefined;
    let octets = 0;
    for (const piece of pieces) octets += Buffer.byteLength(piece);
    if (octets <= copiedOctets) {
      if (octets > 0) this.#stream.write(joined(pieces, octets));
      return;
    }
    this.#stream.cork();
    for (const piece of pieces) this.write(piece);
    this.#stream.uncork();
  }
}

function joined(pieces: readonly (Buffer | string)[], octets: number): Buffer {
  const whole = Buffer.allocUnsafe(octets);
  let at = 0;
  for (const piece of pieces)
    at += typeof piece === 'string' ? whole.write(piece, at, encodingOf(piece)) : piece.copy(whole, at);
  return whole;
}

/** An encoding of one octet a character is written without being measured first. */
function encodingOf(text: string): 'latin1' | 'utf8' {
  return isAscii(text) ? 'latin1' : 'utf8';
}
