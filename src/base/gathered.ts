/** Gathers octets that come in pieces, at a cost that does not depend on the number of pieces. */

/** Pieces below this are copied into a block with others. */
const smallOctets = 2048;
/** A block is as long as all that came before, within these. */
const [minBlock, maxBlock] = [512, 16 * 1024] as const;
const nothing = Buffer.alloc(0);

/**
 * Octets that come in pieces, until all of them are wanted as one. A piece of one octet costs an octet: a peer that
 * sends a message in a million segments would otherwise have us keep a million buffers, each a few hundred octets of
 * memory. A large piece is kept as it is and must not change afterwards.
 */
export class Gathered {
  #pieces: Buffer[] = [];
  #block: Buffer = nothing;
  #filled = 0;
  #length = 0;

  /** Octets so far. */
  get length(): number {
    return this.#length;
  }

  /** Buffers that are kept. */
  get buffers(): number {
    return this.#pieces.length + (this.#block.length > 0 ? 1 : 0);
  }

  push(piece: Uint8Array): void {
    this.#length += piece.length;
    if (piece.length >= smallOctets) {
      this.#close();
      this.#pieces.push(Buffer.from(piece.buffer, piece.byteOffset, piece.length));
      return;
    }
    if (this.#filled + piece.length > this.#block.length) {
      this.#close();
      const octets = Math.min(maxBlock, Math.max(minBlock, piece.length, this.#length));
      this.#block = Buffer.allocUnsafe(octets);
    }
    this.#block.set(piece, this.#filled);
    this.#filled += piece.length;
  }

  /** All of it, in one buffer; nothing is gathered any more then. */
  take(): Buffer {
    this.#close();
    const [only] = this.#pieces;
    const all = this.#pieces.length === 1 && only !== undefined ? only : Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#length = 0;
    return all;
  }

  /** Ends the block; the rest of it serves the next small pieces, if it is large enough. */
  #close(): void {
    if (this.#filled > 0) this.#pieces.push(this.#block.subarray(0, this.#filled));
    this.#block = this.#block.subarray(this.#filled);
    if (this.#block.length < minBlock) this.#block = nothing;
    this.#filled = 0;
  }
}
