/** Listens for peers and calls them, over TLS 1.3. */
import { connect, createServer, type TLSSocket } from 'node:tls';
import { type Clock, canonicalIp } from '../../base/index.ts';
import { Admission, type AdmissionLimits, TcpListener } from '../../net/index.ts';
import type { Link, Transport } from './link.ts';

/** Where a node listens or a peer is. */
export interface FloodAddress {
  readonly host: string;
  readonly port: number;
}

/** The certificate and the key of a node, PEM. */
export interface Credentials {
  readonly certificate: string | Buffer;
  readonly key: string | Buffer;
}

/** A connection whose other end has proved its certificate; whether it is a peer is not decided yet. */
export interface Arrival {
  readonly socket: TLSSocket;
  /** SHA-256 of the certificate of the other end, hexadecimal; undefined where it showed none. */
  readonly origin: string | undefined;
}

const handshakeMs = 10_000;
const closingMs = 5000;
/** Silent strangers must leave room for the peers. */
const connections: AdmissionLimits = { all: 256, perClient: 16 };

/**
 * Both ends present certificates, and are admitted by fingerprint, so no authority is needed. TLS 1.3 itself proves
 * that an end has the key of its certificate (RFC 8446 §4.4.3).
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
  // It does not listen itself: it makes the handshake on accepted sockets.
  const handshakes = createServer(options, (socket) => {
    socket.on('error', () => socket.destroy());
    arrived({ socket, origin: originOf(socket) });
  });
  handshakes.on('tlsClientError', (_, socket) => socket.destroy());
  const listener = await TcpListener.bind({ at, failed: () => {} });
  const admission = new Admission();
  listener.serve((socket) => {
    const leave = admission.enter(canonicalIp(socket.remoteAddress ?? '') ?? '', connections);
    if (typeof leave === 'string') {
      socket.destroy();
      return undefined;
    }
    socket.once('close', leave);
    // A peer that ends its side has left; TLS takes this over from the socket.
    socket.allowHalfOpen = false;
    handshakes.emit('connection', socket);
    return socket;
  });
  return { port: listener.port, close: () => listener.drain(AbortSignal.abort()) };
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

/** The socket as a link uses it. Octets are passed to the link once `attach` is called. */
export function transportOf(socket: TLSSocket): Transport & { attach(link: Link): void } {
  socket.setNoDelay(true);
  return {
    write: (octets) => socket.write(octets),
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    close: () => {
      // Written octets may still go out; a peer that does not read them is not waited for.
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
