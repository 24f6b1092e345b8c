/** The interfaces that the receiver asks: authenticator, policy, intake. */
import type { Address, Domain, Envelope, Pattern, QueueId, Reply, ReversePath } from '../mail/index.ts';
import type { Room } from '../message/index.ts';

/** The facts of the peer's connection; only `helo` is a claim of the peer. */
export interface ClientFacts {
  /** Canonical address; after PROXY or XCLIENT from a listed peer, the address that it gives. */
  readonly address: string;
  readonly port: number;
  /** The confirmed name of the address, when the lookup has ended and agreed. */
  readonly name?: string | undefined;
  readonly helo: string;
  /** The name of the listener, and its role. */
  readonly listener: string;
  readonly role: ListenerRole;
  /** A listed proxy said that the client is at this address (PROXY protocol, XCLIENT). */
  readonly isVouchedFor: boolean;
  /** The address is that of a proxy which spoke for a client (XCLIENT) and gave no address. */
  readonly isStandIn?: true;
  /** The client's own TLS, never that of a proxy which speaks for it. */
  readonly tls?: TlsFacts | undefined;
  /** The identity that logged in, in this session, under the TLS in force. */
  readonly identity?: Identity | undefined;
}

/**
 * The role of a listener, which decides on its extensions and requirements. `local` is this machine, without a socket.
 */
export type ListenerRole = 'mx' | 'submission' | 'submissions' | 'internal' | 'trap' | 'local';

/** The result of the TLS handshake. */
export interface TlsFacts {
  readonly version: string;
  readonly cipher: string;
  /** The client's certificate. Its possession of the key is proven; its name only when `isTrusted`. */
  readonly certificate?: CertificateFacts;
  /** Octets that only the two ends of this handshake know (RFC 9266, RFC 5929); absent where there are none. */
  readonly channelBinding?: (type: ChannelBindingType) => Buffer | undefined;
}

export type ChannelBindingType = 'tls-exporter' | 'tls-server-end-point';

/** The certificate of a client. */
export interface CertificateFacts {
  /** SHA-256 of the certificate: `sha256:` and 64 hexadecimal digits in lower case. */
  readonly fingerprint: string;
  /** For the log: the subject as one line. */
  readonly subject: string;
  /** The chain ends at one of the client authorities of the configuration, and it is valid today. */
  readonly isTrusted: boolean;
  /** rfc822Name and dNSName of subjectAltName, in lower case. */
  readonly names: readonly string[];
}

/** A user or machine that is known by name. */
export interface Identity {
  /** The name in the list of users, in the token or in the certificate; never merely the typed one. */
  readonly name: string;
  /** How it was shown: the SASL mechanism in upper case. */
  readonly mechanism: string;
  /** The application password that was used. */
  readonly device?: string;
  /** A digest of the credential: it differs once the credential is changed or revoked. Not secret. */
  readonly credential?: string;
  /** The addresses it may use as reverse-path and From: `user@example.org`, `*@example.org`, `*`. Never empty. */
  readonly senders: readonly Pattern[];
}

/** Identifies clients (RFC 4954, RFC 4422). Never throws and never rejects. */
export interface Authenticator {
  /** The mechanisms that this client could use now, in the order in which they are offered. */
  mechanisms(client: ClientFacts): readonly string[];
  /** Begins an exchange. `undefined`: there is no such mechanism, or it cannot be used now. */
  begin(mechanism: string, client: ClientFacts): SaslExchange | undefined;
  /**
   * Whether a user who logged in earlier would be let in today, and with which identity: the same object if nothing
   * has changed. `undefined`: removed, disabled, or with other credentials. Cheap: asked at each MAIL.
   */
  renew(identity: Identity, client: ClientFacts): Identity | undefined | 'unavailable';
  /** Why a mechanism that people may expect is not there. */
  why?(mechanism: string): string | undefined;
}

/** One exchange of challenges and responses. */
export interface SaslExchange {
  /** Whether the client may send an initial response. */
  readonly takesInitial: boolean;
  /**
   * Takes the next response, decoded; `undefined` is the first step without an initial response. It may take its time
   * on purpose when passwords are guessed.
   */
  step(response: Buffer | undefined): Promise<SaslStep>;
  /** The client gave up, or is gone. */
  cancel(): void;
}

/** The server's next reply. A failure of ours is `454 4.7.0`, never a grant and never 5yz. */
export type SaslStep =
  | { readonly kind: 'challenge'; readonly octets: Buffer }
  | { readonly kind: 'success'; readonly identity: Identity }
  | { readonly kind: 'failure'; readonly reply: Reply; readonly because: string };

/** One question to the policy: may this client send to this recipient, and on what ground? */
export interface RelayRequest {
  readonly client: ClientFacts;
  readonly reversePath: ReversePath;
  readonly recipient: Address;
  /** The recipient is the postmaster of this server: it was named without a domain, or by our own name. */
  readonly isPostmaster?: boolean;
}

/** The ground of a grant: exactly one. Without a ground there is no relaying. */
export type Ground =
  | 'recipient'
  | 'network'
  | 'authenticated'
  | 'certificate'
  | 'pop-before-smtp'
  | 'open'
  /** A local user. */
  | 'local'
  /** A listener that keeps everything for study and delivers nothing. */
  | 'trap';

/** The answer for one recipient. `because` is for our log; the reply is for the peer. */
export type Decision =
  | {
      readonly kind: 'grant';
      readonly ground: Ground;
      readonly because: string;
      /** The identity that has the grant, if it is known by name. */
      readonly identity?: string;
      /** The senders that the header may name where a window or a certificate binds it; a login binds by itself. */
      readonly binding?: SenderBinding;
      /** Where it goes: usually the recipient itself, else what its alias stands for. */
      readonly to: readonly Address[];
    }
  | { readonly kind: 'refusal'; readonly reply: Reply; readonly because: string };

export type Grant = Decision & { readonly kind: 'grant' };
export type Refusal = Decision & { readonly kind: 'refusal' };

/** An answer now, or a promise of one. An answer that is known at once should not wait. */
export type Later<T> = T | Promise<T>;

/** A name and the senders that it is for; a login is one, a window or a certificate may be. */
export type SenderBinding = Pick<Identity, 'name' | 'senders'>;

/** Decides about each recipient, at once or, when it has to ask another part, later. */
export interface Policy {
  /** Why this client may not begin a transaction with this reverse-path; `undefined` when it may. */
  refuseSender(request: Omit<RelayRequest, 'recipient'>): Later<Refusal | undefined>;
  decide(request: RelayRequest): Later<Decision>;
  /** Whether the client is in one of the networks that are trusted, and its address is its own. */
  trusts?(client: ClientFacts): boolean;
  /**
   * Whether it is known who the client is: by a login, a certificate, a window, or an address of its own in a trusted
   * network. Without it everybody is a stranger, and so are the clients of an open relay.
   */
  knows?(client: ClientFacts): Later<boolean>;
  /** Whether the domain is ours, so that the case of a local part makes no other mailbox. Without it none is. */
  isOurs?(domain: Domain): boolean;
}

/** A message on its way in. Nothing is kept of it unless `commit` resolves with a 250. */
export interface IncomingMessage {
  readonly id: QueueId;
  /** Takes octets, our trace field first; a promise asks the session to stop reading until it resolves. */
  write(octets: Uint8Array): Promise<void> | undefined;
  /** Makes it durable, held for the reason in `held`, if given. Resolves with the reply to the peer; never rejects. */
  commit(envelope: Envelope, held?: string): Promise<Reply>;
  discard(): void;
}

/** Where accepted messages go. */
export interface Intake {
  /** The room for withheld octets of all messages together; default: that of one message, for each. */
  readonly room?: Room | undefined;
  /** The reply with which mail is refused right now (a full disk, shutting down), or `undefined`. */
  refusal(): Reply | undefined;
  begin(): IncomingMessage;
}
