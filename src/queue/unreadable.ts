import { SpoolError, type StoredOctets } from '../spool/index.ts';

/** Whether a message is damaged: reading it again would not help, as it would when the disk is busy. */
export function isUnreadable(error: unknown): boolean {
  return error instanceof SpoolError && (error.code === 'corrupt' || error.code === 'missing');
}

/**
 * The octets of a message for an attempt. Those in a file are checked while they are sent, and the attempt
 * only knows that it came to nothing: `onUnreadable` is told why. Throws `SpoolError` `missing` without them.
 */
export function watchOctets(
  octets: StoredOctets | undefined,
  onUnreadable: (error: unknown) => void,
): StoredOctets {
  if (octets === undefined) throw new SpoolError('missing', 'the octets are gone');
  if (octets.whole !== undefined) return octets;
  return {
    size: octets.size,
    whole: undefined,
    async *chunks(from) {
      try {
        yield* octets.chunks(from);
      } catch (error) {
        if (isUnreadable(error)) onUnreadable(error);
        throw error;
      }
    },
  };
}
