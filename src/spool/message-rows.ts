/** Decodes all rows of one message. */
import { statSync } from 'node:fs';
import type { QueueId, RecipientStatus } from '../mail/index.ts';
import { type Row, StoreError } from '../store/index.ts';
import { largeFile, largeOctets } from './large-file.ts';
import { decodeEntry, decodeJson, type EnvelopeRecord, numberOfEntryKey, recipientOfKey } from './layout.ts';
import type { FoundMessage } from './repair.ts';
import { SpoolError } from './spool.ts';

/** All rows of one message as they were found. A row without a payload is damaged. */
export interface MessageRows {
  readonly id: QueueId;
  readonly envelope: Row | undefined;
  /** With an empty payload when octets are not to be checked. */
  readonly octets: Row | undefined;
  readonly entries: readonly Row[];
  readonly statuses: readonly Row[];
}

export interface FindOptions {
  readonly path: string;
  /** The large files that exist, by id. */
  readonly large: ReadonlyMap<QueueId, string>;
  /** Also reads large files against their checksum. */
  readonly checkOctets: boolean;
}

/** Decodes the rows, and looks whether the octets that the envelope names are there. */
export async function findMessage(rows: MessageRows, options: FindOptions): Promise<FoundMessage> {
  const envelope = rows.envelope === undefined ? 'absent' : decoded<EnvelopeRecord>(rows.envelope.payload);
  return {
    id: rows.id,
    envelope,
    octets: await findOctets(rows, envelope, options),
    entries: rows.entries.map(({ key, payload }) => ({
      number: numberOfEntryKey(key),
      entry: payload === undefined ? undefined : decodeEntry(key, payload),
    })),
    statuses: rows.statuses.map(({ key, payload }) => ({
      recipient: recipientOfKey(key),
      status: decoded<RecipientStatus>(payload),
    })),
  };
}

async function findOctets(
  rows: MessageRows,
  envelope: EnvelopeRecord | 'absent' | undefined,
  options: FindOptions,
): Promise<FoundMessage['octets']> {
  const place = envelope === undefined || envelope === 'absent' ? undefined : envelope.octets;
  if (place?.in === 'file') {
    if (!options.large.has(rows.id)) return 'absent';
    const file = largeFile(options.path, rows.id);
    if (statSync(file).size !== place.size) return 'damaged';
    return options.checkOctets ? await readsWell(largeOctets(file, place).chunks()) : 'whole';
  }
  // Without an envelope a file may belong to a draft that was never accepted; it is no loss.
  if (rows.octets === undefined) return 'absent';
  return rows.octets.payload === undefined ? 'damaged' : 'whole';
}

function decoded<T>(payload: Buffer | undefined): T | undefined {
  return payload === undefined ? undefined : decodeJson<T>(payload);
}

async function readsWell(pieces: AsyncIterable<Buffer>): Promise<'whole' | 'damaged'> {
  try {
    for await (const _ of pieces);
    return 'whole';
  } catch (error) {
    if (error instanceof SpoolError || error instanceof StoreError) return 'damaged';
    throw error;
  }
}
