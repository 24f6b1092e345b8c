/** Options of delivery: domains, routes and limits, with the defaults. */
import type { ClientTimeouts } from '../client/index.ts';
import type { Address } from '../mail/index.ts';

/** Numbers of a user and a group of this machine. */
export interface MaildirOwner {
  readonly uid: number;
  readonly gid: number;
}

/** One domain of ours, as far as delivery cares. A domain with neither key is routed like any other. */
export interface DeliveryDomain {
  readonly name: string;
  /** `maildir:/var/mail/{local}`, `lmtp://127.0.0.1:24`, `lmtp:/path/socket`, `capture`, `smtp://host:port`. */
  readonly deliver?: string;
  /** We are its backup MX: onwards by MX, to exchangers better than us only. */
  readonly backup?: boolean;
  /** Owner of its Maildirs and their files; default: the process. Another one needs privileges. */
  readonly owner?: MaildirOwner;
}

/** Where access tokens come from (RFC 6749 §4.4, §6). */
export interface OauthOptions {
  /** `https://…`; plain http on loopback only. */
  readonly tokenUrl: string;
  readonly grant: 'client-credentials' | 'refresh-token';
  readonly clientId: string;
  readonly clientSecret?: string;
  /** Read anew at each refresh; a new one that the server hands out is written back. */
  readonly refreshTokenFile?: string;
  readonly scope?: string;
  readonly mechanism: 'auto' | 'xoauth2' | 'oauthbearer';
  /** When the secret or the refresh token ends, as far as that is known beforehand; ms since 1970. */
  readonly expiresAt?: number;
}

/** A static route. The first whose `to` and `from` match is taken. */
export interface DeliveryRoute {
  /**
   * `*`, `example.org`, `*.example.org` (its subdomains, not itself), `user@example.org`; default `*`. Local
   * parts match without regard to case.
   */
  readonly to?: string | readonly string[];
  /** As `to`, for the reverse-path; also `*@example.org` and `<>`. Default: any. */
  readonly from?: string | readonly string[];
  /**
   * Where to: `smtp://[user@]host[:25]`, `smtps://[user@]host[:465]`, `lmtp://host[:24]`, `lmtp:/path`,
   * `maildir:/path/{domain}/{local}`, `capture`, `mx` (the MX of the recipient's domain) or `mx:example.net`.
   * Hosts are looked up by address, never by MX. A list is tried in order; all of it is smtp and smtps.
   */
  readonly via: string | readonly string[];
  /**
   * The identity of the sender of the message, by name, with `*` for any characters. Letter case does not matter. Mail
   * without an identity does not match. Default: any.
   */
  readonly identity?: string | readonly string[];
  /**
   * Hosts (smtp and smtps) that are tried when all of `via`, or all exchangers, failed for the moment. Their
   * users log in as those of `via` do.
   */
  readonly fallback?: string | readonly string[];
  /** `ordered` tries the list in order; `weighted` spreads messages over the hosts that are well. */
  readonly balance?: 'ordered' | 'weighted';
  /** One whole number from 1 for each host of `via`. */
  readonly weights?: readonly number[];
  /** For the users in `via` and `fallback`. Credentials travel over TLS only. */
  readonly password?: string;
  /** The same for single hosts, by name; `password` is for the others. */
  readonly passwords?: Readonly<Record<string, string>>;
  /** Instead of passwords: the users log in with a token. */
  readonly oauth?: OauthOptions;
  /**
   * The credentials are for every sender. Without it a route that goes by sender (`from`, `identity`) and has
   * credentials is taken only by mail of a sender who is bound to them by the ground of its grant.
   */
  readonly anySender?: boolean;
  /** Default `opportunistic`; `required` for a host with a user. `smtps` is TLS from the start. */
  readonly tls?: 'none' | 'opportunistic' | 'required';
  /** Whether the certificate must be valid for the host name, which requires TLS; default: only with a user. */
  readonly verify?: boolean;
  /** Trusted roots in PEM, instead of those of Node. */
  readonly ca?: string;
  /** The only certificates that are taken, `sha256:…`; they need no authority, and no name unless `verify`. */
  readonly fingerprint?: string | readonly string[];
  /** The source address of connections. */
  readonly source?: string;
  /** Address families to use; default `any`. */
  readonly addresses?: 'ipv4' | 'ipv6' | 'any';
}

/** Limits of remote delivery. Each has a default, see `defaultLimits`. */
export interface DeliveryLimits {
  /** Addresses tried per attempt; the next one goes on with the others. */
  readonly addresses: number;
  /** Sessions (past the greeting) per attempt. */
  readonly sessions: number;
  /** Recipients per transaction, unless the server says fewer (RFC 5321 §4.5.3.1.8, RFC 9422). */
  readonly recipients: number;
  /** Idle sessions kept per lane, and in all. */
  readonly idlePerLane: number;
  readonly idleTotal: number;
  /** How long a session is kept without work. */
  readonly idleMs: number;
  /** How long a session is used at all, so that a better host is found again. */
  readonly sessionAgeMs: number;
  readonly messagesPerSession: number;
  /** How long a host that failed is tried last; twice as long each time, up to `avoidMaxMs`. */
  readonly avoidMs: number;
  readonly avoidMaxMs: number;
  /** How long mail goes in clear to a host at which opportunistic TLS broke. */
  readonly tlsRetryMs: number;
  /** Messages above this are not converted for a server without 8BITMIME, but bounced. */
  readonly conversionBytes: number;
}

export const defaultLimits: DeliveryLimits = {
  addresses: 5,
  sessions: 2,
  recipients: 100,
  idlePerLane: 20,
  idleTotal: 500,
  idleMs: 10_000,
  sessionAgeMs: 300_000,
  messagesPerSession: 1000,
  avoidMs: 60_000,
  avoidMaxMs: 1_800_000,
  tlsRetryMs: 3_600_000,
  conversionBytes: 32_000_000,
};

/** The options that a reload may change. */
export interface DeliveryOptions {
  /** Our name in EHLO; also one of our names in an MX list. */
  readonly hostname: string;
  /** Further names under which we stand in MX lists. */
  readonly ownNames?: readonly string[];
  /** Addresses on which we take mail on the MX port, for the same test; default: of all interfaces. */
  readonly ownAddresses?: readonly string[];
  readonly domains?: readonly DeliveryDomain[];
  readonly routes?: readonly DeliveryRoute[];
  /**
   * Whether a missing Maildir may be made for this address: not for a name that stands for others, nor for an unknown
   * recipient. Default: for any.
   */
  readonly hasMailbox?: (address: Address) => boolean;
  /**
   * Mail exchangers found by MX on loopback, private and other special addresses (RFC 6890) are not
   * connected to, so that a stranger's DNS cannot point us at our own network. Default true.
   */
  readonly refusePrivateMx?: boolean;
  /** The port of mail exchangers; default 25. Others are for laboratories. */
  readonly mxPort?: number;
  /** Where `capture` writes; required when a route or domain uses it. */
  readonly capture?: { readonly folder: string; readonly maxMessages?: number; readonly maxBytes?: number };
  readonly limits?: Partial<DeliveryLimits>;
  /** The way destinations are asked about recipients. */
  readonly callouts?: {
    /** Connections to one destination that ask at once; default 4. */
    readonly connections?: number;
    /** The refusals that mean "no such recipient"; default: `noSuchRecipient`. */
    readonly unknown?: readonly string[];
  };
  /** How long each phase of a session may take. */
  readonly timeouts?: Partial<ClientTimeouts>;
}

/** How much a capture inbox keeps. */
export const defaultCapture = { maxMessages: 10_000, maxBytes: 1_000_000_000 } as const;
