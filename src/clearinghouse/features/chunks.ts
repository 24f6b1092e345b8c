/** Cuts a file into pieces at places that its own octets determine, and hashes them. */
import type { Hash } from './hash.ts';

const window = 32;
const minOctets = 128;
const maxOctets = 2048;
/** Cuts where these bits of the rolling hash are zero: after some 400 octets. */
const mask = 0xff;
const maxChunks = 512;

/**
 * One number for each octet, the same everywhere: the places of the cuts are not secret, the hashes of the pieces are.
 */
const table = Uint32Array.from({ length: 256 }, (_, octet) => {
  let mix = octet + 0x9e3779b9;
  for (let round = 0; round < 3; round++) {
    mix = Math.imul(mix ^ (mix >>> 16), 0x21f0aaad);
    mix = Math.imul(mix ^ (mix >>> 15), 0x735a2d97);
  }
  return mix >>> 0;
});

/**
 * The hashes of the pieces of a file, which is cut by its content (buzhash over 32 octets): an insertion or a change
 * affects only the pieces around it. A file below 128 octets is one piece.
 */
export function chunkHashes(octets: Uint8Array, hash: Hash): number[] {
  const found: number[] = [];
  let begin = 0;
  let rolling = 0;
  for (let at = 0; at < octets.length && found.length < maxChunks; at++) {
    rolling = ((rolling << 1) | (rolling >>> 31)) ^ (table[octets[at] ?? 0] ?? 0);
    if (at >= window) {
      // A turn by 32 places is none, so what leaves the window leaves as it came.
      rolling ^= table[octets[at - window] ?? 0] ?? 0;
    }
    const length = at + 1 - begin;
    if (length < minOctets) continue;
    if ((rolling & mask) !== 0 && length < maxOctets) continue;
    found.push(hash.octets(octets, begin, at + 1));
    begin = at + 1;
  }
  if (begin < octets.length && found.length < maxChunks) found.push(hash.octets(octets, begin));
  return found;
}
