/** A door over TCP or a unix socket, and how a conversation reads and writes there. */
import type { Socket } from 'node:net';
import { Gathered } from '../../base/index.ts';
import { TcpListener } from '../../net/index.ts';
import { complaintsOf } from './complaint.ts';
import type { Door, DoorCounts, DoorOptions, Visitor } from './door.ts';
import { Gate, Room } from './gate.ts';

/** A conversation over a connection; the connection ends when it settles. It keeps the options that it began with. */
export type Converse<Options extends DoorOptions> = (
  connection: DoorConnection,
  visitor: Visitor,
  options: Options,
) => Promise<void>;

/** Opens a door over TCP or a unix socket. Rejects with the system's error. */
export async function openTcpDoor<Options extends DoorOptions>(
  options: Options,
  converse: Converse<Options>,
): Promise<Door<Options>> {
  const { at, log, name: door } = options;
  const failed = ({ message: because }: Error) => log.error('door-failed', { door, because });
  return new TcpDoor(await TcpListener.bind({ at, failed }), options, converse);
}

/** Opens a door where the client sends a whole message up to the end of the stream and gets one answer. */
export function openMessageDoor(
  options: DoorOptions,
  answer: (octets: Buffer, visitor: Visitor, options: DoorOptions) => Promise<string | Buffer | undefined>,
): Promise<Door> {
  return openTcpDoor(options, async (connection, visitor, current) => {
    const octets = await connection.rest(current.limits.octets);
    const text = octets && (await answer(octets, visitor, current));
    if (text === undefined) connection.fault();
    else await connection.write(text);
  });
}

class TcpDoor<Options extends DoorOptions> implements Door<Options> {
  readonly name: string;
  #options: Options;
  readonly #converse: Converse<Options>;
  readonly #listener: TcpListener;
  readonly #gate: Gate;
  readonly #room: Room;
  readonly #complain: (client: string, because: unknown) => void;

  constructor(listener: TcpListener, options: Options, converse: Converse<Options>) {
    this.name = options.name;
    this.#options = options;
    this.#converse = converse;
    this.#gate = new Gate(options);
    this.#room = new Room(options.limits);
    this.#complain = complaintsOf(options);
    this.#listener = listener;
    listener.serve((socket) => this.#accept(socket));
  }

  get counts(): DoorCounts {
    return this.#gate.counts;
  }

  get port(): number {
    return this.#listener.port;
  }

  get address(): string {
    return this.#listener.address;
  }

  change(options: Options): void {
    this.#options = options;
    this.#gate.options = options;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#listener.drain(AbortSignal.abort());
  }

  #accept(socket: Socket): Socket | undefined {
    const entered = this.#gate.enter(socket.remoteAddress);
    if (entered === undefined) {
      socket.destroy();
      return undefined;
    }
    const { visitor, leave } = entered;
    socket.once('close', leave);
    if (this.#gate.admits(visitor)) void this.#serve(socket, visitor);
    else socket.destroy();
    return socket;
  }

  async #serve(socket: Socket, visitor: Visitor): Promise<void> {
    const options = this.#options;
    const { limits, clock } = options;
    socket.on('timeout', () => socket.destroy());
    const cancel = clock.after(limits.totalMs, () => socket.destroy());
    const holds = this.#room.part();
    const admits = () => this.#gate.admits(visitor);
    const connection = new DoorConnection(socket, {
      holds,
      admits,
      counts: this.counts,
      idleMs: limits.idleMs,
    });
    try {
      await this.#converse(connection, visitor, options);
      if (!socket.destroyed) socket.end();
      // A client that never closes is cut off a moment later.
      socket.resume();
      clock.after(5000, () => socket.destroy());
    } catch (error) {
      this.#complain(visitor.address, error);
      socket.destroy();
    } finally {
      cancel();
      holds(0);
    }
  }
}

/** The functions of its door that a connection uses. */
interface DoorSide {
  /** Notes how many octets it holds; false where all connections together hold too much. */
  readonly holds: (octets: number) => boolean;
  /** Counts a request; false when it is one too many. */
  readonly admits: () => boolean;
  readonly counts: DoorCounts;
  /** How long it waits for the visitor. */
  readonly idleMs: number;
}

/** A visitor's connection, to be read as it is asked for. */
export class DoorConnection {
  readonly #socket: Socket;
  readonly #door: DoorSide;
  #rest: Buffer = Buffer.alloc(0);
  #isOver = false;
  #hasAsked = false;

  constructor(socket: Socket, door: DoorSide) {
    this.#socket = socket;
    this.#door = door;
  }

  /** Another request of the same connection; false when it is one too many. The first was counted when it came. */
  nextRequest(): boolean {
    const isFirst = !this.#hasAsked;
    this.#hasAsked = true;
    return isFirst || this.#door.admits();
  }

  fault(): void {
    this.#door.counts.faults++;
  }

  /** The octets up to the end of the stream; undefined if they exceed the bound or the connection broke. */
  async rest(maxOctets: number): Promise<Buffer | undefined> {
    const gathered = new Gathered();
    gathered.push(this.#rest);
    for (let piece = await this.#read(); piece !== undefined; piece = await this.#read()) {
      gathered.push(piece);
      if (gathered.length > maxOctets || !this.#door.holds(gathered.length)) return undefined;
    }
    this.#rest = Buffer.alloc(0);
    return this.#socket.destroyed ? undefined : gathered.take();
  }

  /** Up to and with the first `end`; undefined at the end, or beyond the bound. */
  async until(end: string, maxOctets: number): Promise<Buffer | undefined> {
    const found = await this.peekUntil(end, maxOctets);
    if (found !== undefined) this.#rest = this.#rest.subarray(found.length);
    return found;
  }

  /** The same, but it stays there. */
  async peekUntil(end: string, maxOctets: number): Promise<Buffer | undefined> {
    let gathered: Gathered | undefined;
    let length = this.#rest.length;
    // The end may be in the latest octets, or have begun in those before them.
    let recent = this.#rest;
    for (let at = recent.indexOf(end, 0, 'latin1'); at < 0; at = recent.indexOf(end, 0, 'latin1')) {
      const piece = length > maxOctets ? undefined : await this.#read();
      if (piece === undefined || !this.#door.holds(length + piece.length)) return undefined;
      recent = Buffer.concat([recent.subarray(Math.max(0, recent.length - end.length + 1)), piece]);
      if (gathered === undefined) {
        gathered = new Gathered();
        gathered.push(this.#rest);
      }
      gathered.push(piece);
      length += piece.length;
    }
    // A copy for each line of a piece would be time that grows with the square of their number.
    if (gathered !== undefined) this.#rest = gathered.take();
    return this.#rest.subarray(0, length - recent.length + recent.indexOf(end, 0, 'latin1') + end.length);
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
    socket.setTimeout(this.#door.idleMs);
    return new Promise((resolve) => {
      const done = () => {
        socket.setTimeout(0);
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
    socket.setTimeout(this.#door.idleMs);
    return new Promise((resolve) => {
      const events = ['readable', 'end', 'close', 'error'] as const;
      const look = () => {
        const octets: unknown = socket.read();
        this.#isOver ||= socket.readableEnded || socket.destroyed;
        if (!Buffer.isBuffer(octets) && !this.#isOver) return;
        for (const event of events) socket.off(event, look);
        // From here on the time is ours, not the visitor's.
        socket.setTimeout(0);
        resolve(Buffer.isBuffer(octets) ? octets : undefined);
      };
      for (const event of events) socket.on(event, look);
      look();
    });
  }
}
