/** Nilsimsa (cmeclax; Damiani et al., 2004): 256 bits, each the majority of hashed character triples. */

/** The permutation that the published code makes by this rule from 53. */
function permutation(): Uint8Array {
  const table = new Uint8Array(256);
  let at = 0;
  for (let i = 0; i < 256; i++) {
    at = (at * 53 + 1) & 255;
    at += at;
    if (at > 255) at -= 255;
    while (table.subarray(0, i).includes(at)) at = (at + 1) & 255;
    table[i] = at;
  }
  return table;
}

export const tran = permutation();

const look = (index: number): number => tran[index & 255] ?? 0;
const triple = (a: number, b: number, c: number, n: number): number =>
  ((look(a + n) ^ (look(b) * (n + n + 1))) + look(c ^ look(n))) & 255;

/** 32 octets, as printed: the highest bit first. */
export function nilsimsa(octets: Uint8Array): Uint8Array {
  const counts = new Uint32Array(256);
  let total = 0;
  const count = (a: number, b: number, c: number, n: number): void => {
    const at = triple(a, b, c, n);
    counts[at] = (counts[at] ?? 0) + 1;
    total++;
  };
  for (let i = 2; i < octets.length; i++) {
    const [now = 0, one = 0, two = 0] = [octets[i], octets[i - 1], octets[i - 2]];
    count(now, one, two, 0);
    if (i < 3) continue;
    const three = octets[i - 3] ?? 0;
    count(now, one, three, 1);
    count(now, two, three, 2);
    if (i < 4) continue;
    const four = octets[i - 4] ?? 0;
    count(now, one, four, 3);
    count(now, two, four, 4);
    count(now, three, four, 5);
    count(four, one, now, 6);
    count(four, three, now, 7);
  }
  const digest = new Uint8Array(32);
  for (let bit = 0; bit < 256; bit++) {
    if ((counts[bit] ?? 0) > total / 256)
      digest[31 - (bit >> 3)] = (digest[31 - (bit >> 3)] ?? 0) | (1 << (bit & 7));
  }
  return digest;
}

export function popCount(word: number): number {
  const pairs = word - ((word >>> 1) & 0x55555555);
  const fours = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333);
  return Math.imul((fours + (fours >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/** From -128 to 128: equal bits over the half that chance gives. */
export function nilsimsaScore(a: Uint8Array, b: Uint8Array): number {
  let different = 0;
  for (let i = 0; i < 32; i++) different += popCount((a[i] ?? 0) ^ (b[i] ?? 0));
  return 128 - different;
}
