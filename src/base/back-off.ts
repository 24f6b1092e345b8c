/** How long to wait after failures in a row before the next try. */

/** The first wait, and the longest. */
export interface BackOff {
  readonly minMs: number;
  readonly maxMs: number;
}

/** After this many doublings every wait of ours is at its longest, and the number stays exact. */
const maxDoublings = 30;

/** The wait after `failures` failures in a row, of which the first is followed by the shortest; it doubles each time. */
export function backOff(failures: number, { minMs, maxMs }: BackOff): number {
  return Math.min(maxMs, minMs * 2 ** Math.min(maxDoublings, Math.max(0, failures - 1)));
}
