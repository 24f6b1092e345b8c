import { rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { canonicalIp } from '../../base/index.ts';
import { type Door, type DoorCounts, type DoorOptions, Rates, type Visitor, visitorOf } from './door.ts';

/** A conversation over a connection; the connection ends when it settles. */
export type Converse = (connection: DoorConnection, visitor: Visitor) => Promise<void>;

/** Opens a door over TCP or a unix socket. Rejects with the system's error. */
export async function openTcpDoor(options: DoorOptions, converse: Converse): Promise<Door> {
  const door = new TcpDoor(options, converse);
  await door.listen();
  return door;
}

/** A door where a whole message is sent, up to the end of what the client says, and one answer comes. */
export function openMessageDoor(
  options: DoorOptions,
  answer: (octets: Buffer, visitor: Visitor) => Promise<string | Buffer | undefined>,
): Promise<Door> {
  return openTcpDoor(options, async (connection, visitor) => {
    const octets = await connection.rest(options.limits.octets);
    const text = octets && (await answer(octets, visitor));
    if (text === undefined) connection.fault();
    else await connection.write(text);
  });
}

class TcpDoor implements Door {
  readonly name: string;
  readonly counts: DoorCounts = { requests: 0, refused: 0, faults: 0 };
  readonly #options: DoorOptions;
  readonly #converse: Converse;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #perClient = new Map<string, number>();
  readonly #rates: Rates;

  constructor(options: DoorOptions, converse: Converse) {
    this.name = options.name;
    this.#options = options;
    this.#converse = converse;
    this.#rates = new Rates(options.clock, options.limits.requestsPerMinute);
    this.#server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (socket) =>
      this.#accept(socket),
    );
  }

  get port(): number {
    const bound = this.#server.address();
    return typeof bound === 'object' && bound !== null ? bound.port : 0;
  }

  get address(): string {
    const { at } = this.#options;
    if ('path' in at) return at.path;
    return at.host.includes(':') ? `[${at.host}]:${this.port}` : `${at.host}:${this.port}`;
  }

  async listen(): Promise<void> {
    const { at, log } = this.#options;
    if ('path' in at) await rm(at.path, { force: true });
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(at, () => {
        this.#server.off('error', reject);
        this.#server.on('error', (error) =>
          log.error('door-failed', { door: this.name, because: error.message }),
        );
        resolve();
      });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #accept(socket: Socket): void {
    const isLocal = 'path' in this.#options.at;
    const visitor = isLocal
      ? { address: 'local', isKnown: true }
      : visitorOf(canonicalIp(socket.remoteAddress ?? ''), this.#options.access);
    socket.on('error', () => socket.destroy());
    const { connections, connectionsPerClient } = this.#options.limits;
    const count = this.#perClient.get(visitor?.address ?? '') ?? 0;
    if (
      visitor === undefined ||
      this.#sockets.size >= connections ||
      count >= connectionsPerClient ||
      !this.#rates.admits(visitor.address)
    ) {
      this.counts.refused++;
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    this.#perClient.set(visitor.address, count + 1);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      const left = (this.#perClient.get(visitor.address) ?? 1) - 1;
      if (left > 0) this.#perClient.set(visitor.address, left);
      else this.#perClient.delete(visitor.address);
    });
    void this.#serve(socket, visitor);
  }

  async #serve(socket: Socket, visitor: Visitor): Promise<void> {
    const { limits, clock, log } = this.#options;
    this.counts.requests++;
    socket.setTimeout(limits.idleMs, () => socket.destroy());
    const cancel = clock.after(limits.totalMs, () => socket.destroy());
    const connection = new DoorConnection(socket, this.counts, () => this.#rates.admits(visitor.address));
    try {
      await this.#converse(connection, visitor);
      if (!socket.destroyed) socket.end();
      // Who never closes is cut off a moment later.
      socket.resume();
      clock.after(5000, () => socket.destroy());
    } catch (error) {
      log.warn('door-failed', { door: this.name, client: visitor.address, because: String(error) });
      socket.destroy();
    } finally {
      cancel();
    }
  }
}

/** A visitor's connection, to be read as it is asked for. */
export class DoorConnection {
  readonly #socket: Socket;
  readonly #counts: DoorCounts;
  readonly #admits: () => boolean;
  #rest: Buffer = Buffer.alloc(0);
  #isOver = false;

  constructor(socket: Socket, counts: DoorCounts, admits: () => boolean) {
    this.#socket = socket;
    this.#counts = counts;
    this.#admits = admits;
  }

  /** Another request of the same connection; false when it is one too many. */
  nextRequest(): boolean {
    this.#counts.requests++;
    return this.#admits();
  }

  fault(): void {
    this.#counts.faults++;
  }

  /** Everything up to the end of what the visitor says; undefined for more than the bound, or when it was cut off. */
  async rest(maxOctets: number): Promise<Buffer | undefined> {
    const pieces = [this.#rest];
    let length = this.#rest.length;
    for (let piece = await this.#read(); piece !== undefined; piece = await this.#read()) {
      length += piece.length;
      if (length > maxOctets) return undefined;
      pieces.push(piece);
    }
    this.#rest = Buffer.alloc(0);
    return this.#socket.destroyed ? undefined : Buffer.concat(pieces);
  }

  /** Up to and with the first `end`; undefined at the end, or beyond the bound. */
  async until(end: string, maxOctets: number): Promise<Buffer | undefined> {
    for (let from = 0; ; ) {
      const at = this.#rest.indexOf(end, from, 'latin1');
      if (at >= 0) {
        const found = this.#rest.subarray(0, at + end.length);
        this.#rest = this.#rest.subarray(at + end.length);
        return found;
      }
      if (this.#rest.length > maxOctets) return undefined;
      from = Math.max(0, this.#rest.length - end.length + 1);
      const piece = await this.#read();
      if (piece === undefined) return undefined;
      this.#rest = Buffer.concat([this.#rest, piece]);
    }
  }

  /** The next octet, which stays there; undefined at the end. */
  async peek(): Promise<number | undefined> {
    while (this.#rest.length === 0) {
      const piece = await this.#read();
      if (piece === undefined) return undefined;
      this.#rest = piece;
    }
    return this.#rest[0];
  }

  /** Resolves when there is room for more, or when the connection is gone. */
  write(text: string | Buffer): Promise<void> {
    const socket = this.#socket;
    if (socket.destroyed || socket.write(typeof text === 'string' ? Buffer.from(text, 'latin1') : text))
      return Promise.resolve();
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

  #read(): Promise<Buffer | undefined> {
    const socket = this.#socket;
    return new Promise((resolve) => {
      const events = ['readable', 'end', 'close', 'error'] as const;
      const look = () => {
        const octets: unknown = socket.read();
        this.#isOver ||= socket.readableEnded || socket.destroyed;
        if (!Buffer.isBuffer(octets) && !this.#isOver) return;
        for (const event of events) socket.off(event, look);
        resolve(Buffer.isBuffer(octets) ? octets : undefined);
      };
      for (const event of events) socket.on(event, look);
      look();
    });
  }
}
