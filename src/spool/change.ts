/** Checks changes to spooled messages. */
import type { QueueId } from '../mail/index.ts';
import { checkEntry } from './entry.ts';
import type { Change } from './spool.ts';

/** The message that a change is about. */
export function changedMessage(change: Change): QueueId {
  switch (change.kind) {
    case 'reschedule':
      return change.from.id;
    case 'add':
    case 'finish':
      return change.entry.id;
    default:
      return change.id;
  }
}

/** Throws a `RangeError` for a change that could not be stored. */
export function checkChange(change: Change): void {
  if (change.kind === 'add') checkEntry(change.entry);
  if (change.kind === 'reschedule') checkEntry(change.to);
}
