/** Chooses the smallest hashes of a message, as the sample that stands for it. */

/** Hashes are below this. */
const range = 2 ** 48;

/** The smallest `max` of some hashes, in the order of their numbers, each once. */
export function smallest(hashes: readonly number[], max: number): number[] {
  const found: number[] = [];
  let last = -1;
  for (const hash of inOrder(hashes)) {
    if (hash === last) continue;
    last = hash;
    found.push(hash);
    if (found.length === max) break;
  }
  return found;
}

/** Space to work in, as large as the longest list so far. */
let ends = new Uint32Array(1024);
let sorted = new Float64Array(1024);

/**
 * Hashes are spread evenly, so each is put near its place (a bucket for each place) and few have to move: a third of
 * the time of comparing them. Without the key nobody can make hashes that are not. The result is valid until the next
 * call.
 */
function inOrder(hashes: readonly number[]): Float64Array {
  const { length } = hashes;
  if (length > ends.length) {
    ends = new Uint32Array(2 * length);
    sorted = new Float64Array(2 * length);
  }
  const perBucket = length / range;
  ends.fill(0, 0, length);
  for (let at = 0; at < length; at++) {
    const bucket = Math.trunc((hashes[at] ?? 0) * perBucket);
    ends[bucket] = (ends[bucket] ?? 0) + 1;
  }
  let sum = 0;
  for (let bucket = 0; bucket < length; bucket++) {
    sum += ends[bucket] ?? 0;
    ends[bucket] = sum;
  }
  for (let at = 0; at < length; at++) {
    const hash = hashes[at] ?? 0;
    const bucket = Math.trunc(hash * perBucket);
    const place = (ends[bucket] ?? 0) - 1;
    ends[bucket] = place;
    sorted[place] = hash;
  }
  for (let at = 1; at < length; at++) {
    const hash = sorted[at] ?? 0;
    let place = at;
    for (; place > 0 && (sorted[place - 1] ?? 0) > hash; place--) sorted[place] = sorted[place - 1] ?? 0;
    sorted[place] = hash;
  }
  return sorted.subarray(0, length);
}
