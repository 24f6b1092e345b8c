import { createServer, type Server, type Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import { blockOf, type Clock, canonicalIp, type IpSet, type Log } from '../base/index.ts';
import { PopConnection } from './connection.ts';
import type { PopLimits } from './options.ts';

/** What a PROXY header comes to; the receiver reads it, the composition root passes the reading in. */
export type ProxyHeaderReading =
  | { readonly kind: 'client'; readonly address: string; readonly port: number; readonly octets: number }
  | { readonly kind: 'local'; readonly octets: number }
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'invalid' };

/** A listener for POP3. */
export interface PopListenerOptions {
  /** In logs. */
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly tls: 'none' | 'stls' | 'implicit';
  /** Asked for each connection, so that a reload counts from the next one on. */
  readonly secureContext: () => SecureContext | undefined;
  readonly proxyProtocolFrom: IpSet;
  readonly readProxyHeader: (octets: Buffer) => ProxyHeaderReading;
  readonly limits: PopLimits;
  /** The dialogue, from the greeting on. The connection is closed when it settles; a rejection is a bug, and logged. */
  readonly serve: (connection: PopConnection) => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
}

/** Binds. Rejects with the system's error (`EADDRINUSE`, `EACCES`, …). */
export async function openPopListener(options: PopListenerOptions): Promise<PopListener> {
  const listener = new PopListener(options);
  await listener.listen();
  return listener;
}

/** One address that POP3 clients come to: PROXY protocol, TLS and limits; the dialogue is somebody else's. */
export class PopListener implements AsyncDisposable {
  readonly #options: PopListenerOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Those with a dialogue. */
  readonly #connections = new Set<PopConnection>();
  readonly #perClient = new Map<string, number>();
  readonly #draining = new AbortController();
  #admitted = 0;
  #serial = 0;
  #whenEmpty: (() => void) | undefined;

  constructor(options: PopListenerOptions) {
    this.#options = options;
    this.#server = createServer({ noDelay: true, pauseOnConnect: true, allowHalfOpen: true }, (socket) =>
      this.#accept(socket),
    );
  }

  get name(): string {
    return this.#options.name;
  }

  get port(): number {
    const bound = this.#server.address();
    return typeof bound === 'object' && bound !== null ? bound.port : this.#options.port;
  }

  /** `127.0.0.1:110`, `[::1]:110`. */
  get address(): string {
    const { host } = this.#options;
    return host.includes(':') ? `[${host}]:${this.port}` : `${host}:${this.port}`;
  }

  get connectionCount(): number {
    return this.#sockets.size;
  }

  /** The sessions there are now; each can be told a last word and ended. */
  get connections(): Iterable<PopConnection> {
    return this.#connections;
  }

  async listen(): Promise<void> {
    const { host, port, name, log } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port, backlog: 512 }, () => {
        this.#server.off('error', reject);
        this.#server.on('error', (error) =>
          log.error('listener-failed', { listener: name, error: error.message }),
        );
        resolve();
      });
    });
  }

  /** Takes no more connections; what is left when `signal` aborts is cut off. */
  async drain(signal: AbortSignal): Promise<void> {
    this.#server.close();
    this.#draining.abort();
    if (this.#sockets.size === 0) return;
    const cut = () => {
      for (const socket of this.#sockets) socket.destroy();
    };
    const empty = new Promise<void>((resolve) => {
      this.#whenEmpty = resolve;
    });
    signal.addEventListener('abort', cut);
    if (signal.aborted) cut();
    await empty;
    signal.removeEventListener('abort', cut);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain(AbortSignal.abort());
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => {
      this.#sockets.delete(socket);
      if (this.#sockets.size === 0) this.#whenEmpty?.();
    });
    // Headers of proxies are awaited by sockets that count for nobody yet.
    if (this.#sockets.size > 2 * this.#options.limits.connections) {
      socket.destroy();
      return;
    }
    this.#converse(socket).catch((error: unknown) => {
      const { log, name } = this.#options;
      log.error('pop3-failed', { listener: name, because: String(error) });
      socket.destroy();
    });
  }

  async #converse(socket: Socket): Promise<void> {
    const client = await this.#clientOf(socket);
    if (client === undefined) {
      socket.destroy();
      return;
    }
    const refusal = this.#refusal(client.address);
    if (refusal !== undefined) {
      this.#options.log.info('refused', { client: client.address, stage: 'pop3', because: refusal });
      const isPlain = this.#options.tls !== 'implicit';
      socket.end(isPlain ? `-ERR [SYS/TEMP] ${refusal}\r\n` : '', () => socket.destroy());
      this.#options.clock.after(1000, () => socket.destroy());
      return;
    }
    const leave = this.#enter(client.address);
    try {
      await this.#serve(socket, client);
    } finally {
      leave();
    }
  }

  #refusal(address: string): string | undefined {
    const { connections, connectionsPerClient } = this.#options.limits;
    if (this.#admitted >= connections) return 'too many connections';
    return (this.#perClient.get(blockOf(address)) ?? 0) >= connectionsPerClient
      ? 'too many connections from your address'
      : undefined;
  }

  #enter(address: string): () => void {
    const block = blockOf(address);
    this.#admitted++;
    this.#perClient.set(block, (this.#perClient.get(block) ?? 0) + 1);
    return () => {
      this.#admitted--;
      const left = (this.#perClient.get(block) ?? 1) - 1;
      if (left > 0) this.#perClient.set(block, left);
      else this.#perClient.delete(block);
    };
  }

  async #serve(socket: Socket, client: { readonly address: string; readonly port: number }): Promise<void> {
    const { name, limits, tls, secureContext, serve, clock, log } = this.#options;
    this.#serial++;
    const connection = new PopConnection(
      {
        id: `${name}-${this.#serial.toString(36)}`,
        listener: name,
        ...client,
        ...limits,
        secureContext: tls === 'none' ? undefined : secureContext(),
      },
      socket,
      { clock, draining: this.#draining.signal },
    );
    if (tls === 'implicit') {
      try {
        await connection.startTls();
      } catch (error) {
        log.info('tls-failed', {
          session: connection.facts.id,
          client: client.address,
          because: String(error),
        });
        connection.destroy();
        return;
      }
    }
    this.#connections.add(connection);
    connection.whenClosed(() => this.#connections.delete(connection));
    await serve(connection);
    connection.end();
    if (!socket.destroyed) await new Promise((resolve) => socket.once('close', resolve));
  }

  /** Where the client is: by the socket, or by what a listed proxy says first. Undefined ends the connection. */
  async #clientOf(socket: Socket) {
    const { proxyProtocolFrom, log, clock, limits } = this.#options;
    const address = canonicalIp(socket.remoteAddress ?? '');
    if (address === undefined) return undefined;
    const peer = { address, port: socket.remotePort ?? 0 };
    if (!proxyProtocolFrom.has(address)) return peer;
    const cancel = clock.after(limits.openingMs, () => socket.destroy());
    try {
      const header = await readHeader(socket, this.#options.readProxyHeader);
      if (header?.kind === 'client') return { address: header.address, port: header.port };
      if (header?.kind === 'local') return peer;
      log.info('proxy-header-invalid', { client: address });
      return undefined;
    } finally {
      cancel();
    }
  }
}

/** Reads a PROXY header and gives back what came behind it. */
function readHeader(
  socket: Socket,
  parse: PopListenerOptions['readProxyHeader'],
): Promise<ProxyHeaderReading | undefined> {
  return new Promise((resolve) => {
    let octets = Buffer.alloc(0);
    const finish = (header: ProxyHeaderReading | undefined) => {
      socket.off('data', read);
      socket.off('end', left);
      socket.off('close', left);
      socket.pause();
      resolve(header);
    };
    const left = () => finish(undefined);
    const read = (more: Buffer) => {
      octets = Buffer.concat([octets, more]);
      const header = parse(octets);
      if (header.kind === 'incomplete') return;
      finish(header);
      if (header.kind === 'invalid') return;
      const rest = octets.subarray(header.octets);
      if (rest.length > 0) socket.unshift(rest);
    };
    socket.on('data', read);
    socket.on('end', left);
    socket.on('close', left);
    socket.resume();
  });
}
