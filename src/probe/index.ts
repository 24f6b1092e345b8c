/**
 * The open-relay battery, and the attack that tries it on a server. The battery is every known form by which a relay
 * may be made to carry mail of strangers to strangers, as data (`senders`, `helos`, `recipients`, `sessionForms`), and
 * a bounded set of cases made of them; the attack tries them one by one.
 *
 * A reply proves little: a server that accepts `u%there@here` may well have a user of that name, and one that closes
 * the connection has refused nothing. So each case ends in one of nine verdicts with its dialogue as evidence, and a
 * target is called open only because of mail that arrived: each message carries a token in its recipient and in a
 * header field, an HMAC over target, case and time that nobody else can make.
 *
 * Invariants: the octets sent are exactly those of the form, NUL and 8-bit octets included, so the probe has a
 * dialogue of its own; no answer of a server makes it throw, wait for ever or use memory without bound; one connection
 * at a time; a foreign host is tested only with somebody's permission, and once in a day.
 *
 * On failure: a connection that is lost is a verdict (`disconnected`), never an error, and never `closed`.
 *
 * RFC 2505 (what relays must not do), RFC 5321, RFC 6471 §3.6 (manners of testers).
 */
export { type AttackOptions, type AttackResult, attack } from './attack.ts';
export type { Sending } from './attempt.ts';
export { type Form, fill, helos, type Names, type Origin, recipients, senders } from './battery.ts';
export {
  abuseNetPairs,
  type Case,
  classicCases,
  mapsPairs,
  nmapPairs,
  unionCases,
} from './cases.ts';
export { Dialogue, type DialogueOptions, type Heard } from './dialogue.ts';
export {
  noteOptOut,
  noteTest,
  type Permission,
  type ProbeRecord,
  permission,
  readRecord,
} from './manners.ts';
export { type MarkedMessage, markedMessage } from './message.ts';
export { type SessionForm, sessionForms } from './session-forms.ts';
export { findTokens, formatToken, type Token, tokenField } from './token.ts';
export { type Outcome, type Overall, overall, type Verdict } from './verdict.ts';
