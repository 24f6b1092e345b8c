/** Some recipients of a message: what of each entry they are, and how an entry is divided. */
import type { Envelope, RecipientStatus } from '../mail/index.ts';
import type { Change, LaneEntry } from '../spool/index.ts';
import { pendingOf, unclaimed } from './settle.ts';

/** Indices into the recipients of an envelope; `undefined`: all that wait. */
export type Portion = ReadonlySet<number> | undefined;

/** An entry of which some waiting recipients are meant. */
export interface Share {
  readonly entry: LaneEntry;
  /** Those that are meant. */
  readonly taken: readonly number[];
  /** Those that are not: the whole entry is meant when there are none. */
  readonly left: readonly number[];
}

/** What of these entries is meant, without the entries of which nothing is. */
export function sharesOf(
  entries: readonly LaneEntry[],
  of: { readonly envelope: Envelope; readonly statuses: ReadonlyMap<number, RecipientStatus> },
  portion: Portion,
): readonly Share[] {
  return entries.flatMap((entry): Share[] => {
    const pending = pendingOf(entry, of.envelope, of.statuses);
    if (portion === undefined) return [{ entry, taken: pending, left: [] }];
    const taken = pending.filter((index) => portion.has(index));
    return taken.length === 0 ? [] : [{ entry, taken, left: pending.filter((index) => !portion.has(index)) }];
  });
}

/**
 * What leaves to an entry only those who are not meant, and ends one of which nobody is left. A claim on it was
 * given up, so that it is due now.
 */
export function without({ entry, left }: Share, now: number): Change {
  if (left.length === 0) return { kind: 'finish', entry };
  const idle = entry.begun === true ? unclaimed(entry, now) : entry;
  return { kind: 'reschedule', from: entry, to: { ...idle, recipients: left } };
}

/** Recipients by the reason for which they are to be held; `undefined` is the reason of those who are not. */
export function byHold(
  indices: readonly number[],
  holds: ReadonlyMap<number, string> | undefined,
): ReadonlyMap<string | undefined, readonly number[]> {
  return Map.groupBy(indices, (index) => holds?.get(index));
}
