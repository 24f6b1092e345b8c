/** Options of the SMTP server: limits, settings of sessions, and listeners. */
import type { SecureContext } from 'node:tls';
import type { Background, Clock, IpSet, Log } from '../base/index.ts';
import type { Domain } from '../mail/index.ts';
import type { Authenticator, Intake, ListenerRole, Policy } from './ask.ts';
import type { ReceiverEvents } from './events.ts';
import type { Lenience } from './lenience.ts';
import type { Screening } from './screening.ts';

/** Limits of one peer and of all together. Beyond each limit there is one reply, named here. */
export interface ReceiverLimits {
  /** Octets of one message: 552 5.3.4 at MAIL when announced, else after the end of data. */
  readonly messageBytes: number;
  /** Recipients of one transaction: 452 4.5.3. */
  readonly recipients: number;
  /** Sessions at once on all listeners: 421 4.3.2. */
  readonly sessions: number;
  /** Sessions at once from one address, or one /64 of IPv6: 421 4.7.0. */
  readonly sessionsPerClient: number;
  /** Transactions of one session: 421 4.7.0. Announced as MAILMAX (RFC 9422). */
  readonly transactions: number;
  /** Commands answered with 5yz in one session: 421 4.7.0. */
  readonly commandErrors: number;
  /** Recipients answered with 4yz since the last message of a session was taken: 421 4.7.0. */
  readonly deferredRecipients: number;
  /** Commands in a row that carry no mail forward (NOOP, RSET, VRFY, …): 421 4.7.0. */
  readonly idleCommands: number;
  /** Received fields of a message: 554 5.4.6. */
  readonly hops: number;
  /** Without an octet from the peer: 421 4.4.2. RFC 5321 §4.5.3.2.7 asks for at least five minutes. */
  readonly idleMs: number;
  /** For the header of the PROXY protocol and the TLS handshake. */
  readonly openingMs: number;
  /** For the octets of one message, from DATA to its end, however they come: 421 4.4.2. */
  readonly contentMs: number;
}

/** These are also the defaults of the configuration. */
export const defaultLimits: ReceiverLimits = {
  messageBytes: 50_000_000,
  recipients: 1000,
  sessions: 2000,
  sessionsPerClient: 500,
  transactions: 10_000,
  commandErrors: 50,
  deferredRecipients: 1000,
  idleCommands: 100,
  hops: 50,
  idleMs: 300_000,
  openingMs: 10_000,
  contentMs: 3_600_000,
};

/**
 * The settings of sessions. A reload makes new ones: the permissions (policy, authenticator, proxies) count for all
 * sessions from their next MAIL on, the rest for new ones.
 */
export interface ReceiverSettings {
  /** Our own name, in greetings and Received fields. */
  readonly hostname: string;
  /** The domain that `<Postmaster>` is taken to be in. */
  readonly postmasterDomain: Domain;
  readonly limits: ReceiverLimits;
  readonly policy: Policy;
  /** The checks that mail passes; without it there are none. */
  readonly screening?: Screening;
  /** Identifies users; without it there is no AUTH. */
  readonly authenticator?: Authenticator;
  /** Peers whose XCLIENT is believed. */
  readonly xclientFrom: IpSet;
  /** Keys and certificates; without it there is no STARTTLS. */
  readonly secureContext?: SecureContext;
  /**
   * Whether clients are asked for a certificate: `listed` ones are known by fingerprint, `trusted` are those
   * that the authorities of `secureContext` have signed, too.
   */
  readonly clientCertificates?: 'listed' | 'trusted';
  /** The authorities that trusted certificates were verified by, as one text: with others they prove nothing. */
  readonly clientAuthorities?: string;
  /** Finds the confirmed name of an address; `undefined` if there is no resolver. Never rejects. */
  readonly clientName?: (address: string) => Promise<string | undefined> | undefined;
}

/** One address to listen on. */
export interface ListenerOptions {
  readonly name: string;
  readonly role: ListenerRole;
  readonly host: string;
  readonly port: number;
  readonly tls: 'none' | 'starttls' | 'implicit';
  /** Whether clients may log in here. */
  readonly offersAuth?: boolean;
  /** Peers that begin with a PROXY header; from any other one it is no command. */
  readonly proxyProtocolFrom: IpSet;
}

/** State that all sessions share for the life of the process. */
export interface ReceiverParts {
  readonly intake: Intake;
  /** Where the mail of traps goes; without it they take none. */
  readonly trap?: Intake;
  readonly clock: Clock;
  readonly log: Log<ReceiverEvents>;
  readonly background: Background;
  /** Remembers the clients whose odd commands were logged; without it each session logs once. */
  readonly lenience?: Lenience;
}

/**
 * The address of the stranger that a connection from this machine plays, for the time of an audit. Asked when a
 * connection begins. The implementation makes sure that it never lends trust.
 */
export type Disguise = (peer: {
  readonly address: string;
  readonly port: number;
  readonly session: string;
}) => { readonly address: string } | undefined;
