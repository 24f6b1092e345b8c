/** Decides how a damaged message is repaired. */
import type { QueueId, RecipientStatus } from '../mail/index.ts';
import type { EnvelopeRecord } from './layout.ts';
import { type LaneEntry, recoverLane } from './spool.ts';

/** The records of one message as they were found; `undefined` stands for a record that is damaged. */
export interface FoundMessage {
  readonly id: QueueId;
  readonly envelope: EnvelopeRecord | undefined | 'absent';
  readonly octets: 'whole' | 'absent' | 'damaged';
  readonly entries: readonly { readonly number: number; readonly entry: LaneEntry | undefined }[];
  readonly statuses: readonly { readonly recipient: number; readonly status: RecipientStatus | undefined }[];
}

/** The repair of a message. `found` has one line for each fault. */
export type Repair =
  /** It stays, with these entries (an unchanged one is the same object); the named records are dropped. */
  | {
      readonly kind: 'keep';
      readonly found: readonly string[];
      readonly entries: readonly LaneEntry[];
      readonly dropEntries: readonly number[];
      readonly dropStatuses: readonly number[];
    }
  /** It cannot be delivered any more: the rest of it is set aside for a person to look at. */
  | { readonly kind: 'quarantine'; readonly found: readonly string[] }
  /** Nothing of it is left to do: its records are dropped. */
  | { readonly kind: 'drop'; readonly found: readonly string[] };

/**
 * Decides about one message. The rule in doubt: rather twice than never, and rather held than wrong. So a
 * recipient without a readable final status is pending, a pending recipient in no readable entry gets one
 * in `recoverLane`, and a message without its octets is held. Pure.
 */
export function repairMessage(message: FoundMessage, now: number): Repair {
  const { envelope } = message;
  if (envelope === undefined) return { kind: 'quarantine', found: ['the envelope is damaged'] };
  if (envelope === 'absent') {
    if (message.octets !== 'absent') return { kind: 'quarantine', found: ['octets without an envelope'] };
    const left = `${message.entries.length} entries and ${message.statuses.length} statuses`;
    return { kind: 'drop', found: [`${left} without an envelope`] };
  }
  const found: string[] = [];
  const dropStatuses = message.statuses.filter((row) => row.status === undefined).map((row) => row.recipient);
  for (const recipient of dropStatuses) found.push(`the status of recipient ${recipient} is damaged`);
  const dropEntries = message.entries.filter((row) => row.entry === undefined).map((row) => row.number);
  for (const number of dropEntries) found.push(`entry ${number} is damaged`);
  const entries = message.entries.flatMap((row) => row.entry ?? []);
  const lost = uncovered(message, envelope, entries);
  if (lost.length > 0) {
    found.push(`${lost.length} recipients are pending in no entry`);
    const number = Math.max(-1, ...message.entries.map((row) => row.number)) + 1;
    entries.push({ id: message.id, number, lane: recoverLane, recipients: lost, attempts: 0, dueAt: now });
  }
  if (entries.length === 0) return { kind: 'drop', found: [...found, 'nothing is left to do'] };
  if (message.octets === 'whole') return { kind: 'keep', found, entries, dropEntries, dropStatuses };
  const held = `damaged: the octets are ${message.octets === 'absent' ? 'missing' : 'damaged'}`;
  if (entries.some((entry) => entry.held === undefined)) found.push(held);
  const holding = entries.map((entry) => (entry.held === undefined ? { ...entry, held } : entry));
  return { kind: 'keep', found, entries: holding, dropEntries, dropStatuses };
}

/** The recipients that are pending and that no entry would attempt. */
function uncovered(
  message: FoundMessage,
  record: EnvelopeRecord,
  entries: readonly LaneEntry[],
): readonly number[] {
  if (entries.some((entry) => entry.recipients === 'all')) return [];
  const covered = new Set(entries.flatMap((entry) => (entry.recipients === 'all' ? [] : entry.recipients)));
  for (const { recipient, status } of message.statuses) {
    if (status !== undefined && status.status !== 'pending') covered.add(recipient);
  }
  return record.envelope.recipients.map((_, index) => index).filter((index) => !covered.has(index));
}
