/** A client's connection, to be read and written. */
import type { Socket } from 'node:net';
import { type SecureContext, TLSSocket } from 'node:tls';
import type { Clock } from '../base/index.ts';
import type { TlsFacts } from '../identity/index.ts';

/** How long a peer may take to close after we have. */
const lingerMs = 5000;

/** The parts of a connection. */
export interface PopConnectionFacts {
  /** In logs. */
  readonly id: string;
  readonly listener: string;
  /** Canonical: the client's own address, or that given by a listed proxy. */
  readonly address: string;
  readonly port: number;
  readonly idleMs: number;
  readonly loginMs: number;
  readonly openingMs: number;
  readonly secureContext: SecureContext | undefined;
}

/**
 * A client's connection as a stream. It reads only when asked, so nothing is read ahead of the work; writing waits for
 * a slow reader. It is cut off when nothing moves for `idleMs` (RFC 1939 §3: without a reply), and `loginMs` after its
 * begin without a login.
 */
export class PopConnection {
  readonly facts: PopConnectionFacts;
  /** Aborts when the relay ends: running work may end, nothing new begins. */
  readonly draining: AbortSignal;
  /** Aborts when the relay ends or the connection is gone: an answer is no longer needed. */
  readonly gone: AbortSignal;
  /** Milliseconds since 1970. */
  readonly since: number;
  /** The user that logged in. */
  user: string | undefined;
  readonly #raw: Socket;
  readonly #clock: Clock;
  #socket: Socket;
  #cancelDeadline: () => void;

  constructor(facts: PopConnectionFacts, socket: Socket, parts: { clock: Clock; draining: AbortSignal }) {
    this.facts = facts;
    this.draining = parts.draining;
    const gone = new AbortController();
    const leave = () => gone.abort();
    this.gone = gone.signal;
    // Listened to once for each connection, for it lives as long as the relay.
    if (this.draining.aborted) leave();
    else this.draining.addEventListener('abort', leave);
    this.#raw = socket;
    this.#socket = socket;
    this.#clock = parts.clock;
    this.since = parts.clock.now();
    socket.pause();
    socket.setTimeout(facts.idleMs);
    socket.on('timeout', () => socket.destroy());
    this.#cancelDeadline = this.#clock.after(facts.loginMs, () => socket.destroy());
    socket.once('close', () => {
      this.#cancelDeadline();
      this.draining.removeEventListener('abort', leave);
      leave();
    });
  }

  get isSecure(): boolean {
    return this.#socket instanceof TLSSocket;
  }

  /** The result of the handshake; `undefined` without TLS. */
  get tls(): TlsFacts | undefined {
    const socket = this.#socket;
    if (!(socket instanceof TLSSocket)) return undefined;
    const version = socket.getProtocol() ?? 'unknown';
    return {
      version,
      cipher: socket.getCipher().standardName,
      // RFC 9266 §2: before TLS 1.3 the value is not always safe.
      channelBinding: (type) =>
        type === 'tls-exporter' && version === 'TLSv1.3'
          ? socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0))
          : undefined,
    };
  }

  /** Whether `startTls` could work. */
  get canSecure(): boolean {
    return !this.isSecure && this.facts.secureContext !== undefined;
  }

  get isClosed(): boolean {
    return this.#socket.destroyed;
  }

  /** The next octets; undefined when the peer has ended or the connection is gone. One read at a time. */
  read(): Promise<Buffer | undefined> {
    return nextOctets(this.#socket);
  }

  /** Resolves when more may be written, or when the connection is gone, which `read` reports. */
  write(octets: string | Uint8Array): Promise<void> {
    return writeOctets(this.#socket, octets);
  }

  /** A user has logged in: from now on only silence ends the connection. */
  loggedIn(name?: string): void {
    this.user = name;
    this.#cancelDeadline();
  }

  /**
   * The handshake, after the reply to STLS was written. Nothing read before it may be left: the caller ends the
   * connection if more octets followed STLS (CVE-2011-0411). Rejects when the handshake fails.
   */
  async startTls(): Promise<void> {
    const { secureContext, openingMs } = this.facts;
    if (secureContext === undefined || this.isSecure) throw new Error('TLS cannot begin here');
    this.#socket = await secure(this.#raw, { secureContext, clock: this.#clock, withinMs: openingMs });
  }

  /** Calls back once when the connection is gone, also where it is gone already. */
  whenClosed(callback: () => void): void {
    if (this.#raw.destroyed) callback();
    else this.#raw.once('close', callback);
  }

  /** Writes the last line and closes in order; a peer that does not close is cut off. */
  end(lastWord = ''): void {
    if (this.#socket.destroyed || this.#socket.writableEnded) return;
    this.#socket.end(lastWord, 'latin1');
    this.#cancelDeadline();
    this.#cancelDeadline = this.#clock.after(lingerMs, () => this.#raw.destroy());
    this.#socket.removeAllListeners('readable');
    this.#socket.resume();
  }

  destroy(): void {
    this.#socket.destroy();
    this.#raw.destroy();
  }
}

/** The server's side of TLS over a socket that has no other reader. Rejects, and destroys the socket, when it fails. */
export function secure(
  raw: Socket,
  options: { readonly secureContext: SecureContext; readonly clock: Clock; readonly withinMs: number },
): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const { secureContext, clock, withinMs } = options;
    const cancel = clock.after(withinMs, () => raw.destroy(new Error('the TLS handshake took too long')));
    const secured = new TLSSocket(raw, { isServer: true, secureContext });
    const fail = (error: Error) => {
      cancel();
      raw.destroy();
      reject(error);
    };
    const left = () => fail(new Error('the peer left during the TLS handshake'));
    secured.once('error', fail);
    secured.once('close', left);
    raw.once('close', left);
    secured.once('secure', () => {
      cancel();
      raw.off('close', left);
      secured.off('error', fail);
      secured.off('close', left);
      secured.on('error', () => raw.destroy());
      secured.pause();
      resolve(secured);
    });
  });
}

/** The next octets of a socket; undefined at its end, or when it is gone. One read at a time. */
export function nextOctets(socket: Socket): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const events = ['readable', 'end', 'close', 'error'] as const;
    const look = () => {
      const octets: unknown = socket.read();
      const isOver = socket.readableEnded || socket.destroyed;
      if (!Buffer.isBuffer(octets) && !isOver) return;
      for (const event of events) socket.off(event, look);
      resolve(Buffer.isBuffer(octets) ? octets : undefined);
    };
    for (const event of events) socket.on(event, look);
    look();
  });
}

/** Writes; resolves when there is room for more, or when the socket is gone. */
export function writeOctets(socket: Socket, octets: string | Uint8Array): Promise<void> {
  if (socket.destroyed || socket.writableEnded) return Promise.resolve();
  const buffer = typeof octets === 'string' ? Buffer.from(octets, 'latin1') : octets;
  if (socket.write(buffer)) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      socket.off('drain', done);
      socket.off('close', done);
      resolve();
    };
    socket.on('drain', done);
    socket.on('close', done);
  });
}
