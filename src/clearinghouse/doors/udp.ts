/** Doors over UDP: one answer to a datagram, or none. */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { complaintsOf } from './complaint.ts';
import type { Door, DoorCounts, DoorOptions, Visitor } from './door.ts';
import { Gate } from './gate.ts';

/** Datagrams that are being answered at once; more are dropped, as the network would. */
const maxPending = 1000;

/** Opens a door where each datagram has one answer, or none. Rejects with the system's error. */
export async function openUdpDoor(
  options: DoorOptions,
  answer: (datagram: Buffer, visitor: Visitor) => Promise<Buffer | undefined>,
): Promise<Door> {
  const { at, name } = options;
  if ('path' in at) throw new Error('datagrams come to an address');
  const socket = createSocket(at.host.includes(':') ? 'udp6' : 'udp4');
  const gate = new Gate(options);
  const door = new UdpDoor(socket, { name, host: at.host, counts: gate.counts });
  const complain = complaintsOf(options);
  let pending = 0;
  const serve = async (datagram: Buffer, from: RemoteInfo, visitor: Visitor) => {
    pending++;
    try {
      const reply = await answer(datagram, visitor);
      if (reply === undefined) door.counts.faults++;
      else socket.send(reply, from.port, from.address);
    } catch (error) {
      complain(from.address, error);
    } finally {
      pending--;
    }
  };
  socket.on('message', (datagram, from) => {
    const visitor = gate.visitorOf(from.address);
    if (visitor === undefined) return;
    if (pending >= maxPending) door.counts.refused++;
    else if (gate.admits(visitor)) void serve(datagram, from, visitor);
  });
  socket.bind({ address: at.host, port: at.port });
  await once(socket, 'listening');
  socket.on('error', (error) => options.log.error('door-failed', { door: name, because: error.message }));
  return door;
}

class UdpDoor implements Door {
  readonly name: string;
  readonly counts: DoorCounts;
  readonly #socket: Socket;
  readonly #host: string;

  constructor(
    socket: Socket,
    { name, host, counts }: { readonly name: string; readonly host: string; readonly counts: DoorCounts },
  ) {
    this.name = name;
    this.counts = counts;
    this.#socket = socket;
    this.#host = host;
  }

  get port(): number {
    return this.#socket.address().port;
  }

  get address(): string {
    return this.#host.includes(':') ? `[${this.#host}]:${this.port}` : `${this.#host}:${this.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()));
  }
}
