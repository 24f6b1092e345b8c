import { createServer, type Server, type Socket } from 'node:net';
import { blockOf } from '../base/index.ts';
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

/** A connection that nobody has been greeted on yet. */
interface Held {
  readonly socket: Socket;
  readonly options: ListenerOptions;
}

/**
 * The SMTP server: listeners and the sessions that come in through them. `settings` may be replaced at any
 * time; sessions take over what permits, and keep the rest of those they began with.
 */
export class Receiver implements AsyncDisposable {
  readonly #parts: ReceiverParts;
  settings: ReceiverSettings;
  /** Set for the time of an audit. */
  disguise: Disguise | undefined;
  readonly #servers: { readonly options: ListenerOptions; readonly server: Server }[] = [];
  readonly #connections = new Set<Connection>();
  readonly #perClient = new Map<string, number>();
  #sessions = 0;
  #serial = 0;
  readonly #epoch: string;
  readonly #whenEmpty: (() => void)[] = [];
  /** Connections that nothing has been said to; `undefined` when none has to wait. */
  #held: Held[] | undefined;

  constructor(parts: ReceiverParts, settings: ReceiverSettings) {
    this.#parts = parts;
    this.settings = settings;
    this.#epoch = Math.floor(parts.clock.now() / 1000).toString(36);
  }

  get sessionCount(): number {
    return this.#connections.size;
  }

  /**
   * From now on connections wait unanswered until the returned function is called: ports below 1024 have to be bound
   * before privileges are given up, and what mail is judged by is opened after that.
   */
  hold(): () => void {
    this.#held = [];
    return () => {
      const held = this.#held ?? [];
      this.#held = undefined;
      for (const { socket, options } of held) if (!socket.destroyed) this.#begin(socket, options);
    };
  }

  /** Binds. Rejects with the system's error (`EADDRINUSE`, `EACCES`, …). */
  async listen(options: ListenerOptions): Promise<ListeningAddress> {
    // A peer that ends its side behind its message still wants to hear what came of it.
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      if (this.#held === undefined) this.#begin(socket, options);
      else this.#keep(socket, options, this.#held);
    });
    this.#servers.push({ options, server });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host: options.host, port: options.port, backlog: 1024 }, () => {
        server.off('error', reject);
        server.on('error', (error) => {
          this.#parts.log.error('listener-failed', { listener: options.name, error: error.message });
        });
        resolve();
      });
    });
    return describe(options, server);
  }

  #begin(socket: Socket, options: ListenerOptions): void {
    this.#serial++;
    const facts: ConnectionFacts = {
      id: `${this.#epoch}-${this.#serial.toString(36)}`,
      listener: options,
      settings: this.settings,
      current: () => this.settings,
      admission: this,
      ...(this.disguise && { disguise: this.disguise }),
    };
    const connection = new Connection(facts, this.#parts, socket);
    this.#connections.add(connection);
    socket.on('close', () => this.#left(connection));
    connection.open();
  }

  #keep(socket: Socket, options: ListenerOptions, held: Held[]): void {
    socket.on('error', () => socket.destroy());
    if (held.length < this.settings.limits.sessions) held.push({ socket, options });
    else socket.destroy();
  }

  /** Counts the session in, or says why not. */
  admit(address: string) {
    const { limits } = this.settings;
    if (this.#sessions >= limits.sessions) return { reply: replies.tooManySessions };
    const block = blockOf(address);
    const mine = this.#perClient.get(block) ?? 0;
    if (mine >= limits.sessionsPerClient) return { reply: replies.tooManyFromYou };
    this.#sessions++;
    this.#perClient.set(block, mine + 1);
    const leave = () => {
      this.#sessions--;
      const left = (this.#perClient.get(block) ?? 1) - 1;
      if (left <= 0) this.#perClient.delete(block);
      else this.#perClient.set(block, left);
    };
    return { leave };
  }

  /** The sessions there are now. */
  *sessions(): Generator<SessionDescription> {
    for (const { description } of this.#connections) if (description !== undefined) yield description;
  }

  /** Ends those that fit, with 421; how many they were. */
  closeSessions(fits: (session: SessionDescription) => boolean): number {
    let count = 0;
    for (const connection of [...this.#connections]) {
      const { description } = connection;
      if (description === undefined || !fits(description)) continue;
      connection.terminate(replies.ended);
      count++;
    }
    return count;
  }

  /**
   * Takes no more connections, tells idle sessions 421 and lets transactions finish; what is left when
   * `signal` aborts is cut off.
   */
  async drain(signal: AbortSignal): Promise<void> {
    for (const { server } of this.#servers) server.close();
    for (const { socket } of this.#held?.splice(0) ?? []) socket.destroy();
    for (const connection of this.#connections) connection.shutDown();
    if (this.#connections.size === 0) return;
    const cut = () => {
      for (const connection of this.#connections) connection.destroy();
    };
    const empty = new Promise<void>((resolve) => {
      this.#whenEmpty.push(resolve);
    });
    signal.addEventListener('abort', cut);
    if (signal.aborted) cut();
    await empty;
    signal.removeEventListener('abort', cut);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain(AbortSignal.abort());
  }

  #left(connection: Connection): void {
    this.#connections.delete(connection);
    if (this.#connections.size > 0) return;
    for (const tell of this.#whenEmpty.splice(0)) tell();
  }
}

function describe(options: ListenerOptions, server: Server): ListeningAddress {
  const bound = server.address();
  const host = typeof bound === 'object' && bound !== null ? bound.address : options.host;
  const port = typeof bound === 'object' && bound !== null ? bound.port : options.port;
  const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  return { name: options.name, role: options.role, address, host, port };
}
