/** The spool under test, and messages for it. */
import assert from 'node:assert/strict';
import type { ManualClock } from '../../base/index.ts';
import { type Envelope, laneName, type QueueId, type RecipientStatus } from '../../mail/index.ts';
import type { LaneEntry, NewLaneEntry, Spool } from '../spool.ts';
import { sampleEnvelope, sampleReply } from './sample.ts';

/** One spool to be tested, in a place of its own. */
export interface SpoolFixture extends AsyncDisposable {
  readonly clock: ManualClock;
  readonly spool: Spool;
  /** Closes the spool and opens it again where it was; absent when nothing survives a close. */
  reopen?(): Promise<Spool>;
  /** Sets what the spool believes to be free on its disk, and lets it look. */
  setFreeBytes(freeBytes: number): void;
  /** The floor the spool was opened with. */
  readonly floorBytes: number;
}

export type OpenFixture = () => Promise<SpoolFixture>;

/** Tests by the sentence each proves. */
export type Cases = Readonly<Record<string, (fixture: SpoolFixture) => Promise<void>>>;

/** When the clock of a fixture begins. */
export const startAt = Date.UTC(2026, 0, 1);

/** A range that takes in every entry of a lane. */
export const everything = { until: Number.MAX_SAFE_INTEGER, limit: 1000 };

export function newEntry(lane: string, dueAt = startAt, more: Partial<NewLaneEntry> = {}): NewLaneEntry {
  return { lane: laneName(lane), recipients: 'all', attempts: 0, dueAt, ...more };
}

export interface AcceptOptions {
  readonly octets?: Uint8Array;
  readonly envelope?: Envelope;
  readonly entries?: readonly NewLaneEntry[];
}

/** Spools one message. */
export async function accept(spool: Spool, options: AcceptOptions = {}): Promise<QueueId> {
  await using draft = spool.begin();
  await draft.write(options.octets ?? Buffer.from('Subject: hello\r\n\r\nhello\r\n'));
  const entries = options.entries ?? [newEntry('mx:example.org')];
  return await draft.commit(options.envelope ?? sampleEnvelope(), entries);
}

/** The only entry of a message. */
export function onlyEntry(spool: Spool, id: QueueId): LaneEntry {
  const [first, ...others] = spool.entries(id);
  assert.ok(first !== undefined && others.length === 0, 'exactly one entry');
  return first;
}

export function delivered(at: number): RecipientStatus {
  return { status: 'delivered', at, relay: 'mx.example.org', reply: sampleReply(250, '0.0') };
}
