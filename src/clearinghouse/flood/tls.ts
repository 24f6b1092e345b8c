/** Listens for peers and calls them, over TLS 1.3. */
import type { Socket } from 'node:net';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { blockOf, type Clock, canonicalIp } from '../../base/index.ts';
import type { Link, Transport } from './link.ts';

/** Where a node listens or a peer is. */
export interface FloodAddress {
  readonly host: string;
  readonly port: number;
}

/** What a node shows to the others, PEM. */
export interface Credentials {
  readonly certificate: string | Buffer;
  readonly key: string | Buffer;
}

/** A connection whose other end has proved whose certificate it has; whether we want it is not said yet. */
export interface Arrival {
  readonly socket: TLSSocket;
  /** SHA-256 of the certificate of the other end, hexadecimal; undefined where it showed none. */
  readonly origin: string | undefined;
}

const handshakeMs = 10_000;
const closingMs = 5000;
const mostConnections = 256;
/** Of one address, or of one /64: a stranger who says nothing must leave room for the peers. */
const mostOfOne = 16;

/**
 * Both ends show certificates; who may come is decided by their fingerprints, so no authority is asked. That an end
 * has the key of its certificate is proved by TLS 1.3 itself (RFC 8446 §4.4.3).
 */
function tlsOptions({ certificate, key }: Credentials) {
  return { cert: certificate, key, minVersion: 'TLSv1.3', rejectUnauthorized: false } as const;
}

/** An open port for peers. */
export interface PeerListener {
  readonly port: number;
  close(): Promise<void>;
}

/** Listens for peers. Rejects with the system's error. */
export async function listenForPeers(
  at: FloodAddress,
  credentials: Credentials,
  arrived: (arrival: Arrival) => void,
): Promise<PeerListener> {
  const options = { ...tlsOptions(credentials), requestCert: true, handshakeTimeout: handshakeMs };
  const server = createServer(options, (socket) => {
    socket.on('error', () => socket.destroy());
    arrived({ socket, origin: originOf(socket) });
  });
  const sockets = new Map<Socket, string>();
  server.on('connection', (socket: Socket) => {
    const from = blockOf(canonicalIp(socket.remoteAddress ?? '') ?? '');
    const others = [...sockets.values()].filter((other) => other === from).length;
    if (others >= mostOfOne) {
      socket.destroy();
      return;
    }
    sockets.set(socket, from);
    socket.once('close', () => sockets.delete(socket));
  });
  server.maxConnections = mostConnections;
  server.on('tlsClientError', (_, socket) => socket.destroy());
  const listening = Promise.withResolvers<void>();
  server.once('error', listening.reject);
  server.listen(at, () => {
    server.off('error', listening.reject);
    server.on('error', () => {});
    listening.resolve();
  });
  await listening.promise;
  const bound = server.address();
  return {
    port: typeof bound === 'object' && bound !== null ? bound.port : 0,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets.keys()) socket.destroy();
      }),
  };
}

/** Calls a peer. Calls back once: with the connection, or with why there is none. The returned function gives up. */
export function callPeer(
  { host, port }: FloodAddress,
  { credentials, clock }: { readonly credentials: Credentials; readonly clock: Clock },
  done: (outcome: Arrival | { readonly because: string }) => void,
): () => void {
  const socket = connect({ ...tlsOptions(credentials), host, port });
  let isDone = false;
  const end = (outcome: Arrival | { readonly because: string }) => {
    if (isDone) return;
    isDone = true;
    cancel();
    if ('because' in outcome) socket.destroy();
    done(outcome);
  };
  const cancel = clock.after(handshakeMs, () => end({ because: 'it did not answer in time' }));
  socket.on('error', (error) => {
    end({ because: error.message });
    socket.destroy();
  });
  socket.once('close', () => end({ because: 'it closed the connection' }));
  socket.once('secureConnect', () => end({ socket, origin: originOf(socket) }));
  return () => end({ because: 'it is not needed any more' });
}

/** The socket as a link sees it. What is read goes to the link once `attach` is called. */
export function transportOf(socket: TLSSocket): Transport & { attach(link: Link): void } {
  socket.setNoDelay(true);
  return {
    write: (octets) => socket.write(octets),
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    close: () => {
      // What is written may still go out; who does not read it is not waited for.
      socket.destroySoon();
      socket.setTimeout(closingMs, () => socket.destroy());
    },
    attach: (link) => {
      socket.on('data', (chunk: Buffer) => link.receive(chunk));
      socket.on('drain', () => link.drained());
      socket.once('close', () => link.close('the connection ended'));
    },
  };
}

function originOf(socket: TLSSocket): string | undefined {
  return socket.getPeerCertificate().fingerprint256?.replaceAll(':', '').toLowerCase();
}
