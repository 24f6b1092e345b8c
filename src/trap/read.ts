/** Lists and opens messages of the archive. */
import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Envelope, QueueId } from '../mail/index.ts';
import { daysOf, namesOf } from './archive.ts';
import { decodeRecord, idOfFile, type TrapRecord } from './file.ts';

/** A message of the archive. */
export interface TrappedMessage {
  readonly id: QueueId;
  readonly envelope: Envelope;
  /** Octets of the file. */
  readonly fileBytes: number;
}

const pieceOctets = 64 * 1024;
/** An envelope has at most some tens of thousands of recipients. */
const maxLineOctets = 32 * 1024 * 1024;

/** Messages with the newest first; reads a day of names at a time. The trap may be running or not. */
export async function* listTrapped(folder: string): AsyncGenerator<TrappedMessage> {
  for (const day of (await daysOf(folder)).reverse()) {
    for (const name of (await namesOf(folder, day)).reverse()) {
      const path = join(folder, day, name);
      const found = await readRecord(path);
      if (found === undefined) continue;
      const { size } = await stat(path).catch(() => ({ size: 0 }));
      yield { id: found.record.id, envelope: found.record.envelope, fileBytes: size };
    }
  }
}

/** One message with its octets; `undefined` when it is not there, or is damaged. */
export async function openTrapped(
  folder: string,
  id: string,
): Promise<{ readonly envelope: Envelope; octets(): AsyncIterable<Buffer> } | undefined> {
  for (const day of (await daysOf(folder)).reverse()) {
    const name = (await namesOf(folder, day)).find((each) => idOfFile(each) === id);
    if (name === undefined) continue;
    const path = join(folder, day, name);
    const found = await readRecord(path);
    if (found === undefined) return undefined;
    return { envelope: found.record.envelope, octets: () => createReadStream(path, { start: found.end }) };
  }
  return undefined;
}

/** The first line of a file and where the octets begin; `undefined` when it cannot be read. */
async function readRecord(
  path: string,
): Promise<{ readonly record: TrapRecord; readonly end: number } | undefined> {
  try {
    await using file = await open(path, 'r');
    const pieces: Buffer[] = [];
    for (let at = 0; at < maxLineOctets; ) {
      const piece = Buffer.allocUnsafe(pieceOctets);
      const { bytesRead } = await file.read(piece, 0, piece.length, at);
      if (bytesRead === 0) return undefined;
      const end = piece.subarray(0, bytesRead).indexOf(0x0a);
      pieces.push(piece.subarray(0, end < 0 ? bytesRead : end));
      at += bytesRead;
      if (end < 0) continue;
      const record = decodeRecord(Buffer.concat(pieces).toString('utf8'));
      return record === undefined ? undefined : { record, end: at - bytesRead + end + 1 };
    }
    return undefined;
  } catch {
    // Removed meanwhile, or not readable: it is left out.
    return undefined;
  }
}
