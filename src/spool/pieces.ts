/** The octets of a small message, in pieces. */
import type { StoredOctets } from './spool.ts';

/** The largest piece that `StoredOctets.chunks` gives. */
export const pieceBytes = 64 * 1024;

/** The octets of a small message, which are in memory as a whole. `whole` must not be a view of a store. */
export function wholeOctets(whole: Buffer): StoredOctets {
  return {
    size: whole.length,
    whole,
    async *chunks(from = 0) {
      for (let at = from; at < whole.length; at += pieceBytes) {
        yield Buffer.from(whole.subarray(at, at + pieceBytes));
      }
    },
  };
}
