/** The features of a message as lists of hashes, sorted or in the order of the text, and questions about such lists. */

/** The features of a message by kind, in the order of `kinds`; each list in the order of its numbers. */
export type Lists = readonly (readonly number[])[];

/** A copy that was counted. */
export interface Sighting {
  readonly lists: Lists;
  /** Hashes of the recipients. */
  readonly recipients: readonly number[];
  readonly now: number;
}

/** In how many sixteenths of a sequence there is one of these. */
export function spreadOf(isWanted: (feature: number) => boolean, sequence: readonly number[]): number {
  let found = 0;
  for (let at = 0; at < sequence.length; at++) {
    const place = 1 << Math.floor((16 * at) / sequence.length);
    if ((found & place) === 0 && isWanted(sequence[at] ?? 0)) found |= place;
  }
  let count = 0;
  for (let left = found; left !== 0; left &= left - 1) count++;
  return count;
}

/** How many of a list in order are not above it. */
export function upTo(list: readonly number[], cut: number): number {
  const at = placeOf(list, cut);
  return list[at] === cut ? at + 1 : at;
}

/** Whether a list in order has it. */
export function has(list: readonly number[], wanted: number): boolean {
  return list[placeOf(list, wanted)] === wanted;
}

/** Of the first that is not below it. */
function placeOf(list: readonly number[], wanted: number): number {
  let from = 0;
  let to = list.length;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if ((list[middle] ?? 0) < wanted) from = middle + 1;
    else to = middle;
  }
  return from;
}
