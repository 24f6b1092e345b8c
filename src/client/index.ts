/**
 * The client side of SMTP and LMTP: one session with one server, over TCP, a unix socket or TLS. Delivery,
 * the probe, `send` and recipient callouts stand on it.
 *
 * `openClient` dials, reads the greeting, says EHLO (HELO to a server that knows no better), goes through
 * STARTTLS and AUTH as asked, and gives a session; each `send` on it is one transaction. With PIPELINING the
 * envelope goes out in one write (RFC 2920), with CHUNKING the content of a small message in the same one; with DATA
 * the envelope of the next message may go out behind the content of the one before.
 *
 * Invariants: nothing is pipelined, and no extension used, that was not offered; a message that a
 * server cannot take is refused before anything is sent (`checkCapabilities`); replies are counted and matched, and a
 * server that speaks out of turn ends the session; credentials never go out in clear; no fact from before
 * TLS counts after it; memory per session is bounded for any replies.
 *
 * On failure: `openClient` and `verify` reject with a `ClientError`, nothing else; `send` never rejects, its
 * result has a reply for every recipient and an `ending` that tells a loss before the end of data (nothing
 * was delivered) from one after it (in doubt).
 *
 * RFC 5321, 1870 (SIZE), 2033 (LMTP), 2920 (PIPELINING), 3030 (CHUNKING, BINARYMIME), 3207 (STARTTLS),
 * 3461 (DSN), 4954 (AUTH), 7628 (OAUTHBEARER), 6152 (8BITMIME), 6531 (SMTPUTF8), 9422 (LIMITS).
 */
export type { CalloutAnswer } from './callout.ts';
export { ClientError, type ClientErrorCode, type ClientPhase } from './client-error.ts';
export type { OutgoingMessage, OutgoingOctets, SendEnding, SendResult, Unmet } from './message.ts';
export { openClient } from './open.ts';
export {
  type ClientCredentials,
  type ClientOptions,
  type ClientTimeouts,
  defaultTimeouts,
} from './options.ts';
export { checkCapabilities } from './requirements.ts';
export type { ClientSession, ClientTls } from './session.ts';
