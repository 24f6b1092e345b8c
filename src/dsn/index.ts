/**
 * Delivery status notifications: the decision to send one, its text, and the reading of those of others. Pure: the
 * clock, the ids and the octets of the original are passed in; `readOriginal` waits for its source, and work on the
 * octets of a message is done in slices.
 *
 * `dsnFor` decides, `buildDsn` writes, `parseDsn` reads, `shortenDsn` makes one fit for a server that limits sizes.
 * Invariants: a message with a null reverse-path never causes a DSN; its failures become a notice to the postmaster,
 * and when that fails it ends in the log. A peer's text is bounded and made visible before it is repeated. Names of
 * private next hops are not revealed. The original is enclosed whole only with failures, within a limit, and where a
 * part may lawfully hold it; otherwise its header is. A built DSN is made of 7-bit lines, so that every server accepts
 * it, and has a boundary that does not occur in its content.
 *
 * On failure: no content of mail makes anything here throw; `readOriginal` rejects when its source does, and the
 * caller then builds the DSN from an empty header rather than none.
 *
 * RFC 3461 (the decision), RFC 3464 and RFC 6522 (the format), RFC 6533 (UTF-8), RFC 3834 (Auto-Submitted).
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
