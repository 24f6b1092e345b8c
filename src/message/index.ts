/**
 * A message on its way through the relay: the header is gathered and parsed once, edits are made once, and the rest
 * passes untouched.
 *
 * `Incoming` takes the content in slices and writes trace, header and body to a sink. `Header` is read by the checks
 * (hops, Message-ID, From), `Edit` is a change by one of them: a field by name and number as milters count them, or
 * the body.
 *
 * Invariants: our trace field is a field of its own, whatever the first octets of the content are. The result does not
 * depend on where the content is cut. Withheld octets are bounded, for each message and for all together; a longer
 * message passes, with the edits of its header and without those of its end. Without edits not an octet changes.
 *
 * On failure: the sink remembers a failed write; an edit that makes no valid field is a bug and throws.
 *
 * RFC 5322 (fields and body), RFC 5321 §4.4 and §6.3 (trace, hops).
 */
export { type BodyEdit, type Edit, type FieldEdit, formatField } from './edit.ts';
export { Header } from './header.ts';
export { type HeaderDecision, Incoming, type IncomingOptions, type Sink } from './incoming.ts';
export { maxWithheldOctets, maxWithheldTogether, Room } from './room.ts';
