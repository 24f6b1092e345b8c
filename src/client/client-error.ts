/** The error that every failure of the client becomes. */
import type { Reply } from '../mail/index.ts';

/** Where in the dialogue something went wrong. */
export type ClientPhase =
  | 'connect'
  | 'greeting'
  | 'ehlo'
  | 'starttls'
  | 'tls'
  | 'auth'
  | 'mail'
  | 'rcpt'
  | 'data'
  | 'content'
  | 'end-of-data'
  | 'idle'
  | 'quit';

/**
 * - `refused`: nobody listens there.
 * - `unreachable`: no route, a bad local address, no such socket.
 * - `timeout`: the phase took too long.
 * - `closed`: the server closed or reset the connection; `reply` is a 421 that came with it.
 * - `protocol`: the server spoke out of turn or not SMTP at all.
 * - `tls`: the TLS handshake failed.
 * - `certificate`: the handshake was refused by us because the certificate is not what `verify` asks.
 * - `tls-unavailable`: TLS is required and STARTTLS is not offered.
 * - `auth-unavailable`: there are credentials, but no TLS, or no mechanism that we speak.
 * - `rejected`: the server said no; `reply` is what it said.
 * - `aborted`: the signal fired.
 * - `content`: our own message could not be read to its end, or is not as long as it was said to be.
 * - `internal`: a fault of ours: something threw, or a command would have held a control character.
 * - `busy`: a transaction is under way on this session.
 */
export type ClientErrorCode =
  | 'refused'
  | 'unreachable'
  | 'timeout'
  | 'closed'
  | 'protocol'
  | 'tls'
  | 'certificate'
  | 'tls-unavailable'
  | 'auth-unavailable'
  | 'rejected'
  | 'aborted'
  | 'content'
  | 'internal'
  | 'busy';

/** The only class of errors this folder lets out. */
export class ClientError extends Error {
  readonly code: ClientErrorCode;
  readonly phase: ClientPhase;
  /** The reply that caused it. Its text is the peer's: escape it before it is shown. */
  readonly reply: Reply | undefined;
  /** STARTTLS had been sent: the same server may be usable in clear. */
  readonly isOfTls: boolean;

  constructor(
    code: ClientErrorCode,
    phase: ClientPhase,
    message: string,
    options?: { readonly reply?: Reply | undefined; readonly cause?: unknown; readonly isOfTls?: boolean },
  ) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'ClientError';
    this.code = code;
    this.phase = phase;
    this.reply = options?.reply;
    this.isOfTls = options?.isOfTls ?? false;
  }
}

/** The error for something that should not have been thrown. */
export function faultOf(cause: unknown, phase: ClientPhase): ClientError {
  return new ClientError('internal', phase, `a fault of this relay: ${String(cause)}`, { cause });
}
