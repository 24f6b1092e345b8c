/** Options of POP3, with the defaults. */
import type { Cidr } from '../base/index.ts';

/** The limits of clients. */
export interface PopLimits {
  readonly connections: number;
  /** From one address, or one /64 of IPv6. */
  readonly connectionsPerClient: number;
  /** For the PROXY header, and for the TLS handshake. */
  readonly openingMs: number;
  /** The time from the begin until the login. */
  readonly loginMs: number;
  /** Without an octet in either direction. RFC 1939 §3: at least ten minutes. */
  readonly idleMs: number;
}

export const defaultPopLimits: PopLimits = {
  connections: 1000,
  connectionsPerClient: 20,
  openingMs: 30_000,
  loginMs: 120_000,
  idleMs: 600_000,
};

/** A POP3 server that a proxy stands before. */
export interface PopUpstream {
  readonly host: string;
  readonly port: number;
  readonly tls: 'none' | 'stls' | 'implicit';
  /** Whether its certificate has to be valid for `host`. */
  readonly verify: boolean;
  /** Authorities besides those of the system, PEM. */
  readonly ca?: string;
  /** Whether to name the client to it by the PROXY protocol, version 2. */
  readonly sendProxy: boolean;
  /** To connect, and for each answer. */
  readonly timeoutMs: number;
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
