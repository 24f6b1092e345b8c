/** The files with the octets of large messages. */
import { type FileHandle, mkdir, open, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { QueueId } from '../mail/index.ts';
import { parseQueueId } from '../mail/index.ts';
import type { OctetsPlace } from './layout.ts';
import { pieceBytes } from './pieces.ts';
import { SpoolError, type StoredOctets } from './spool.ts';

/**
 * Octets of large messages: one file each, written and synced (file, then the folders that name it) before the record
 * that names it, removed after the removal of the record is durable. So a record never names a file that is not whole;
 * a file without a record is the remainder of a crash, and is removed at the next start.
 */
export function largeFile(path: string, id: QueueId): string {
  // These two characters change every few milliseconds: the files spread evenly over 1024 folders.
  return join(path, 'large', id.slice(7, 9), id);
}

/** A large file that is being written. Its errors are `SpoolError`s, `full` or `io`. */
export class LargeFileWriter {
  readonly #file: string;
  readonly #handle: FileHandle;
  #crc = 0;
  #size = 0;

  private constructor(file: string, handle: FileHandle) {
    this.#file = file;
    this.#handle = handle;
  }

  static async create(path: string, id: QueueId): Promise<LargeFileWriter> {
    const file = largeFile(path, id);
    return await asSpoolErrors(async () => {
      const made = await mkdir(dirname(file), { recursive: true, mode: 0o700 });
      if (made !== undefined) for (const folder of [join(path, 'large'), path]) await syncFolder(folder);
      return new LargeFileWriter(file, await open(file, 'wx', 0o600));
    });
  }

  async write(octets: Uint8Array): Promise<void> {
    await asSpoolErrors(async () => {
      for (let at = 0; at < octets.length; ) {
        const { bytesWritten } = await this.#handle.write(octets, at, octets.length - at, this.#size + at);
        at += bytesWritten;
      }
    });
    this.#crc = crc32(octets, this.#crc);
    this.#size += octets.length;
  }

  /** Makes octets and name durable; the file is closed then. */
  async finish(): Promise<OctetsPlace> {
    await asSpoolErrors(async () => {
      await this.#handle.datasync();
      await this.#handle.close();
      await syncFolder(dirname(this.#file));
    });
    return { in: 'file', size: this.#size, crc: this.#crc };
  }

  /** Throws the file away. */
  async discard(): Promise<void> {
    await this.#handle.close().catch(() => {});
    await rm(this.#file, { force: true });
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** The octets in a large file. Each `chunks` opens it anew, so that a removal does not cut a reader off. */
export function largeOctets(
  file: string,
  place: OctetsPlace,
  onRead: (bytes: number) => void = () => {},
): StoredOctets {
  const chunks = async function* (from = 0) {
    for await (const piece of readLarge(file, place, from)) {
      yield piece;
      onRead(piece.length);
    }
  };
  return { size: place.size, whole: undefined, chunks };
}

async function* readLarge(file: string, place: OctetsPlace, from: number): AsyncGenerator<Buffer> {
  const handle = await open(file, 'r').catch((error: unknown) => {
    throw new SpoolError('missing', `${JSON.stringify(file)} cannot be read`, { cause: error });
  });
  try {
    let crc = 0;
    let at = 0;
    for (;;) {
      const piece = await readPiece(handle, at);
      if (piece.length === 0) break;
      crc = crc32(piece, crc);
      // What lies before `from` is read all the same: the checksum is of the whole.
      const wanted = piece.subarray(Math.max(0, from - at));
      at += piece.length;
      // The last piece waits for the verdict: a reader never gets all octets of a damaged file.
      if (at >= place.size) checkWhole({ file, place, size: at, crc });
      if (wanted.length > 0) yield wanted;
    }
    checkWhole({ file, place, size: at, crc });
  } finally {
    await handle.close();
  }
}

function checkWhole(read: {
  readonly file: string;
  readonly place: OctetsPlace;
  readonly size: number;
  readonly crc: number;
}): void {
  const { file, place, size, crc } = read;
  if (size === place.size && crc === place.crc) return;
  throw new SpoolError('corrupt', `${JSON.stringify(file)} does not match its length or checksum`);
}

async function readPiece(handle: FileHandle, at: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(pieceBytes);
  let done = 0;
  while (done < pieceBytes) {
    const { bytesRead } = await handle.read(buffer, done, pieceBytes - done, at + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return buffer.subarray(0, done);
}

/** The ids of all large files, and the names of files that are none of ours. */
export async function* listLargeFiles(
  path: string,
): AsyncGenerator<{ file: string; id: QueueId | undefined }> {
  const root = join(path, 'large');
  for (const folder of await namesIn(root)) {
    for (const name of await namesIn(join(root, folder))) {
      yield { file: join(root, folder, name), id: parseQueueId(name) };
    }
  }
}

async function namesIn(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) {
      return [];
    }
    throw error;
  }
}

async function asSpoolErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    const isFull = code === 'ENOSPC' || code === 'EDQUOT';
    throw new SpoolError(isFull ? 'full' : 'io', `a large message: ${String(error)}`, { cause: error });
  }
}
