/** Keeps reserved room at the end of an LMDB file. */
import { closeSync, fstatSync, openSync, writeSync } from 'node:fs';
import { newestMeta } from './page-file.ts';
import type { Operation } from './table.ts';

const spareBytes = 2 ** 20;
const zeros = Buffer.alloc(256 * 1024);

/**
 * Keeps room at the end of an LMDB file: octets that are written (zeros) and that no tree uses yet.
 *
 * Running out of space inside a commit is what the library bears worst: its message about the page that
 * could not be written is longer than the memory it takes for it, which ends the process some time later
 * (seen with 3.5.6: "corrupted size vs. prev_size"). With room in the file the space is already ours when
 * LMDB writes, and a full disk shows here, as an error that can be handled. (On a file system that copies
 * on write, an overwrite may still fail; there the floor of free space has to do.)
 */
export class FileReserve {
  readonly #fd: number;
  #fileBytes: number;
  /** The octets of the file that commits may still use before its meta page has to be read again. */
  #unused = 0;
  #pageBytes = 4096;

  constructor(file: string) {
    this.#fd = openSync(file, 'r+');
    this.#fileBytes = fstatSync(this.#fd).size;
  }

  /**
   * Makes room for a commit of these operations and keeps some to spare: on a full disk the removals that free space
   * can still be written. No other commit may be running. Returns the growth of the file. The meta page is read only
   * when the commits since may have used the room. Throws the error of the file system (`ENOSPC` …) when there is not
   * even room for the commit itself.
   */
  ensure(operations: readonly Operation[]): number {
    this.#unused -= maxBytes(operations, this.#pageBytes);
    if (this.#unused >= spareBytes) return 0;
    const meta = newestMeta(this.#fd);
    if (meta === undefined) return 0;
    this.#pageBytes = meta.pageBytes;
    const before = this.#fileBytes;
    const needed = (meta.lastPage + 1) * meta.pageBytes + maxBytes(operations, this.#pageBytes);
    try {
      if (before < needed + spareBytes) while (this.#fileBytes < needed + 2 * spareBytes) this.#append();
    } catch (error) {
      if (this.#fileBytes < needed) throw error;
    } finally {
      this.#unused = this.#fileBytes - needed;
    }
    return this.#fileBytes - before;
  }

  #append(): void {
    this.#fileBytes += writeSync(this.#fd, zeros, 0, zeros.length, this.#fileBytes);
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** The most that a commit can add to a file: the values, and a copy of each page that leads to one. */
function maxBytes(operations: readonly Operation[], pageBytes: number): number {
  let bytes = 32 * pageBytes;
  for (const { frame } of operations) bytes += 2 * pageBytes + (frame?.length ?? 0);
  return bytes;
}
