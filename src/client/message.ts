/** A message as the client sends it, and the result of a transaction. */
import type { Body, ContentFacts, Recipient, Reply, ReversePath } from '../mail/index.ts';
import type { ClientError } from './client-error.ts';

/** The octets of a message as the client takes them. `StoredOctets` of the spool is one. */
export interface OutgoingOctets {
  readonly size: number;
  /** All of them when the message is small: it then goes out in as few writes as can be. */
  readonly whole: Buffer | undefined;
  /** All of them in order, in pieces (64 KiB is a good size). Asked for only when there is no `whole`. */
  chunks(): AsyncIterable<Buffer>;
}

/** One message for one transaction. */
export interface OutgoingMessage {
  readonly reversePath: ReversePath;
  /** At least one. */
  readonly recipients: readonly Recipient[];
  /** The facts of `octets`. They are trusted: lines were made canonical at ingress. */
  readonly content: ContentFacts;
  /** Header lines to go before the octets, each ending in CRLF (Received, Delivered-To). */
  readonly prefix?: Buffer;
  readonly octets: OutgoingOctets;
  readonly body: Body;
  /** The message needs SMTPUTF8, for its header or its addresses (RFC 6531). */
  readonly smtputf8: boolean;
  readonly ret?: 'full' | 'hdrs';
  /** Decoded. */
  readonly envid?: string;
}

/** The result of one transaction. */
export interface SendResult {
  /** The reply to MAIL, or the one made up when none came. */
  readonly mail: Reply;
  /**
   * The final reply for each recipient, in the order of the message: the refusal of its RCPT, else the reply
   * to MAIL, DATA or the end of data that decided. Replies that never came are 451 4.4.2.
   */
  readonly recipients: readonly Reply[];
  /** The reply to the end of data, or to DATA when that was refused; absent when it did not come so far. */
  readonly end: Reply | undefined;
  /** How many of them are 2yz. */
  readonly accepted: number;
  /** The server took over the duty to notify: NOTIFY and ORCPT were passed on (RFC 3461). */
  readonly dsnOffered: boolean;
  readonly ending: SendEnding;
  /** Milliseconds since 1970, when MAIL was sent. */
  readonly startedAt: number;
  /** The envelope of another message went out behind the content: the session is that of the other transaction. */
  readonly isFollowed?: boolean;
}

/** The end of a transaction, and its consequence for the session. */
export type SendEnding =
  /** Every reply came. The session may be used again unless `isUsable` is false. */
  | { readonly kind: 'complete' }
  /** The server answered 421 to something: it is closing, and the session with it. */
  | { readonly kind: 'closing'; readonly reply: Reply }
  /** Nothing was sent: this server cannot be given this message. The session is as it was. */
  | { readonly kind: 'unsendable'; readonly unmet: Unmet }
  /**
   * It broke off before the message was complete at the server: nothing was delivered. With phase `idle` or
   * `mail` and code `closed` a kept session had only grown too old: dial again at once.
   */
  | { readonly kind: 'lost'; readonly error: ClientError }
  /**
   * It broke off after the last octet of the message and before the reply: the server may have taken it, and
   * another try may make a duplicate (RFC 1047). Phase `mail` on a kept session makes that most unlikely:
   * with CHUNKING the content goes out together with MAIL, and no reply came to either.
   */
  | { readonly kind: 'in-doubt'; readonly error: ClientError };

/** An extension that a message needs and a server does not offer. `reply` is the permanent refusal for it. */
export interface Unmet {
  readonly needs: '8bitmime' | 'smtputf8' | 'binarymime' | 'size';
  readonly reply: Reply;
}
