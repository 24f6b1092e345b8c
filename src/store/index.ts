/**
 * The guarded LMDB environment: tables of octets under octets, ordered, durable when a write resolves.
 *
 * LMDB is fast and survives crashes by its design (copy on write, two meta pages), but trusts its file
 * and its disk. This folder adds, each because the fault was seen:
 *
 * - a value is a frame with its key, length and CRC: damage is an error, never a wrong value (`frame.ts`);
 * - before the file is mapped, its length is compared with its meta pages, and one that was not closed
 *   cleanly is read with plain reads and then in a child process, so that damage is a message and not a
 *   SIGBUS (`page-file.ts`, `page-walk.ts`, `examine.ts`);
 * - all writes go through one place, in batches that are all or nothing; a full or failing disk is a
 *   `StoreError`, the environment is opened again, and a probe finds out when the disk is well
 *   (`writer.ts`);
 * - free space is watched, so that mail can be refused before the disk is full (`space.ts`);
 * - reads copy, in batches, and hold no view across turns, so that freed pages are used again (`table.ts`);
 * - one process at a time, by a lock that no crash leaves stuck (`lock.ts`);
 * - a version record: a newer store is refused, an older one is migrated.
 */

export { StoreError, type StoreErrorCode } from './error.ts';
export { type StoreEvents, storeEvents } from './events.ts';
export { ExpiringTable, type ExpiringTableOptions } from './expiring-table.ts';
export { decodeFrame, encodeFrame, frameOverhead, payloadOf, payloadOffset, sealFrame } from './frame.ts';
export { lockProcess, type ProcessLock } from './lock.ts';
export { PageFile } from './page-file.ts';
export { type ScannedFrame, scanFrames } from './page-scan.ts';
export { type PageProblem, type TreeRecord, walkTrees } from './page-walk.ts';
export {
  type Migration,
  Store,
  type StoreHealth,
  type StoreOptions,
  storeFile,
  syncFolder,
} from './store.ts';
export type { Operation } from './table.ts';
export { keyAfter, prefixEnd, type Row, type Table, type TableName } from './table.ts';
