import type { Cidr, LogFormat } from '../base/index.ts';
import type { ClientTimeouts } from '../client/index.ts';
import type { DeliveryLimits, DeliveryRoute } from '../delivery/index.ts';
import type { DovecotOptions, OAuthOptions, WindowOptions } from '../identity/index.ts';
import type { Address, Domain, Pattern } from '../mail/index.ts';
import type { PopUpstream } from '../pop3/index.ts';
import type { LaneOptions, RetryOptions } from '../queue/index.ts';
import type { ReceiverLimits } from '../receiver/index.ts';
import type { SocketAddress } from './scalar.ts';
import type { guardOf, trapOf } from './schema-guard.ts';

/** One address to listen on. */
export interface ListenerConfig {
  /** Unique among the listeners. */
  readonly name: string;
  readonly role: 'mx' | 'internal' | 'submission' | 'submissions' | 'trap';
  /** A canonical IP address. */
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly tls: 'none' | 'starttls' | 'implicit';
  readonly proxyProtocolFrom: readonly Cidr[];
  /** Clients that may relay through this listener, besides those of `relay.networks`. */
  readonly networks: readonly Cidr[];
  /** The name of an interface of this machine: its networks count as `networks`. */
  readonly interface?: string;
  readonly offersAuth: boolean;
}

/** One address that POP3 clients come to. */
export interface PopListenerConfig {
  readonly name: string;
  /** A canonical IP address. */
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly tls: 'none' | 'stls' | 'implicit';
  /** The server behind a proxy; absent: the Maildirs of this relay. */
  readonly via?: PopUpstream;
  readonly plaintext: 'never' | 'loopback';
  readonly proxyProtocolFrom: readonly Cidr[];
}

/** A front door of the clearinghouse. */
export interface DoorConfig {
  readonly protocol: 'razor' | 'pyzor' | 'dccifd' | 'rspamd-razor' | 'rspamd-pyzor' | 'rspamd-fuzzy' | 'http';
  readonly at: SocketAddress | { readonly path: string };
  readonly allow: readonly Cidr[];
  readonly known: readonly Cidr[];
  readonly limits: {
    readonly connections: number;
    readonly perClient: number;
    /** For everybody; absent for the defaults, by who comes. */
    readonly requestsPerMinute?: number;
  };
  readonly accounts: ReadonlyMap<string, string>;
  readonly publicName?: string;
  readonly token?: string;
  /** Numbers of rspamd's lists. */
  readonly flags: { readonly spam: number; readonly ham: readonly number[] };
  /** The text of a key. */
  readonly secret?: string;
}

/** What is looked at, and what follows. An empty list is about all. */
export interface BulkRule {
  readonly grounds: readonly string[];
  /** Names. */
  readonly listeners: readonly string[];
  /** In lower case. */
  readonly identities: readonly string[];
  /** Distinct recipients; absent for that of the clearinghouse. */
  readonly bulk?: number;
  /** Absent: `bulk` for mail of nobody who is known by name, else `reported`. */
  readonly when?: 'bulk' | 'reported';
  readonly action: 'tag' | 'hold' | 'refuse' | 'defer';
  /** What becomes of a message when the clearinghouse does not answer. */
  readonly unavailable: 'pass' | 'hold' | 'defer';
}

export interface ClearinghouseConfig {
  readonly folder: string;
  /** Octets. */
  readonly memory: number;
  readonly bulk: number;
  readonly shortBulk: number;
  readonly allow: readonly string[];
  /** Which mail of this relay is looked at, and what becomes of bulk: the first that is about a message decides. */
  readonly relay: readonly BulkRule[];
  readonly flood?: FloodConfig;
  readonly doors: readonly DoorConfig[];
}

/** How the clearinghouse exchanges counts with others. */
export interface FloodConfig {
  readonly listen?: SocketAddress;
  /** PEM; they belong together. */
  readonly certificate: string;
  readonly key: string;
  /** 16 octets. */
  readonly networkKey: Uint8Array;
  readonly peers: readonly {
    readonly name: string;
    readonly address?: SocketAddress;
    /** 64 hexadecimal digits in lower case. */
    readonly fingerprint: string;
    readonly trust: number;
  }[];
}

/** A client certificate that may relay. */
export interface CertificateConfig {
  /** `sha256:` and 64 hexadecimal digits in lower case. */
  readonly fingerprint: string;
  readonly name: string;
  readonly senders?: readonly Pattern[];
}

/** The certificate of the listeners; both texts are PEM and belong together. */
export interface TlsConfig {
  readonly cert: string;
  readonly key: string;
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
  readonly sessionTickets: boolean;
}

/** How a domain of ours knows its recipients. */
export type RecipientsConfig =
  | { readonly kind: 'any' }
  | { readonly kind: 'verify' }
  /** Lower-case local parts, or whole addresses. */
  | { readonly kind: 'list'; readonly names: ReadonlySet<string> };

/** One domain of ours. */
export interface DomainConfig {
  readonly name: Domain;
  /** The text that delivery parses. Absent: the routes decide. */
  readonly deliver?: string;
  readonly recipients: RecipientsConfig;
  /** Lower-case local part → addresses, or local parts of the same domain. */
  readonly aliases: ReadonlyMap<string, readonly string[]>;
  readonly catchAll?: Address;
  /** Each character begins a tag; empty turns tags off. */
  readonly tagSeparators: string;
  readonly isBackup: boolean;
  /** `user` or `user:group`, not looked up. */
  readonly owner?: string;
}

/** A configuration with everything in it: defaults filled in, files read, paths absolute. Never changed. */
export interface Config {
  /** Where it was read from; absent for the local profile. */
  readonly file?: string;
  readonly hostname: Domain;
  /** `user` or `user:group`, not looked up. */
  readonly user?: string;
  readonly postmaster: Address;
  readonly data: string;
  readonly listeners: readonly ListenerConfig[];
  readonly xclientFrom: readonly Cidr[];
  readonly tls?: TlsConfig;
  readonly domains: readonly DomainConfig[];
  readonly users?: {
    /** The path of a file of users. */
    readonly file?: string;
    readonly dovecot?: DovecotOptions;
    readonly oauth?: OAuthOptions;
    readonly plaintext: 'never' | 'loopback';
  };
  readonly relay: {
    readonly networks: readonly Cidr[];
    readonly authenticated: boolean;
    readonly certificates: readonly CertificateConfig[];
    /** The certificates of client authorities, PEM. */
    readonly clientAuthorities: readonly string[];
    readonly popBeforeSmtp?: {
      readonly windows: WindowOptions;
      /** Where logins are reported by HTTP, and the token for it. */
      readonly events?: SocketAddress & { readonly token: string };
    };
    readonly open: boolean;
    /** The operator's own words; logged at each start. */
    readonly openAcknowledgement?: string;
  };
  readonly pop3: {
    readonly listeners: readonly PopListenerConfig[];
    readonly connections: number;
    readonly connectionsPerClient: number;
  };
  /** Absent: there is none. */
  readonly clearinghouse?: ClearinghouseConfig;
  readonly routes: readonly DeliveryRoute[];
  readonly dns: {
    /** Absent: those of the system. */
    readonly servers?: readonly SocketAddress[];
    readonly timeoutMs: number;
    readonly refusePrivateMx: boolean;
  };
  readonly queue: { readonly retry: RetryOptions; readonly lanes: LaneOptions };
  readonly delivery: {
    readonly timeouts: ClientTimeouts;
    readonly limits: DeliveryLimits;
    readonly callouts: { readonly connections: number; readonly unknown: readonly string[] };
    readonly mxPort: number;
    readonly ownNames: readonly string[];
    /** Absent: those of the machine. */
    readonly ownAddresses?: readonly string[];
  };
  /** When it is an alarm that mail does not move; all in milliseconds. */
  readonly alarms: {
    readonly routeFailingMs: number;
    readonly stuckMs: number;
    readonly heldMs: number;
    readonly repeatMs: number;
    /** Whether the postmaster is written to. */
    readonly mail: boolean;
  };
  readonly limits: ReceiverLimits;
  readonly spool: { readonly floorBytes: number };
  readonly guard: ReturnType<typeof guardOf>;
  readonly trap: ReturnType<typeof trapOf>;
  readonly capture: { readonly folder: string; readonly maxMessages: number; readonly maxBytes: number };
  readonly notifications: { readonly maxReturnedBytes: number };
  readonly sendmail: { readonly maildrop: string; readonly maxMessageBytes: number };
  readonly logs: { readonly format: LogFormat };
}
