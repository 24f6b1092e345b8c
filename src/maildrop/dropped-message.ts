/** Opens a file of the maildrop, which any local user may have put there. */
import { constants, type Stats } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

import { ControlError } from '../admin/index.ts';
import { type DropEnvelope, maxEnvelopeOctets, parseEnvelopeLine } from './file.ts';

/** One message of the maildrop, open for reading. */
export interface DroppedMessage extends AsyncDisposable {
  readonly envelope: DropEnvelope;
  /** The local user who wrote it, proven by the ownership of the open file. */
  readonly uid: number;
  /** Octets of the message. */
  readonly size: number;
  /** The message in pieces of at most 64 KiB. Throws when the file is shorter than it was. */
  octets(): AsyncIterable<Uint8Array>;
}

/** The reason why a file was refused. */
export interface Refused {
  readonly kind: 'refused';
  readonly because: string;
  readonly uid?: number;
}

/** The content under a name. */
export type Found =
  | { readonly kind: 'message'; readonly dropped: DroppedMessage }
  | Refused
  | { readonly kind: 'gone' };

const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK, O_NOCTTY } = constants;
const pieceOctets = 64 * 1024;

/** The bound of a message. */
export interface DroppedOptions {
  readonly maxMessageBytes: number;
}

/**
 * Opens a file that any local user may have put there. A symbolic link is not followed, a FIFO does not block, a
 * device or a second name of someone else's file (a hard link) is refused, and all facts come from the open file: its
 * name may mean another one a moment later.
 */
export async function openDropped(path: string, options: DroppedOptions): Promise<Found> {
  let file: FileHandle;
  try {
    file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT') return { kind: 'gone' };
    if (code === 'ELOOP') return { kind: 'refused', because: 'it is a symbolic link' };
    if (code === 'EACCES' || code === 'ENXIO') {
      return { kind: 'refused', because: 'it cannot be read' };
    }
    throw error;
  }
  try {
    const stats = await file.stat();
    const because = refusal(stats, options);
    const found = because === undefined ? await readDropped(file, stats, options) : because;
    if (typeof found !== 'string') return { kind: 'message', dropped: found };
    await file.close();
    return { kind: 'refused', because: found, uid: stats.uid };
  } catch (error) {
    await file.close();
    throw error;
  }
}

function refusal(stats: Stats, { maxMessageBytes }: DroppedOptions): string | undefined {
  if (!stats.isFile()) return 'it is not a regular file';
  if (stats.nlink !== 1) return 'it has several names';
  if (stats.size > maxMessageBytes + maxEnvelopeOctets) return 'it is too large';
  return undefined;
}

async function readDropped(
  file: FileHandle,
  stats: Stats,
  options: DroppedOptions,
): Promise<DroppedMessage | string> {
  const head = await readEnvelope(file, stats.size);
  if (typeof head === 'string') return head;
  const size = stats.size - head.octets;
  if (size > options.maxMessageBytes) return 'it is too large';
  return {
    envelope: head.envelope,
    uid: stats.uid,
    size,
    octets: () => readPieces(file, head.octets, stats.size),
    [Symbol.asyncDispose]: () => file.close(),
  };
}

async function readEnvelope(
  file: FileHandle,
  size: number,
): Promise<{ envelope: DropEnvelope; octets: number } | string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const piece of readPieces(file, 0, Math.min(size, maxEnvelopeOctets))) {
    const end = piece.indexOf(0x0a);
    parts.push(end < 0 ? piece : piece.subarray(0, end));
    length += end < 0 ? piece.length : end;
    if (end < 0) continue;
    try {
      const line = Buffer.concat(parts).toString('utf8');
      return { envelope: await parseEnvelopeLine(line), octets: length + 1 };
    } catch (error) {
      if (error instanceof ControlError) return `its envelope is malformed: ${error.message}`;
      throw error;
    }
  }
  return 'it has no envelope line';
}

async function* readPieces(file: FileHandle, from: number, until: number): AsyncGenerator<Uint8Array> {
  for (let at = from; at < until; ) {
    const piece = Buffer.allocUnsafe(Math.min(pieceOctets, until - at));
    const { bytesRead } = await file.read(piece, 0, piece.length, at);
    if (bytesRead === 0) throw new Error('the file was cut short while it was read');
    yield piece.subarray(0, bytesRead);
    at += bytesRead;
  }
}
