/** Doors over UDP: one answer to a datagram, or none. */
import { createSocket, type RemoteInfo } from 'node:dgram';
import { once } from 'node:events';
import { formatHostPort } from '../../base/index.ts';
import { complaintsOf } from './complaint.ts';
import type { Door, DoorOptions, Visitor } from './door.ts';
import { Gate } from './gate.ts';

/** Datagrams that are being answered at once; more are dropped, as the network would. */
const maxPending = 1000;

/** Opens a door where each datagram has one answer, or none. Rejects with the system's error. */
export async function openUdpDoor<Options extends DoorOptions>(
  options: Options,
  answer: (datagram: Buffer, visitor: Visitor, options: Options) => Promise<Buffer | undefined>,
): Promise<Door<Options>> {
  const { at, name } = options;
  let current = options;
  if ('path' in at) throw new Error('datagrams come to an address');
  const socket = createSocket(at.host.includes(':') ? 'udp6' : 'udp4');
  const gate = new Gate(options);
  const { counts } = gate;
  const complain = complaintsOf(options);
  let pending = 0;
  const serve = async (datagram: Buffer, from: RemoteInfo, visitor: Visitor) => {
    pending++;
    try {
      const reply = await answer(datagram, visitor, current);
      if (reply === undefined) counts.faults++;
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
    if (pending >= maxPending) counts.refused++;
    else if (gate.admits(visitor)) void serve(datagram, from, visitor);
  });
  socket.bind({ address: at.host, port: at.port });
  await once(socket, 'listening');
  socket.on('error', (error) => options.log.error('door-failed', { door: name, because: error.message }));
  const { port } = socket.address();
  return {
    name,
    counts,
    port,
    address: formatHostPort(at.host, port),
    change(options) {
      current = options;
      gate.options = options;
    },
    [Symbol.asyncDispose]: () => new Promise((resolve) => socket.close(() => resolve())),
  };
}
