/** The part of a session that a verb can use. */
import type { Reply } from '../mail/index.ts';
import type { Extensions } from '../smtp/index.ts';
import type { ClientFacts, Intake } from './ask.ts';
import type { ReceiverParts, ReceiverSettings } from './options.ts';
import type { Kept, Ruling, Screening } from './screening.ts';
import type { SessionFacts, State } from './state.ts';

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
  /** Those in force. */
  readonly settings: ReceiverSettings;
  /** The checks in force; a trap has none. */
  readonly screening: Screening | undefined;
  readonly state: State;
  readonly client: ClientFacts;
  /** The extensions that EHLO offers now, and the parameters that are accepted. */
  readonly extensions: Extensions;
  /** Octets that came and were not looked at: the peer did not wait for the reply. */
  readonly hasBufferedInput: boolean;
  /** TLS is in force on the wire, whoever it belongs to. */
  readonly isSecured: boolean;
  /** XCLIENT was taken from the other end of the wire. */
  readonly hasSpokenFor: boolean;
  readonly mayXclient: boolean;
  /** Transactions so far. */
  readonly transactions: number;
  /** The checks' decision for every message of this session. */
  readonly kept: Kept | undefined;
  /** A session that is closed stays so. */
  enter(state: State): void;
  /** From now on this is known of the client. */
  learn(client: ClientFacts): void;
  /** Takes over what permits under the configuration in force. */
  adopt(): void;
  /**
   * XCLIENT: everything that is known of the client is what the proxy says now, and from here on nothing of the proxy's
   * own connection counts. Gives the reply that turns the client away where its address has too many sessions already.
   */
  impersonate(client: StatedClient): Reply | undefined;
  /** The decision of the checks of this stage for the messages to come. */
  keep(stage: 'connect' | 'hello', ruling: Ruling): void;
  countTransaction(): void;
  countAccepted(): void;
  /** Somebody known by name was granted something. */
  noteGrant(identity: string): void;
}
