/**
 * A session as its verbs see it: the state of the dialogue, its facts, its wire, and the changes that a verb may make.
 */
import type { Reply } from '../mail/index.ts';
import type { Extensions } from '../smtp/index.ts';
import type { ClientFacts, Intake, Later, SaslExchange, TlsFacts } from './ask.ts';
import type { Content } from './content.ts';
import type { ListenerOptions, ReceiverParts, ReceiverSettings } from './options.ts';
import type { Disposition, Ruling, Screening } from './screening.ts';
import type { Hello, Transaction } from './transaction.ts';

/** The wire of a session, as small as it can be faked. Everything takes effect in the order of the calls. */
export interface Wire {
  write(text: string): void;
  /** Stops and begins again the calls of `receive`. */
  pause(): void;
  resume(): void;
  /** Sends the written octets, then closes; `isAgreed` when the peer asked for it and sends no more. */
  end(options?: { readonly isAgreed: boolean }): void;
  /** Counts the connection for a client at this address from now on, or says why it may not go on. */
  admitAs?(address: string): Reply | undefined;
  /** Begins the handshake; `secured` is called when it has succeeded. */
  startTls(): void;
}

/** Where the dialogue stands. There is no place for a reverse-path before MAIL. */
export type State =
  | { readonly at: 'greeted' }
  | { readonly at: 'identified'; readonly hello: Hello }
  | { readonly at: 'transaction'; readonly hello: Hello; readonly transaction: Transaction }
  /** Challenges and responses of AUTH. */
  | { readonly at: 'auth'; readonly hello: Hello; readonly exchange: SaslExchange }
  /** The octets after DATA are arriving, or those of a BDAT chunk. */
  | {
      readonly at: 'content';
      readonly hello: Hello;
      readonly transaction: Transaction;
      readonly content: Content;
      readonly by: 'data' | 'bdat' | 'last-bdat';
    }
  /** Between two BDAT chunks. */
  | {
      readonly at: 'chunks';
      readonly hello: Hello;
      readonly transaction: Transaction;
      readonly content: Content;
    }
  /** Swallowing a BDAT chunk that was refused; then `reply` and `next`. */
  | { readonly at: 'discard'; readonly left: number; readonly reply: Reply; readonly next: State }
  | { readonly at: 'closed' };

/** The facts of a session that stay for its life. */
export interface SessionFacts {
  readonly id: string;
  readonly listener: ListenerOptions;
  readonly settings: ReceiverSettings;
  /** The settings in force now; absent where they never change. */
  readonly current?: () => ReceiverSettings;
  readonly address: string;
  readonly port: number;
  /** Our own address on this connection; the system is asked, so only where it matters. */
  readonly localAddress?: () => string | undefined;
  /** Whether the PROXY protocol named the client. */
  readonly isVouchedFor?: boolean;
  /** Whether the client's TLS ended at the proxy: that of this connection is the proxy's. */
  readonly hasProxyTls?: boolean;
  readonly tls?: TlsFacts | undefined;
}

/** The result of a command: a reply, a reply that ends or secures the session, or none until a later event. */
export type Outcome = Reply | { readonly reply: Reply; readonly next: 'close' | 'tls' } | undefined;

/** An outcome now or later. */
export type Step = Outcome | Promise<Outcome>;

/** A proxy's statement about its client (XCLIENT). */
export type StatedClient = Partial<Pick<ClientFacts, 'address' | 'port' | 'name'>>;

export interface Dialogue {
  readonly facts: SessionFacts;
  readonly parts: ReceiverParts;
  readonly intake: Intake;
  /** The settings in force. */
  readonly settings: ReceiverSettings;
  /** The checks in force; a trap has none. */
  readonly screening: Screening | undefined;
  readonly state: State;
  readonly client: ClientFacts;
  /** Whether the policy in force knows the client; this machine is known. */
  readonly isKnown: () => Later<boolean>;
  /** The extensions that EHLO offers now, and the parameters that are accepted. */
  readonly extensions: Extensions;
  /** Octets that came and were not looked at: the peer did not wait for the reply. */
  readonly hasBufferedInput: boolean;
  /** Whether TLS is in force on the wire, of the client or of a proxy. */
  readonly isSecured: boolean;
  /** XCLIENT was taken from the other end of the wire. */
  readonly hasSpokenFor: boolean;
  readonly mayXclient: boolean;
  /** Transactions so far. */
  readonly transactions: number;
  /** The checks' decision for every message of this session. */
  readonly disposition: Disposition | undefined;
  /** A session that is closed stays so. */
  enter(state: State): void;
  /** From now on this is known of the client. */
  learn(client: ClientFacts): void;
  /** Takes over what permits under the configuration in force. */
  adopt(): void;
  /**
   * XCLIENT: from here on all facts of the client are those of the proxy's command, and nothing of the proxy's own
   * connection counts. Returns the reply that turns the client away if its address has too many sessions already.
   */
  impersonate(client: StatedClient): Reply | undefined;
  /** The decision of the checks of this stage for the messages to come. */
  keep(stage: 'connect' | 'hello', ruling: Ruling): void;
  countTransaction(): void;
  countAccepted(): void;
  /** A user was granted something. */
  noteGrant(identity: string): void;
}
