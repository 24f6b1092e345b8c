/**
 * Delivery status notifications: who is told what, what it looks like, and reading those of others.
 * Pure: the clock, the ids and the octets of the original are passed in; `readOriginal` waits for the source that it
 * is given, and what works on the octets of a message does so in slices.
 *
 * `dsnFor` decides, `buildDsn` writes, `parseDsn` reads, `shortenDsn` makes one fit for a server that takes little.
 * Invariants: a message with a null reverse-path never gives a DSN; its failures become a notice to the postmaster, and when that fails it ends in the log. What
 * a peer said is bounded and made visible before it is repeated. Names of private next hops are not told.
 * The original comes back whole only with failures, within a limit, and where a part may lawfully hold it;
 * else its header does. A built DSN is made of 7-bit lines, so that every server takes it, and has a boundary that its
 * content has not.
 *
 * On failure: nothing here throws for what mail contains; `readOriginal` rejects when its source does, and
 * the caller then builds the DSN from an empty header rather than none.
 *
 * RFC 3461 (who), RFC 3464 and RFC 6522 (what), RFC 6533 (UTF-8), RFC 3834 (Auto-Submitted).
 */
export { type BuiltDsn, buildDsn, type DsnInput } from './build.ts';
export {
  type DsnAction,
  type DsnDecision,
  type DsnEvent,
  doubleBounceGround,
  dsnFor,
  notificationGround,
  type ReportedRecipient,
} from './decide.ts';
export { maxReturnedBytes } from './options.ts';
export { type Original, type OriginalSource, readOriginal, readStart } from './original.ts';
export { type ParsedDsn, type ParsedRecipient, parseDsn } from './parse.ts';
export { shortenDsn } from './shorten.ts';
