/**
 * The accepted messages that have not ended: their octets, envelopes, statuses of recipients, and for each
 * lane the schedule of its entries. Durable when a promise resolves; memory does not grow with the number of messages.
 *
 * `openSpool` keeps them in LMDB (see `layout.ts` for the tables), with the octets of large messages in
 * files beside it. `openMemorySpool` keeps them in memory, for tests. Both pass the same contract
 * (`contract.ts`).
 *
 * Invariants: a message is there with its envelope, octets and entries, or not at all; a pending recipient
 * is in an entry; an entry that is not held is in the schedule under its lane and due time; a file is named
 * by a record only once it is synced, and removed only after the record is.
 *
 * On failure: a full disk refuses drafts (`full`) before it stops updates, a failing one refuses all writes
 * (`io`) until a probe works, and `health` says so. Damage is found by checksums and, at every start, by
 * comparing the tables with each other (`recover.ts`): derivable records are repaired, the others are held
 * or set aside in `salvage/`, and each finding is logged.
 */
export { type SpoolEvents, spoolEvents } from './events.ts';
export { type LmdbSpoolOptions, openSpool } from './lmdb-spool.ts';
export { type MemorySpoolOptions, openMemorySpool } from './memory-spool.ts';
export type { SpoolProblem } from './offline.ts';
export { defaultFloorBytes } from './options.ts';
export { type SalvageReport, salvageSpool } from './salvage.ts';
export {
  type Change,
  type Draft,
  type LaneEntry,
  type LaneWake,
  type NewLaneEntry,
  recoverLane,
  type Spool,
  SpoolError,
  type SpoolHealth,
  type StoredOctets,
} from './spool.ts';
export { type VerifyReport, verifySpool } from './verify.ts';
export { inTurns, walkInTurns } from './walk.ts';
