/** Of 48 in all, which clearinghouses tell each other. */
const highBits = 16;

/**
 * A keyed hash of text to 48 bits, as an exact number. Who does not know the key cannot make texts that collide, nor
 * test whether a guess of a text is in what we keep. Two lanes of 32 bits, each with its own seed.
 */
export class Hash {
  readonly #seedLow: number;
  readonly #seedHigh: number;
  #low = 0;
  #high = 0;

  /** `key` has 8 octets or more. */
  constructor(key: Uint8Array) {
    const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
    this.#seedLow = view.getUint32(0);
    this.#seedHigh = view.getUint32(4);
  }

  /** Of a text. */
  text(text: string): number {
    this.#begin(text.length);
    for (let at = 0; at < text.length; at++) this.#add(text.charCodeAt(at));
    return this.#end();
  }

  /** Of a piece of octets. */
  octets(octets: Uint8Array, from = 0, to = octets.length): number {
    this.#begin(to - from);
    for (let at = from; at < to; at++) this.#add(octets[at] ?? 0);
    return this.#end();
  }

  /** Of up to three hashes in their order, and of what kind they are together. */
  joined(kind: number, first: number, second = 0, third = 0): number {
    this.#begin(kind);
    this.#addHash(first);
    this.#addHash(second);
    this.#addHash(third);
    return this.#end();
  }

  #begin(start: number): void {
    this.#low = this.#seedLow ^ start;
    this.#high = this.#seedHigh + start;
  }

  #add(unit: number): void {
    this.#low = Math.imul(this.#low ^ unit, 0x9e3779b1);
    this.#low ^= this.#low >>> 15;
    this.#high = Math.imul(this.#high + unit, 0x85ebca77);
    this.#high ^= this.#high >>> 13;
  }

  #addHash(hash: number): void {
    this.#add(hash >>> 0);
    this.#add(Math.floor(hash / 0x1_0000_0000));
  }

  #end(): number {
    const low = mixed(this.#low ^ this.#high);
    const high = mixed(this.#high + Math.imul(low, 0xc2b2ae3d));
    return (high >>> (32 - highBits)) * 0x1_0000_0000 + (low >>> 0);
  }
}

/** The last step of MurmurHash3: every bit of the input changes half of those of the output. */
function mixed(value: number): number {
  let mix = value ^ (value >>> 16);
  mix = Math.imul(mix, 0x85ebca6b);
  mix ^= mix >>> 13;
  mix = Math.imul(mix, 0xc2b2ae35);
  return mix ^ (mix >>> 16);
}
