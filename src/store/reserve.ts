import { closeSync, fstatSync, openSync, writeSync } from 'node:fs';
import { newestMeta } from './page-file.ts';
import type { Operation } from './writer.ts';

const stepBytes = 2 ** 20;
const zeros = Buffer.alloc(stepBytes / 4);

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

  constructor(file: string) {
    this.#fd = openSync(file, 'r+');
    this.#fileBytes = fstatSync(this.#fd).size;
  }

  /**
   * Makes room for a commit of these operations; no other one may be under way. Returns by how much the file
   * grew. Throws the error of the file system (`ENOSPC` …) when it cannot: then nothing was changed.
   */
  ensure(operations: readonly Operation[]): number {
    const meta = newestMeta(this.#fd);
    if (meta === undefined) return 0;
    const before = this.#fileBytes;
    const wanted = (meta.lastPage + 1) * meta.pageBytes + mostBytes(operations, meta.pageBytes);
    while (this.#fileBytes < wanted) {
      for (let at = 0; at < stepBytes; at += zeros.length) this.#append();
    }
    return this.#fileBytes - before;
  }

  #append(): void {
    let done = 0;
    while (done < zeros.length) {
      done += writeSync(this.#fd, zeros, done, zeros.length - done, this.#fileBytes + done);
    }
    this.#fileBytes += zeros.length;
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** The most that a commit can add to a file: the values, and a copy of each page that leads to one. */
function mostBytes(operations: readonly Operation[], pageBytes: number): number {
  let bytes = 64 * pageBytes;
  for (const { frame } of operations) bytes += 2 * pageBytes + (frame?.length ?? 0);
  return bytes;
}
