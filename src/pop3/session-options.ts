/** The options and limits of a POP3 session. */
import type { Clock, Log } from '../base/index.ts';
import type { Identities, TlsFacts } from '../identity/index.ts';
import type { Pop3Events } from './events.ts';
import type { Mailboxes } from './mailbox.ts';

/** The limits of one session; the last command is answered with `-ERR`, and the connection ends. */
export interface PopSessionLimits {
  /** Commands before a login, and in all. */
  readonly loginCommands: number;
  readonly commands: number;
  /** Commands that were refused. */
  readonly errors: number;
  readonly failedLogins: number;
  /**
   * The time from a reply to the end of the next command, with or without octets in between. RFC 1939 §3: ten minutes
   * at least.
   */
  readonly idleMs: number;
  /** For one reply, however slowly the client reads. */
  readonly replyMs: number;
}

export const defaultPopSessionLimits: PopSessionLimits = {
  loginCommands: 50,
  commands: 500_000,
  errors: 50,
  failedLogins: 5,
  idleMs: 600_000,
  replyMs: 3_600_000,
};

/** A successful login, and its credential. */
export interface MailboxLogin {
  readonly address: string;
  readonly name: string;
  readonly credential?: string;
}

/** The parts that the embedded server needs. */
export interface PopServerOptions {
  /** The present ones: read anew each time. */
  readonly identities: Pick<Identities, 'mechanisms' | 'begin' | 'verifyPassword' | 'renew'>;
  /** One for all listeners: it has the locks. */
  readonly mailboxes: Mailboxes;
  /** The Maildir of a login; `undefined` when it has none here. */
  readonly mailboxOf: (login: string) => string | undefined;
  /** Passwords without TLS, from loopback and from nowhere else. */
  readonly allowPlaintext: boolean;
  readonly limits: PopSessionLimits;
  /** A user has logged in and has the mailbox. The client gets its reply once this has settled. */
  readonly onLogin: (login: MailboxLogin) => void | Promise<void>;
  readonly clock: Clock;
  readonly log: Log<Pop3Events>;
}

/** The connection of a session, as small as it can be faked. `PopConnection` is one. */
export interface PopWire {
  readonly facts: {
    readonly id: string;
    readonly listener: string;
    /** Canonical. */
    readonly address: string;
    readonly port: number;
  };
  /** Aborts when the relay ends. */
  readonly draining: AbortSignal;
  /** Aborts when the relay ends or the connection is gone. */
  readonly gone: AbortSignal;
  readonly tls: TlsFacts | undefined;
  /** Whether `startTls` could work. */
  readonly canSecure: boolean;
  readonly isClosed: boolean;
  /** The next octets; undefined at the end, or when the connection is gone. */
  read(): Promise<Buffer | undefined>;
  /** Resolves when there is room for more, or when the connection is gone. */
  write(octets: string | Uint8Array): Promise<void>;
  loggedIn(name?: string): void;
  /** Rejects when the handshake fails. */
  startTls(): Promise<void>;
  /** Writes the last line and closes in order. */
  end(lastWord?: string): void;
  destroy(): void;
}
