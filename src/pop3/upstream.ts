/** The POP3 server behind the proxy. */
import { connect as connectTcp, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { type Clock, certificateNameFault } from '../base/index.ts';
import { type Endpoint, encodeProxyHeader } from '../net/index.ts';
import { nextOctets, writeOctets } from './connection.ts';
import { LineReader } from './line-reader.ts';
import type { PopUpstream } from './options.ts';

/** The server violated POP3. `message` is for the log. */
export class UpstreamError extends Error {
  override readonly name = 'UpstreamError';
}

const maxLineOctets = 16 * 1024;
const maxLines = 200;

/** A server that has greeted. One question at a time, each answered within its time. */
export class UpstreamSession {
  readonly greeting: string;
  readonly #socket: Socket;
  readonly #lines: LineReader;
  readonly #parts: UpstreamParts;

  private constructor(socket: Socket, lines: LineReader, greeting: string, parts: UpstreamParts) {
    this.#socket = socket;
    this.#lines = lines;
    this.greeting = greeting;
    this.#parts = parts;
  }

  /** Connects, waits for the greeting and for TLS. Rejects with `UpstreamError`. */
  static async open(parts: UpstreamParts, client: Endpoint): Promise<UpstreamSession> {
    const { upstream } = parts;
    const raw = await connected(
      connectTcp({ host: upstream.host, port: upstream.port, noDelay: true }),
      parts,
    );
    if (upstream.sendProxy) {
      const here = { address: raw.localAddress ?? '', port: raw.localPort ?? 0 };
      await writeOctets(raw, encodeProxyHeader(client, here));
    }
    if (upstream.tls === 'implicit') return UpstreamSession.#greet(await secured(raw, parts), parts);
    const plain = await UpstreamSession.#greet(raw, parts);
    if (upstream.tls === 'none') return plain;
    const reply = await plain.ask('STLS');
    if (!isOk(reply)) throw plain.#broken(`it refused STLS: ${reply}`);
    if (plain.#lines.pending > 0) throw plain.#broken('something came behind its answer to STLS');
    const socket = await secured(raw, parts);
    return new UpstreamSession(socket, linesOf(socket), plain.greeting, parts);
  }

  static async #greet(socket: Socket, parts: UpstreamParts): Promise<UpstreamSession> {
    const lines = linesOf(socket);
    const session = new UpstreamSession(socket, lines, '', parts);
    const greeting = await session.#line();
    if (!isOk(greeting)) throw session.#broken(`it greeted with ${greeting}`);
    return new UpstreamSession(socket, lines, greeting, parts);
  }

  /** Sends a line and waits for the answer, which begins with `+OK`, `-ERR` or `+ `. */
  async ask(line: string): Promise<string> {
    // An answer before the question is none: it would be taken for the answer to a login.
    if (this.#lines.pending > 0) throw this.#broken('it spoke without being asked');
    await writeOctets(this.#socket, `${line}\r\n`);
    const answer = await this.#line();
    if (this.#lines.pending > 0 && !isOk(answer)) throw this.#broken('it answered more than it was asked');
    if (!/^(?:\+OK|-ERR)(?: |$)|^\+ |^\+$/.test(answer))
      // The answer is not quoted: it may contain the password that was sent.
      throw this.#broken('it sent no valid reply of POP3');
    return answer;
  }

  /** The lines up to the dot, after an answer that has them. */
  async more(): Promise<readonly string[]> {
    const lines: string[] = [];
    for (let line = await this.#line(); line !== '.'; line = await this.#line()) {
      if (lines.push(line) > maxLines) throw this.#broken('a list of capabilities without an end');
    }
    return lines;
  }

  /** The octets behind the last answer. */
  takePending(): Buffer {
    return this.#lines.take();
  }

  read(): Promise<Buffer | undefined> {
    return nextOctets(this.#socket);
  }

  write(octets: Uint8Array): Promise<void> {
    return writeOctets(this.#socket, octets);
  }

  end(): void {
    if (!this.#socket.destroyed) this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  async #line(): Promise<string> {
    const { clock, upstream } = this.#parts;
    let isLate = false;
    const cancel = clock.after(upstream.timeoutMs, () => {
      isLate = true;
      this.#socket.destroy();
    });
    const line = await this.#lines.next();
    cancel();
    if (line.kind === 'line') return line.text;
    if (line.kind === 'bad') throw this.#broken('it sent a malformed line');
    throw this.#broken(isLate ? 'it did not answer in time' : 'it closed the connection');
  }

  #broken(because: string): UpstreamError {
    this.#socket.destroy();
    return new UpstreamError(because);
  }
}

/** The parts of an upstream session. */
export interface UpstreamParts {
  readonly upstream: PopUpstream;
  readonly clock: Clock;
}

export function isOk(answer: string): boolean {
  return /^\+OK(?: |$)/.test(answer);
}

function linesOf(socket: Socket): LineReader {
  return new LineReader(() => nextOctets(socket), maxLineOctets);
}

function secured(raw: Socket, parts: UpstreamParts): Promise<Socket> {
  const { host, verify, ca } = parts.upstream;
  const options: ConnectionOptions = {
    socket: raw,
    host,
    rejectUnauthorized: verify,
    checkServerIdentity: (_host, certificate) => certificateNameFault(host, certificate),
    minVersion: 'TLSv1.2',
    ...(/[a-z]/i.test(host) && !host.includes(':') && { servername: host }),
    ...(ca !== undefined && { ca }),
  };
  return connected(connectTls(options), parts, 'secureConnect');
}

/** Waits for a connection or a handshake. */
function connected(
  socket: Socket,
  { clock, upstream }: UpstreamParts,
  event: 'connect' | 'secureConnect' = 'connect',
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const fail = (because: string) => {
      cancel();
      socket.destroy();
      reject(new UpstreamError(because));
    };
    const cancel = clock.after(upstream.timeoutMs, () => fail('it does not answer'));
    const onError = (error: Error) => fail(error.message);
    const onClose = () => fail('it closed the connection');
    socket.once('error', onError);
    socket.once('close', onClose);
    socket.once(event, () => {
      cancel();
      socket.off('error', onError);
      socket.off('close', onClose);
      socket.on('error', () => socket.destroy());
      socket.pause();
      resolve(socket);
    });
  });
}
