/** How messages lie in the store: keys and records. */
import { hash } from 'node:crypto';
import {
  decodeQueueId,
  type Envelope,
  encodeQueueId,
  type LaneName,
  type QueueId,
  queueIdOctets,
} from '../mail/index.ts';
import type { TableName } from '../store/index.ts';
import type { LaneEntry } from './spool.ts';

/**
 * How messages lie in the store. Integers are big-endian, so that keys sort as they should.
 *
 *     envelope  id                                      EnvelopeRecord as JSON
 *     octets    id                                      the octets, of messages up to inlineMaxBytes
 *     status    id | recipient (4)                      RecipientStatus as JSON
 *     entry     id | number (2)                         EntryRecord as JSON
 *     schedule  hash of lane (8) | dueAt (6) | id | number (2)    the name of the lane
 *
 * An id is its 10 octets. A held entry is in no schedule. Every value is a frame of the store. The octets
 * of larger messages are files, `large/<2 characters of the id>/<id>`.
 */
export const layoutVersion = 1;

export const tables = {
  envelope: { name: 'envelope', kind: 1 },
  octets: { name: 'octets', kind: 2 },
  status: { name: 'status', kind: 3 },
  entry: { name: 'entry', kind: 4 },
  schedule: { name: 'schedule', kind: 5 },
} as const satisfies Record<string, TableName>;

/** The envelope and where its octets are. Readable by hand. */
export interface EnvelopeRecord {
  readonly envelope: Envelope;
  readonly octets: OctetsPlace;
}

export interface OctetsPlace {
  readonly in: 'store' | 'file';
  readonly size: number;
  /** CRC-32 of the octets of a file; in the store the frame has one. */
  readonly crc?: number;
}

type EntryRecord = Omit<LaneEntry, 'id' | 'number'>;

export function idKey(id: QueueId): Buffer {
  const key = Buffer.allocUnsafe(queueIdOctets);
  encodeQueueId(id, key);
  return key;
}

/** The id with which a key of `envelope`, `octets`, `status` or `entry` begins. */
export function idOfKey(key: Uint8Array): QueueId {
  return decodeQueueId(key);
}

export function statusKey(id: QueueId, recipient: number): Buffer {
  const key = Buffer.allocUnsafe(queueIdOctets + 4);
  encodeQueueId(id, key);
  key.writeUInt32BE(recipient, queueIdOctets);
  return key;
}

export function recipientOfKey(key: Buffer): number {
  return key.readUInt32BE(queueIdOctets);
}

export function entryKey(id: QueueId, number: number): Buffer {
  const key = Buffer.allocUnsafe(queueIdOctets + 2);
  encodeQueueId(id, key);
  key.writeUInt16BE(number, queueIdOctets);
  return key;
}

export function numberOfEntryKey(key: Buffer): number {
  return key.readUInt16BE(queueIdOctets);
}

export const laneHashOctets = 8;
const scheduleKeyOctets = laneHashOctets + 6 + queueIdOctets + 2;

const recentLanes = 4096;

/** Makes the keys of the schedule. It remembers the hashes of lanes: one costs as much as a read. */
export class ScheduleKeys {
  readonly #recent = new Map<LaneName, Buffer>();

  /**
   * The prefix of a lane. Two lanes with the same hash would share a prefix, never an entry: readers
   * compare the name.
   */
  prefix(lane: LaneName): Buffer {
    const known = this.#recent.get(lane);
    if (known !== undefined) return known;
    const prefix = hash('sha256', lane, 'buffer').subarray(0, laneHashOctets);
    if (this.#recent.size >= recentLanes) this.#recent.clear();
    this.#recent.set(lane, prefix);
    return prefix;
  }

  /** The key of an entry. */
  key(entry: Pick<LaneEntry, 'lane' | 'dueAt' | 'id' | 'number'>): Buffer {
    const key = Buffer.allocUnsafe(scheduleKeyOctets);
    key.set(this.prefix(entry.lane));
    key.writeUIntBE(entry.dueAt, laneHashOctets, 6);
    encodeQueueId(entry.id, key, laneHashOctets + 6);
    key.writeUInt16BE(entry.number, laneHashOctets + 6 + queueIdOctets);
    return key;
  }

  /** The first key of a lane that is due at `at` or later. */
  bound(lane: LaneName, at: number): Buffer {
    const key = Buffer.alloc(laneHashOctets + 6);
    key.set(this.prefix(lane));
    key.writeUIntBE(Math.min(Math.max(Math.ceil(at), 0), 2 ** 48 - 1), laneHashOctets, 6);
    return key;
  }
}

/** The fields that a key of the schedule holds. */
export function parseScheduleKey(key: Buffer): { dueAt: number; id: QueueId; number: number } {
  return {
    dueAt: key.readUIntBE(laneHashOctets, 6),
    id: decodeQueueId(key, laneHashOctets + 6),
    number: key.readUInt16BE(laneHashOctets + 6 + queueIdOctets),
  };
}

export function encodeEntry(entry: LaneEntry): string {
  // Named one by one: to leave two out of the others takes as long as all the rest.
  const { lane, recipients, attempts, dueAt, begun, attemptedAt, warned, held } = entry;
  const record = { lane, recipients, attempts, dueAt, begun, attemptedAt, warned, held };
  return JSON.stringify(record satisfies { readonly [K in keyof EntryRecord]-?: EntryRecord[K] | undefined });
}

export function decodeEntry(key: Buffer, payload: Buffer): LaneEntry {
  return { ...decodeJson<EntryRecord>(payload), id: idOfKey(key), number: numberOfEntryKey(key) };
}

/**
 * The value that was stored as JSON. Only for payloads of a frame: its checksum says that this program (or
 * an older one, whose layout was migrated) wrote it, so its shape is not checked again.
 */
export function decodeJson<T>(payload: Buffer): T {
  return JSON.parse(payload.toString()) as T;
}
