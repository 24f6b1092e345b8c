import type { Recipient, Reply, ReversePath } from '../mail/index.ts';
import type { OutgoingMessage, SendResult } from './message.ts';
import type { Capabilities } from './stub.ts';

/** What is known of the TLS under a session. */
export interface ClientTls {
  /** `TLSv1.3`. */
  readonly version: string;
  /** The name that the IETF gives it, `TLS_AES_256_GCM_SHA384`. */
  readonly cipher: string;
  /** The certificate chains to a trusted root and names the server, whether or not that was asked for. */
  readonly authorized: boolean;
}

/** A session with one server, after its EHLO. One transaction at a time. */
export interface ClientSession extends AsyncDisposable {
  readonly capabilities: Capabilities;
  readonly tls: ClientTls | undefined;
  readonly greeting: Reply;
  /** Another transaction may begin: idle, in step, not closing, MAILMAX not reached (RFC 9422). */
  readonly isUsable: boolean;
  /** Transactions begun on this session. */
  readonly messagesSent: number;
  /** One transaction. Never rejects: what went wrong is the `ending`. */
  send(message: OutgoingMessage, signal: AbortSignal): Promise<SendResult>;
  /**
   * A callout: MAIL, RCPT, RSET and no content. Resolves with the reply to RCPT, or to MAIL when that was
   * refused. Rejects with a `ClientError` when no reply came.
   */
  verify(reversePath: ReversePath, recipient: Recipient): Promise<Reply>;
  /** Says QUIT, waits shortly for the reply and closes. Never rejects. */
  quit(): Promise<void>;
  /** Closes at once, in whatever state. */
  close(): void;
}
