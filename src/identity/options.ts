/** Options of users and relay windows, with the defaults. */

/** Options of windows: how long they last, and at which addresses they open. */
export interface WindowOptions {
  /** From a login on. */
  readonly windowMs: number;
  /** From the first login on, however often it is renewed. */
  readonly maxLifeMs: number;
  /** With more names than this at one address each has to log in; absent: any number. */
  readonly identitiesPerAddress?: number;
  /** The prefix length of an IPv6 window. */
  readonly ipv6Prefix: 64 | 128;
  /** Whether 100.64.0.0/10 counts, where a provider puts many customers behind one address. */
  readonly allowSharedRange: boolean;
  /** Whether this machine itself counts: for tests. */
  readonly allowLoopback: boolean;
}

/** The defaults of the configuration. */
export const defaultWindows: WindowOptions = {
  windowMs: 20 * 60_000,
  maxLifeMs: 12 * 3_600_000,
  ipv6Prefix: 128,
  allowSharedRange: false,
  allowLoopback: false,
};

/** Where a Dovecot listens for clients of its authentication. */
export type DovecotPlace = { readonly path: string } | { readonly host: string; readonly port: number };

export interface DovecotOptions {
  readonly place: DovecotPlace;
  /** The domain that completes names without one; absent: such a name sends with any address. */
  readonly domain?: string | undefined;
  /** For the handshake and for each answer. Dovecot itself waits two seconds before it refuses. */
  readonly timeoutMs: number;
}

/** For one answer of Dovecot. */
export const defaultDovecotTimeoutMs = 15_000;

/** The way access tokens are verified: by their signature, or by asking the issuer. */
export interface OAuthOptions {
  readonly issuer: string;
  readonly audience?: string | undefined;
  /** Keys of the issuer (RFC 7517). */
  readonly jwks?: string | undefined;
  /** RFC 7662; instead of keys. */
  readonly introspection?:
    | { readonly url: string; readonly clientId: string; readonly clientSecret: string }
    | undefined;
  /** The claim that names the user. */
  readonly claim: string;
  /** A scope that the token must have. */
  readonly scope?: string | undefined;
  /** How far the clock of the issuer may be from ours. */
  readonly clockSkewMs: number;
  /** For one answer of the issuer. */
  readonly timeoutMs: number;
}

export const defaultOAuth = { claim: 'email', clockSkewMs: 60_000, timeoutMs: 5000 } as const;
