/** The front of POP3 listeners: PROXY protocol, TLS and limits, for either dialogue. */
import type { Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import { type Clock, canonicalIp, type IpSet, type Log } from '../base/index.ts';
import { Admission, type Listener, type ProxyGreeting, readProxyHeader, TcpListener } from '../net/index.ts';
import { PopConnection } from './connection.ts';
import type { Pop3Events } from './events.ts';
import type { PopLimits } from './options.ts';

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
  readonly limits: PopLimits;
  /** The dialogue, from the greeting on. The connection is closed when it settles; a rejection is a bug, and logged. */
  readonly serve: (connection: PopConnection) => Promise<void>;
  readonly clock: Clock;
  readonly log: Log<Pop3Events>;
}

/** One address that POP3 clients come to. */
export class PopListener implements AsyncDisposable, Listener<PopListenerOptions> {
  #options: PopListenerOptions;
  readonly #tcp: TcpListener;
  /** The connections with a dialogue. */
  readonly #connections = new Set<PopConnection>();
  readonly #admission = new Admission();
  readonly #draining = new AbortController();
  #serial = 0;

  private constructor(tcp: TcpListener, options: PopListenerOptions) {
    this.#tcp = tcp;
    this.#options = options;
  }

  static async bind(options: PopListenerOptions): Promise<PopListener> {
    const { host, port, name, log } = options;
    const failed = ({ message }: Error) => log.error('listener-failed', { listener: name, error: message });
    return new PopListener(await TcpListener.bind({ at: { host, port }, failed }), options);
  }

  get options(): PopListenerOptions {
    return this.#options;
  }

  get port(): number {
    return this.#tcp.port;
  }

  /** `127.0.0.1:110`, `[::1]:110`. */
  get address(): string {
    return this.#tcp.address;
  }

  get connectionCount(): number {
    return this.#tcp.conversations.size;
  }

  /** The present sessions; each can be sent a last line and ended. */
  get connections(): Iterable<PopConnection> {
    return this.#connections;
  }

  serve(options: PopListenerOptions): void {
    this.#options = options;
    this.#tcp.serve((socket) => this.#accept(socket, options));
  }

  drain(signal: AbortSignal): Promise<void> {
    this.#draining.abort();
    return this.#tcp.drain(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain(AbortSignal.abort());
  }

  #accept(socket: Socket, options: PopListenerOptions): Socket | undefined {
    // Sockets that wait for a proxy's header are not counted for a client yet.
    if (this.connectionCount >= 2 * options.limits.connections) {
      socket.destroy();
      return undefined;
    }
    this.#converse(socket, options).catch((error: unknown) => {
      options.log.error('pop3-failed', { listener: options.name, because: String(error) });
      socket.destroy();
    });
    return socket;
  }

  async #converse(socket: Socket, options: PopListenerOptions): Promise<void> {
    const client = await clientOf(socket, options);
    if (client === undefined) {
      socket.destroy();
      return;
    }
    const { connections: all, connectionsPerClient: perClient } = options.limits;
    const leave = this.#admission.enter(client.address, { all, perClient });
    if (typeof leave === 'string') {
      const whose = leave === 'client' ? ' from your address' : '';
      refuse(socket, { because: `too many connections${whose}`, client: client.address, options });
      return;
    }
    try {
      await this.#serve(socket, client, options);
    } finally {
      leave();
    }
  }

  async #serve(socket: Socket, client: Client, options: PopListenerOptions): Promise<void> {
    const { name, limits, tls, secureContext, serve, clock, log } = options;
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
}

interface Client {
  readonly address: string;
  readonly port: number;
}

function refuse(
  socket: Socket,
  {
    because,
    client,
    options: { log, clock, tls },
  }: { readonly because: string; readonly client: string; readonly options: PopListenerOptions },
): void {
  log.info('refused', { client, stage: 'pop3', because });
  socket.end(tls === 'implicit' ? '' : `-ERR [SYS/TEMP] ${because}\r\n`, () => socket.destroy());
  clock.after(1000, () => socket.destroy());
}

/**
 * The client's address: that of the socket, or the one that a listed proxy gives first. Undefined ends the connection.
 */
async function clientOf(
  socket: Socket,
  { proxyProtocolFrom, log, clock, limits }: PopListenerOptions,
): Promise<Client | undefined> {
  const address = canonicalIp(socket.remoteAddress ?? '');
  if (address === undefined) return undefined;
  const peer = { address, port: socket.remotePort ?? 0 };
  if (!proxyProtocolFrom.has(address)) return peer;
  const cancel = clock.after(limits.openingMs, () => socket.destroy());
  const header = await new Promise<ProxyGreeting>((resolve) => readProxyHeader(socket, resolve));
  cancel();
  if (header.kind === 'client') return { address: header.address, port: header.port };
  if (header.kind === 'local') return peer;
  log.info('proxy-header-invalid', { client: address });
  return undefined;
}
