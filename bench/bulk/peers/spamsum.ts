/**
 * spamsum, also known as ssdeep: pieces cut where a rolling hash says so, one character for each (Kornblum,
 * "Identifying almost identical files using context triggered piecewise hashing", 2006).
 */

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const window = 7;
const length = 64;
const minBlock = 3;
const start = 0x28021967;

export interface Spamsum {
  readonly block: number;
  readonly single: string;
  readonly double: string;
}

export function spamsum(octets: Uint8Array): Spamsum {
  let block = minBlock;
  while (block * length < octets.length) block *= 2;
  for (;;) {
    const sum = pieces(octets, block);
    if (block === minBlock || sum.single.length >= length / 2) return sum;
    block /= 2;
  }
}

const step = (hash: number, octet: number): number => (Math.imul(hash, 0x01000193) ^ octet) >>> 0;
const letter = (hash: number): string => alphabet.charAt(hash & 63);

function pieces(octets: Uint8Array, block: number): Spamsum {
  let [single, double, hash, doubleHash] = ['', '', start, start];
  let [sum, weighted, shifted, rolled] = [0, 0, 0, 0];
  for (let i = 0; i < octets.length; i++) {
    const octet = octets[i] ?? 0;
    hash = step(hash, octet);
    doubleHash = step(doubleHash, octet);
    weighted = (weighted - sum + window * octet) >>> 0;
    sum = sum + octet - (i < window ? 0 : (octets[i - window] ?? 0));
    shifted = ((shifted << 5) ^ octet) >>> 0;
    rolled = (sum + weighted + shifted) >>> 0;
    if (rolled % block !== block - 1) continue;
    if (single.length < length - 1) [single, hash] = [single + letter(hash), start];
    if (rolled % (block * 2) === block * 2 - 1 && double.length < length / 2 - 1) {
      [double, doubleHash] = [double + letter(doubleHash), start];
    }
  }
  return rolled === 0
    ? { block, single, double }
    : { block, single: single + letter(hash), double: double + letter(doubleHash) };
}

export const formatSpamsum = ({ block, single, double }: Spamsum): string => `${block}:${single}:${double}`;

/** From 0 to 100. */
export function spamsumScore(a: Spamsum, b: Spamsum): number {
  if (a.block === b.block) {
    return Math.max(score(a.single, b.single, a.block), score(a.double, b.double, a.block * 2));
  }
  if (a.block === b.block * 2) return score(a.single, b.double, a.block);
  return b.block === a.block * 2 ? score(a.double, b.single, b.block) : 0;
}

function score(one: string, other: string, block: number): number {
  // Long runs of one letter tell little.
  const [a, b] = [one, other].map((text) => text.replace(/(.)\1{3,}/g, '$1$1$1'));
  if (a === undefined || b === undefined || !sharesRun(a, b)) return 0;
  const distance = Math.trunc((editDistance(a, b) * length) / (a.length + b.length));
  const likeness = 100 - Math.trunc((100 * distance) / length);
  return Math.max(0, Math.min(likeness, Math.trunc(block / minBlock) * Math.min(a.length, b.length)));
}

function sharesRun(a: string, b: string): boolean {
  for (let i = 0; i + window <= a.length; i++) if (b.includes(a.slice(i, i + window))) return true;
  return false;
}

/** A letter inserted or removed costs 1, changed 2. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 2);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
