/** Hashes texts, octets and other hashes under a secret key. */

/** The upper bits of a hash. All 48 bits are exchanged between clearinghouses. */
const highBits = 16;

/**
 * A keyed hash of text to 48 bits, as an exact number. Without the key nobody can make texts that
 * collide, nor test whether a guessed text is among those that we have counted. Two lanes of 32 bits, each with its
 * own seed.
 */
export class Hash {
  readonly #seedLow: number;
  readonly #seedHigh: number;

  /** `key` has 8 octets or more. */
  constructor(key: Uint8Array) {
    const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
    this.#seedLow = view.getInt32(0);
    this.#seedHigh = view.getInt32(4);
  }

  /** Of a text. */
  text(text: string): number {
    let low = this.#seedLow ^ text.length;
    let high = (this.#seedHigh + text.length) | 0;
    for (let at = 0; at < text.length; at++) {
      const unit = text.charCodeAt(at);
      low = lowWith(low, unit);
      high = highWith(high, unit);
    }
    return ofLanes(low, high);
  }

  /** Of a piece of octets. */
  octets(octets: Uint8Array, from = 0, to = octets.length): number {
    let low = this.#seedLow ^ (to - from);
    let high = (this.#seedHigh + to - from) | 0;
    for (let at = from; at < to; at++) {
      const octet = octets[at] ?? 0;
      low = lowWith(low, octet);
      high = highWith(high, octet);
    }
    return ofLanes(low, high);
  }

  /** Of up to three hashes in their order, and of what kind they are together. */
  joined(kind: number, first: number, second = 0, third = 0): number {
    let low = this.#seedLow ^ kind;
    let high = (this.#seedHigh + kind) | 0;
    low = lowWith(lowWith(low, first | 0), upperOf(first));
    high = highWith(highWith(high, first | 0), upperOf(first));
    low = lowWith(lowWith(low, second | 0), upperOf(second));
    high = highWith(highWith(high, second | 0), upperOf(second));
    low = lowWith(lowWith(low, third | 0), upperOf(third));
    high = highWith(highWith(high, third | 0), upperOf(third));
    return ofLanes(low, high);
  }
}

function upperOf(hash: number): number {
  return (hash / 0x1_0000_0000) | 0;
}

function lowWith(low: number, unit: number): number {
  const product = Math.imul(low ^ unit, 0x9e3779b1);
  return product ^ (product >>> 15);
}

function highWith(high: number, unit: number): number {
  const product = Math.imul(high + unit, 0x85ebca77);
  return product ^ (product >>> 13);
}

function ofLanes(low: number, high: number): number {
  const lower = mixed(low ^ high);
  const upper = mixed(high + Math.imul(lower, 0xc2b2ae3d));
  return (upper >>> (32 - highBits)) * 0x1_0000_0000 + (lower >>> 0);
}

/** The last step of MurmurHash3: every bit of the input changes half of those of the output. */
function mixed(value: number): number {
  let mix = value ^ (value >>> 16);
  mix = Math.imul(mix, 0x85ebca6b);
  mix ^= mix >>> 13;
  mix = Math.imul(mix, 0xc2b2ae35);
  return mix ^ (mix >>> 16);
}
