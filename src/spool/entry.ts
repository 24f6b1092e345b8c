/** Rules about entries: their order and their numbers. */
import type { Envelope } from '../mail/index.ts';
import type { LaneEntry, NewLaneEntry } from './spool.ts';

/** The order of a lane: due time, then age, then number. Two entries are never equal in it. */
export function compareEntries(a: LaneEntry, b: LaneEntry): number {
  if (a.dueAt !== b.dueAt) return a.dueAt - b.dueAt;
  if (a.id !== b.id) return a.id < b.id ? -1 : 1;
  return a.number - b.number;
}

/** Lanes of one message are numbered in 16 bits. */
export const maxEntryNumber = 0xffff;

/**
 * Throws a `RangeError` when a message would be spooled that nothing ever attempts: no entry, an entry
 * without a lane, a recipient that does not exist or is in no entry. That is a bug of the caller, and
 * accepting it would lose mail silently.
 */
export function checkEntries(envelope: Envelope, entries: readonly NewLaneEntry[]): void {
  const total = envelope.recipients.length;
  if (total === 0) throw new RangeError('a message needs at least one recipient');
  if (entries.length === 0) throw new RangeError('a message needs at least one lane entry');
  if (entries.length > maxEntryNumber) throw new RangeError(`${entries.length} lane entries are too many`);
  for (const entry of entries) checkEntry(entry);
  if (entries.some((entry) => entry.recipients === 'all')) return;
  const covered = new Set(entries.flatMap((entry) => (entry.recipients === 'all' ? [] : entry.recipients)));
  for (let recipient = 0; recipient < total; recipient++) {
    if (!covered.has(recipient)) throw new RangeError(`recipient ${recipient} is in no lane entry`);
  }
  if (covered.size !== total) throw new RangeError('a lane entry names a recipient that does not exist');
}

/** Throws a `RangeError` for an entry that could not be stored or found again. */
export function checkEntry(entry: NewLaneEntry): void {
  if (entry.lane === '') throw new RangeError('a lane entry needs the name of its lane');
  if (!(Number.isInteger(entry.dueAt) && entry.dueAt >= 0 && entry.dueAt < 2 ** 48)) {
    throw new RangeError(`dueAt ${entry.dueAt} is not an instant`);
  }
}
