/** Reads an LMDB file page by page, without LMDB. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { StoreError } from './error.ts';

/**
 * Reads an LMDB data file page by page with `pread`, never through a memory map: a truncated file is a
 * short read here, where it would be a SIGBUS there, and a wild page number is a number out of range.
 *
 * The layout (LMDB 0.9.90 as the `lmdb` package builds it, data version 2, little-endian, 64 bits):
 * pages 0 and 1 are the meta pages; every page begins with 24 octets
 *
 *     number (8) | transaction (8) | pad (2) | flags (2) | lower (2) | upper (2)
 *
 * where an overflow page has its length in pages (4) in place of lower and upper.
 */
export const pageHeaderBytes = 24;
const metaMagic = 0xbeefc0de;
const metaVersion = 2;
const noPage = 0xffff_ffff_ffff_ffffn;
const pageSizes: readonly number[] = [4096, 8192, 16_384, 32_768];

export const pageFlag = { branch: 0x01, leaf: 0x02, overflow: 0x04, meta: 0x08 } as const;

/** The root of one B-tree. */
export interface TreeRoot {
  readonly depth: number;
  readonly entries: number;
  /** Absent when the tree is empty. */
  readonly root: number | undefined;
}

/** The facts of the file in its newest meta page. */
export interface Meta {
  readonly pageBytes: number;
  readonly lastPage: number;
  readonly transaction: number;
  readonly free: TreeRoot;
  readonly main: TreeRoot;
}

/** An LMDB data file opened for reading, without LMDB. */
export class PageFile {
  readonly #fd: number;
  readonly fileBytes: number;
  /** `undefined` when neither meta page can be read: then there is no tree, only octets to scan. */
  readonly meta: Meta | undefined;
  readonly pageBytes: number;

  private constructor(fd: number) {
    this.#fd = fd;
    this.fileBytes = fstatSync(fd).size;
    this.meta = newestMeta(fd);
    this.pageBytes = this.meta?.pageBytes ?? 4096;
  }

  /** Throws the error of the file system when the file cannot be opened. */
  static open(path: string): PageFile {
    return new PageFile(openSync(path, 'r'));
  }

  /** The file is as long as its meta page says it may be. A shorter one need not be damaged: see `walkTree`. */
  get isWhole(): boolean {
    return this.meta !== undefined && this.fileBytes >= (this.meta.lastPage + 1) * this.meta.pageBytes;
  }

  /** `length` octets at `offset`; throws `StoreError` `corrupt` when the file ends before. */
  read(offset: number, length: number): Buffer {
    const octets = Buffer.allocUnsafe(length);
    if (readInto(this.#fd, octets, offset) < length) {
      throw new StoreError('corrupt', `the file ends before octet ${offset + length}`);
    }
    return octets;
  }

  page(number: number): Buffer {
    return this.read(number * this.pageBytes, this.pageBytes);
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** Fills `octets` as far as the file goes and returns how far that is. */
function readInto(fd: number, octets: Buffer, offset: number): number {
  let done = 0;
  while (done < octets.length) {
    const count = readSync(fd, octets, done, octets.length - done, offset + done);
    if (count === 0) break;
    done += count;
  }
  return done;
}

/** The newer one of the two meta pages of an open file; `undefined` when neither can be read. */
export function newestMeta(fd: number): Meta | undefined {
  const head = Buffer.alloc(pageHeaderBytes + 144);
  if (readInto(fd, head, 0) < head.length) return undefined;
  const first = parseMeta(head);
  // The page size is in the meta page itself; without the first one the second has to be guessed.
  for (const pageBytes of first === undefined ? pageSizes : [first.pageBytes]) {
    if (readInto(fd, head, pageBytes) < head.length) continue;
    const second = parseMeta(head);
    if (second?.pageBytes !== pageBytes) continue;
    return first === undefined || second.transaction > first.transaction ? second : first;
  }
  return first;
}

/** The meta page in `head`; `undefined` when it is none. */
function parseMeta(head: Buffer): Meta | undefined {
  const at = pageHeaderBytes;
  if ((head.readUInt16LE(18) & pageFlag.meta) === 0) return undefined;
  if (head.readUInt32LE(at) !== metaMagic) return undefined;
  if ((head.readUInt32LE(at + 4) & 0xffff) !== metaVersion) return undefined;
  const pageBytes = head.readUInt32LE(at + 24);
  if (!pageSizes.includes(pageBytes)) return undefined;
  const lastPage = Number(head.readBigUInt64LE(at + 120));
  const transaction = Number(head.readBigUInt64LE(at + 128));
  if (!Number.isSafeInteger(lastPage * pageBytes) || lastPage < 1) return undefined;
  const free = parseRoot(head.subarray(at + 24));
  const main = parseRoot(head.subarray(at + 72));
  return { pageBytes, lastPage, transaction, free, main };
}

/** The 48 octets that describe a tree, in a meta page or as the value of a named table. */
export function parseRoot(octets: Buffer): TreeRoot {
  const root = octets.readBigUInt64LE(40);
  return {
    depth: octets.readUInt16LE(6),
    entries: Number(octets.readBigUInt64LE(32)),
    root: root === noPage ? undefined : Number(root),
  };
}
