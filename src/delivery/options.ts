import type { ClientTimeouts } from '../client/index.ts';

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
  /** For the user in `via`. Credentials travel over TLS only. */
  readonly password?: string;
  /** Default `opportunistic`; `required` for a host with a user. `smtps` is TLS from the start. */
  readonly tls?: 'none' | 'opportunistic' | 'required';
  /** Whether the certificate must be valid for the host name, which requires TLS; default: only with a user. */
  readonly verify?: boolean;
  /** Trusted roots in PEM, instead of those of Node. */
  readonly ca?: string;
  /** The source address of connections. */
  readonly source?: string;
  /** Address families to use; default `any`. */
  readonly addresses?: 'ipv4' | 'ipv6' | 'any';
}

/** Limits of remote delivery. Each has a default, see `defaultLimits`. */
export interface DeliveryLimits {
  /** Addresses tried per attempt. */
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
  /** How long a host that could not be reached is tried last. */
  readonly avoidMs: number;
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
  conversionBytes: 32_000_000,
};

/** What may change by reload. */
export interface DeliveryOptions {
  /** What we say in EHLO; also one of our names in an MX list. */
  readonly hostname: string;
  /** Further names under which we stand in MX lists. */
  readonly ownNames?: readonly string[];
  /** Addresses on which we take mail on the MX port, for the same test; default: of all interfaces. */
  readonly ownAddresses?: readonly string[];
  readonly domains?: readonly DeliveryDomain[];
  readonly routes?: readonly DeliveryRoute[];
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
  /** How long each phase of a session may take. */
  readonly timeouts?: Partial<ClientTimeouts>;
}
