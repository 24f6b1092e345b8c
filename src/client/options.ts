/** Options of a client session: addresses, TLS, credentials and timeouts, with the defaults. */
import type { SecureContext } from 'node:tls';
import type { Clock } from '../base/index.ts';

/**
 * How long each phase may take, in milliseconds. A phase with several replies (a pipelined group) starts
 * anew at each complete reply, never at an octet, so that a slow drip cannot stretch it.
 */
export interface ClientTimeouts {
  readonly connect: number;
  readonly greeting: number;
  readonly ehlo: number;
  /** STARTTLS and its reply, then the TLS handshake, each. */
  readonly starttls: number;
  readonly auth: number;
  readonly mail: number;
  readonly rcpt: number;
  /** From DATA to 354. */
  readonly dataInit: number;
  /** Each piece of content until the network has taken it. */
  readonly dataBlock: number;
  /** From the final dot, or BDAT LAST, to its reply. */
  readonly dataDone: number;
  readonly quit: number;
}

const minute = 60_000;

/** RFC 5321 §4.5.3.2, with a short wait for the reply to QUIT, which no longer matters. */
export const defaultTimeouts: ClientTimeouts = {
  connect: 30_000,
  greeting: 5 * minute,
  ehlo: 5 * minute,
  starttls: 2 * minute,
  auth: 2 * minute,
  mail: 5 * minute,
  rcpt: 5 * minute,
  dataInit: 2 * minute,
  dataBlock: 3 * minute,
  dataDone: 10 * minute,
  quit: 5_000,
};

/** Our credentials for a server: a password for AUTH PLAIN or LOGIN, or a token for OAUTHBEARER or XOAUTH2. */
export type ClientCredentials =
  | { readonly user: string; readonly password: string }
  | {
      readonly user: string;
      /** An access token (RFC 6750). */
      readonly token: string;
      /** `auto` takes an offered one, OAUTHBEARER before XOAUTH2. */
      readonly mechanism: 'auto' | 'xoauth2' | 'oauthbearer';
    };

/** The options of `openClient`. */
export interface ClientOptions {
  /** The IP address to dial (names are looked up by the caller), or the path of a unix socket. */
  readonly host: string | { readonly path: string };
  /** Not used with a unix socket. */
  readonly port: number;
  /** The source address. */
  readonly localAddress?: string;
  /** The name of the next hop: for SNI, the certificate check and messages of errors. */
  readonly serverName: string;
  /** Our name in EHLO, HELO or LHLO. */
  readonly helo: string;
  readonly protocol: 'smtp' | 'lmtp';
  /**
   * `opportunistic` uses STARTTLS when it is offered and goes on in clear when the server declines it, but
   * rejects with `isOfTls` when something goes wrong after it was said: the caller may dial again with `none`
   * (RFC 7435).
   */
  readonly tls: 'none' | 'opportunistic' | 'required' | 'implicit';
  /** `name` requires a certificate that chains to a trusted root and names `serverName`. */
  readonly verify: 'none' | 'name';
  /** Trusted roots in PEM, instead of those of Node. */
  readonly ca?: string | Buffer;
  /**
   * A ready TLS context, shared between connections because making one is dear. It stands in for `ca` and for
   * the floor of TLS 1.2, which the maker has to give it.
   */
  readonly secureContext?: SecureContext;
  /**
   * The certificate has to be one of these, of any issuer: `sha256:` and 64 hexadecimal digits in lower case, over its
   * DER. To be used with TLS that is `required` or `implicit`.
   */
  readonly fingerprints?: readonly string[];
  /** Only ever sent over TLS (RFC 4954). */
  readonly credentials?: ClientCredentials;
  /** EHLO keywords to be ignored, for servers that offer extensions which they do not support. */
  readonly ignoreKeywords?: readonly string[];
  /** Missing members have the values of `defaultTimeouts`. */
  readonly timeouts?: Partial<ClientTimeouts>;
  /** Ends dialling, and later the session, at once. */
  readonly signal: AbortSignal;
  readonly clock?: Clock;
}
