/** One address, or one unix socket, at which connections are taken. */
import { createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import { formatHostPort } from '../base/index.ts';
import { type SocketPath, shortSocketPath } from './socket-path.ts';
import { listenWithMode, removeStaleSocket } from './unix-socket.ts';

/** Where connections come in: a canonical IP address and a port, 0 for any, or the path of a unix socket. */
export type Place = { readonly host: string; readonly port: number } | { readonly path: string };

/** The key of a listener: its address, or its name for port 0, of which there may be several. */
export function placeKey(listener: {
  readonly name?: string;
  readonly host: string;
  readonly port: number;
}): string {
  const { name, host, port } = listener;
  return formatHostPort(host, port) + (port === 0 ? ` ${name}` : '');
}

/** The dialogue over an accepted socket. */
export interface Conversation {
  /** Cuts it off. */
  destroy(): unknown;
}

export interface TcpListenerOptions {
  readonly at: Place;
  /** Connections that wait with the kernel; 1024 unless given. */
  readonly backlog?: number;
  /** Connections that wait for `serve`; more are closed. 1000 unless given. */
  readonly maxHeld?: number;
  /** The mode of a unix socket, which decides who may connect. Default: by the mask of the process. */
  readonly mode?: number;
  /** The system has closed it, or refuses connections. */
  readonly failed: (error: Error) => void;
}

/**
 * A listening socket, bound once and served by the latest argument of `serve`: it outlives its options. Connections
 * that come before `serve` wait unanswered. A peer may end its side and still read; sockets are paused.
 */
export class TcpListener<C extends Conversation = Socket> {
  readonly #options: TcpListenerOptions;
  readonly #server: Server;
  readonly #conversations = new Set<C>();
  /** Has to be valid as long as the file is there: closing removes it. */
  #path: SocketPath | undefined;
  #held: Socket[] = [];
  #serve: ((socket: Socket) => C | undefined) | undefined;
  #closed: Promise<void> | undefined;
  readonly #whenEmpty: (() => void)[] = [];

  private constructor(options: TcpListenerOptions) {
    this.#options = options;
    const sockets = { allowHalfOpen: true, noDelay: true, pauseOnConnect: true };
    this.#server = createServer(sockets, (socket) => this.#accept(socket));
  }

  /** Rejects with the system's error (`EADDRINUSE`, `EACCES`, …). */
  static async bind<C extends Conversation = Socket>(options: TcpListenerOptions): Promise<TcpListener<C>> {
    const listener = new TcpListener<C>(options);
    const { at, backlog = 1024 } = options;
    if ('path' in at) await listener.#bindPath(at.path, backlog);
    else await listening(listener.#server, { host: at.host, port: at.port, backlog });
    listener.#server.on('error', options.failed);
    return listener;
  }

  async #bindPath(name: string, backlog: number): Promise<void> {
    const short = await shortSocketPath(name);
    const { path } = short;
    const { mode } = this.#options;
    const listen = () => listening(this.#server, { path, backlog });
    try {
      await removeStaleSocket(path, name);
      await (mode === undefined ? listen() : listenWithMode(path, mode, listen));
      this.#path = short;
    } catch (error) {
      this.#server.close();
      await short[Symbol.asyncDispose]();
      throw error;
    }
  }

  get port(): number {
    const bound = this.#server.address();
    return typeof bound === 'object' && bound !== null ? bound.port : 0;
  }

  /** `127.0.0.1:25`, `[::1]:25`, or the path. */
  get address(): string {
    const { at } = this.#options;
    return 'path' in at ? at.path : formatHostPort(at.host, this.port);
  }

  /** The conversations that are not closed yet. */
  get conversations(): ReadonlySet<C> {
    return this.#conversations;
  }

  /** Sets the function that takes connections from now on; it returns `undefined` if it closed the socket. */
  serve(serve: (socket: Socket) => C | undefined): void {
    this.#serve = serve;
    for (const socket of this.#held.splice(0)) if (!socket.destroyed) this.#begin(socket, serve);
  }

  /** Takes no more connections, and waits for the end of the present ones; when `signal` aborts they are cut off. */
  async drain(signal: AbortSignal): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      this.#server.close(() => resolve());
    });
    for (const socket of this.#held.splice(0)) socket.destroy();
    const cut = () => {
      for (const conversation of this.#conversations) conversation.destroy();
    };
    signal.addEventListener('abort', cut);
    if (signal.aborted) cut();
    await this.#closed;
    // The server closes a moment before the last socket reports its end.
    if (this.#conversations.size > 0) await new Promise<void>((resolve) => this.#whenEmpty.push(resolve));
    signal.removeEventListener('abort', cut);
    await this.#path?.[Symbol.asyncDispose]();
  }

  #accept(socket: Socket): void {
    socket.on('error', () => socket.destroy());
    if (this.#serve !== undefined) this.#begin(socket, this.#serve);
    else if (this.#held.length < (this.#options.maxHeld ?? 1000)) this.#held.push(socket);
    else socket.destroy();
  }

  #begin(socket: Socket, serve: (socket: Socket) => C | undefined): void {
    const conversation = serve(socket);
    if (conversation === undefined) return;
    this.#conversations.add(conversation);
    socket.once('close', () => {
      this.#conversations.delete(conversation);
      if (this.#conversations.size === 0) for (const tell of this.#whenEmpty.splice(0)) tell();
    });
  }
}

/** Resolves when the server listens. */
function listening(server: Server, where: ListenOptions): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(where, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
