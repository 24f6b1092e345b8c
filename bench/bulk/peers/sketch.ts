/** Sketches of the words of a text: simhash (Charikar 2002) and MinHash (Broder 1997) over word triples. */
import { hash32 } from '../random.ts';
import { popCount } from './nilsimsa.ts';

export const plainWords = (text: string): readonly string[] =>
  text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];

export type Simhash = readonly [number, number];

/** 64 bits: each the sign of the sum over all words, counted as often as they occur. */
export function simhash(list: readonly string[]): Simhash {
  const sums = new Int32Array(64);
  for (const word of list) {
    const halves = [hash32(word), hash32(word, 0x9747b28c)];
    for (let bit = 0; bit < 64; bit++) {
      const isSet = ((halves[bit >> 5] ?? 0) >>> (bit & 31)) & 1;
      sums[bit] = (sums[bit] ?? 0) + (isSet === 1 ? 1 : -1);
    }
  }
  const half = (from: number): number => {
    let value = 0;
    for (let bit = 0; bit < 32; bit++) if ((sums[from + bit] ?? 0) > 0) value |= 1 << bit;
    return value;
  };
  return [half(0), half(32)];
}

export const simhashDistance = (a: Simhash, b: Simhash): number =>
  popCount(a[0] ^ b[0]) + popCount(a[1] ^ b[1]);

const permutations = Array.from({ length: 32 }, (_, i) => ({
  factor: hash32(`factor ${i}`) | 1,
  mask: hash32(`mask ${i}`),
}));

/** For each of 32 hashes the least over all triples; undefined with fewer than three words. */
export function minHash(list: readonly string[]): Uint32Array | undefined {
  if (list.length < 3) return undefined;
  const least = new Uint32Array(32).fill(0xffff_ffff);
  for (let at = 2; at < list.length; at++) {
    const triple = hash32(`${list[at - 2] ?? ''} ${list[at - 1] ?? ''} ${list[at] ?? ''}`);
    for (const [i, { factor, mask }] of permutations.entries()) {
      const mixed = Math.imul(triple ^ mask, factor);
      const value = (mixed ^ (mixed >>> 15)) >>> 0;
      if (value < (least[i] ?? 0)) least[i] = value;
    }
  }
  return least;
}

export function minHashShared(a: Uint32Array, b: Uint32Array): number {
  let shared = 0;
  for (let i = 0; i < 32; i++) if (a[i] === b[i]) shared++;
  return shared;
}
