/** The SMTP server: its listeners, and the sessions that come in through them. */
import type { Socket } from 'node:net';
import {
  Admission,
  type Listener,
  ListenerSet,
  type PreparedListeners,
  placeKey,
  TcpListener,
} from '../net/index.ts';
import { Connection, type ConnectionFacts, type SessionDescription } from './connection.ts';
import type { Disguise, ListenerOptions, ReceiverParts, ReceiverSettings } from './options.ts';
import { replies } from './replies.ts';

/** An address that is being listened on. */
export interface ListeningAddress {
  readonly name: string;
  readonly role: string;
  /** `127.0.0.1:2525`, `[::1]:2525`. */
  readonly address: string;
  readonly host: string;
  readonly port: number;
}

type Begin = (socket: Socket, options: ListenerOptions) => Connection;

/** One address, with the options of the sessions that begin now. */
class SmtpListener implements Listener<ListenerOptions> {
  readonly #tcp: TcpListener<Connection>;
  readonly #begin: Begin;
  #options: ListenerOptions;

  constructor(tcp: TcpListener<Connection>, options: ListenerOptions, begin: Begin) {
    this.#tcp = tcp;
    this.#options = options;
    this.#begin = begin;
  }

  get address(): ListeningAddress {
    const { name, role, host } = this.#options;
    return { name, role, address: this.#tcp.address, host, port: this.#tcp.port };
  }

  get connections(): ReadonlySet<Connection> {
    return this.#tcp.conversations;
  }

  serve(options: ListenerOptions): void {
    this.#options = options;
    this.#tcp.serve((socket) => this.#begin(socket, options));
  }

  /** Tells idle sessions 421 and lets transactions finish. */
  drain(signal: AbortSignal): Promise<void> {
    for (const connection of this.connections) connection.shutDown();
    return this.#tcp.drain(signal);
  }
}

/**
 * The SMTP server. `settings` may be replaced at any time; sessions take over what permits, and keep the rest of those
 * they began with.
 */
export class Receiver implements AsyncDisposable {
  readonly #parts: ReceiverParts;
  settings: ReceiverSettings;
  /** Set for the time of an audit. */
  disguise: Disguise | undefined;
  readonly #listeners: ListenerSet<ListenerOptions, SmtpListener>;
  /** Of all listeners. */
  readonly #admission = new Admission();
  #serial = 0;
  readonly #epoch: string;

  constructor(parts: ReceiverParts, settings: ReceiverSettings) {
    this.#parts = parts;
    this.settings = settings;
    this.#epoch = Math.floor(parts.clock.now() / 1000).toString(36);
    this.#listeners = new ListenerSet<ListenerOptions, SmtpListener>({
      keyOf: placeKey,
      bind: (options) => this.#bind(options),
      clock: parts.clock,
    });
  }

  get sessionCount(): number {
    let count = 0;
    for (const { connections } of this.#listeners.all()) count += connections.size;
    return count;
  }

  get addresses(): readonly ListeningAddress[] {
    return this.#listeners.open.map(({ address }) => address);
  }

  /**
   * Binds new listeners. They greet nobody before `commit`, which drains those that are gone. Rejects with the
   * system's error (`EADDRINUSE`, `EACCES`, …).
   */
  prepare(wanted: readonly ListenerOptions[]): Promise<PreparedListeners> {
    return this.#listeners.prepare(wanted);
  }

  /** Listens at this address alone. Rejects with the system's error. */
  async listen(options: ListenerOptions): Promise<ListeningAddress> {
    const prepared = await this.prepare([options]);
    prepared.commit();
    const [address] = this.addresses;
    if (address === undefined) throw new Error('the receiver is drained');
    return address;
  }

  async #bind(options: ListenerOptions): Promise<SmtpListener> {
    const { host, port, name: listener } = options;
    const { log } = this.#parts;
    const tcp = await TcpListener.bind<Connection>({
      at: { host, port },
      maxHeld: this.settings.limits.sessions,
      failed: (error) => log.error('listener-failed', { listener, error: error.message }),
    });
    return new SmtpListener(tcp, options, (socket, current) => this.#begin(socket, current));
  }

  #begin(socket: Socket, listener: ListenerOptions): Connection {
    this.#serial++;
    const facts: ConnectionFacts = {
      id: `${this.#epoch}-${this.#serial.toString(36)}`,
      listener,
      settings: this.settings,
      current: () => this.settings,
      admission: this,
      ...(this.disguise && { disguise: this.disguise }),
    };
    const connection = new Connection(facts, this.#parts, socket);
    connection.open();
    return connection;
  }

  /** Counts the session in, or says why not. */
  admit(address: string) {
    const { sessions, sessionsPerClient } = this.settings.limits;
    const entered = this.#admission.enter(address, { all: sessions, perClient: sessionsPerClient });
    if (entered === 'all') return { reply: replies.tooManySessions };
    if (entered === 'client') return { reply: replies.tooManyFromYou };
    return { leave: entered };
  }

  *#connections(): Generator<Connection> {
    for (const { connections } of this.#listeners.all()) yield* connections;
  }

  /** The sessions there are now. */
  *sessions(): Generator<SessionDescription> {
    for (const { description } of this.#connections()) if (description !== undefined) yield description;
  }

  /** Ends the matching sessions, with 421; returns their number. */
  closeSessions(fits: (session: SessionDescription) => boolean): number {
    let count = 0;
    for (const connection of [...this.#connections()]) {
      const { description } = connection;
      if (description === undefined || !fits(description)) continue;
      connection.terminate(replies.ended);
      count++;
    }
    return count;
  }

  /**
   * Takes no more connections, sends idle sessions 421 and lets transactions finish; connections that are left when
   * `signal` aborts are cut off.
   */
  drain(signal: AbortSignal): Promise<void> {
    return this.#listeners.drain(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain(AbortSignal.abort());
  }
}
