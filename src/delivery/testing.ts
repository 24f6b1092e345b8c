/** SMTP and LMTP sinks, and attempts, for tests. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { type Envelope, laneName, parseMailbox, QueueIdSource, type Recipient } from '../mail/index.ts';
import type { Attempt } from '../queue/index.ts';

/** The key and self-signed certificate of sinks, for `sink.test`. Trust it by passing it as `ca`. */
export const sinkKey = readFileSync(new URL('testdata/key.pem', import.meta.url), 'utf8');
export const sinkCertificate = readFileSync(new URL('testdata/cert.pem', import.meta.url), 'utf8');

/** The facts that a sink has when it answers. */
export interface SinkMoment {
  /** Connections so far, this one included, from 1. */
  readonly session: number;
  /** Messages taken on this connection. */
  readonly taken: number;
  /** RCPTs accepted in this transaction. */
  readonly accepted: number;
  readonly isTls: boolean;
}

export interface SinkOptions {
  readonly protocol?: 'smtp' | 'lmtp';
  /** EHLO keywords; default: those of a good server, without CHUNKING. */
  readonly keywords?: readonly string[];
  /**
   * The reply to a command line, to `CONNECT`, and to `.` for the end of data (`. <path>` for each recipient
   * with LMTP): whole lines without the last CRLF. `drop` closes the connection, `silence` says nothing;
   * `undefined` is the usual answer.
   */
  readonly answer?: (command: string, moment: SinkMoment) => string | undefined;
  /**
   * Offers STARTTLS, or speaks TLS from the start. `broken` fails every handshake; `certificate` demands one of
   * the client, which TLS 1.3 tells it of after the handshake.
   */
  readonly tls?: 'starttls' | 'implicit' | 'broken' | 'certificate';
  /** A unix socket instead of a port. */
  readonly path?: string;
  /** The loopback address; default 127.0.0.1. */
  readonly host?: string;
  readonly port?: number;
}

/** A message that a sink took. */
export interface SinkMessage {
  readonly mail: string;
  readonly rcpts: readonly string[];
  readonly octets: Buffer;
  readonly session: number;
  readonly isTls: boolean;
}

export interface Sink extends AsyncDisposable {
  readonly port: number;
  readonly messages: SinkMessage[];
  /** Every command line, with the number of its connection: `1 EHLO relay.test`. */
  readonly commands: string[];
  /** Connections so far. */
  readonly sessions: number;
  /** Connections now. */
  readonly open: number;
  /** Resolves when there is no connection. */
  empty(): Promise<void>;
  /** Closes every connection; those that come later are served. */
  dropAll(): void;
}

const usualKeywords = ['PIPELINING', '8BITMIME', 'SMTPUTF8', 'DSN', 'ENHANCEDSTATUSCODES'];

/** A small SMTP or LMTP server on loopback that keeps its mail and gives prepared answers. */
export async function startSink(options: SinkOptions = {}): Promise<Sink> {
  const sockets = new Set<Socket>();
  const messages: SinkMessage[] = [];
  const commands: string[] = [];
  let sessions = 0;
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket
      .on('error', () => {})
      .on('close', () => {
        sockets.delete(socket);
        server.emit('gone');
      });
    new SinkSession(socket, { options, messages, commands, number: ++sessions });
  });
  server.listen(
    options.path === undefined
      ? { host: options.host ?? '127.0.0.1', port: options.port ?? 0 }
      : { path: options.path },
  );
  await once(server, 'listening');
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    messages,
    commands,
    get sessions() {
      return sessions;
    },
    get open() {
      return sockets.size;
    },
    async empty() {
      while (sockets.size > 0) await once(server, 'gone');
    },
    dropAll() {
      for (const socket of sockets) socket.destroy();
    },
    async [Symbol.asyncDispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
      if (server.listening) await once(server, 'close');
    },
  };
}

interface SessionParts {
  readonly options: SinkOptions;
  readonly messages: SinkMessage[];
  readonly commands: string[];
  readonly number: number;
}

class SinkSession {
  readonly #parts: SessionParts;
  readonly #socket: Socket;
  #stream: Duplex;
  #received: Buffer = Buffer.alloc(0);
  /** Octets of content still to come: of BDAT; `dot` for DATA. */
  #content: number | 'dot' | undefined;
  #line = '';
  #pieces: Buffer[] = [];
  #mail = '';
  #rcpts: string[] = [];
  #taken = 0;
  #isTls = false;
  #isOver = false;

  constructor(socket: Socket, parts: SessionParts) {
    this.#parts = parts;
    this.#socket = socket;
    this.#stream = socket;
    if (parts.options.tls === 'implicit') this.#secure();
    this.#listen();
    this.#say('CONNECT', '220 sink.test ESMTP');
  }

  #listen(): void {
    this.#stream.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      while (this.#step());
    });
  }

  #secure(): void {
    this.#stream.removeAllListeners('data');
    this.#received = Buffer.alloc(0);
    const socket = new TLSSocket(this.#socket, {
      isServer: true,
      key: sinkKey,
      cert: sinkCertificate,
      ...(this.#parts.options.tls === 'certificate' ? { requestCert: true, rejectUnauthorized: true } : {}),
    });
    socket.on('error', () => {});
    this.#stream = socket;
    this.#isTls = true;
  }

  /** One line or piece of content; false when more octets are needed. */
  #step(): boolean {
    if (this.#isOver) return false;
    if (this.#content === 'dot') return this.#stepDots();
    if (this.#content !== undefined) return this.#stepOctets(this.#content);
    const end = this.#received.indexOf('\r\n');
    if (end < 0) return false;
    const line = this.#received.toString('utf8', 0, end);
    this.#received = this.#received.subarray(end + 2);
    this.#parts.commands.push(`${this.#parts.number} ${line}`);
    this.#onCommand(line);
    return true;
  }

  #stepDots(): boolean {
    const end = this.#received.indexOf('\r\n.\r\n');
    const isEmpty = this.#received.indexOf('.\r\n') === 0;
    if (end < 0 && !isEmpty) return false;
    const stuffed = isEmpty ? '' : this.#received.toString('latin1', 0, end + 2);
    this.#received = this.#received.subarray(isEmpty ? 3 : end + 5);
    this.#pieces.push(Buffer.from(stuffed.replace(/^\./gm, ''), 'latin1'));
    this.#content = undefined;
    this.#take();
    return true;
  }

  #stepOctets(wanted: number): boolean {
    if (this.#received.length < wanted) return false;
    this.#pieces.push(this.#received.subarray(0, wanted));
    this.#received = this.#received.subarray(wanted);
    this.#content = undefined;
    if (!/ LAST$/i.test(this.#line)) this.#say(this.#line, '250 2.0.0 octets taken');
    else if (this.#rcpts.length === 0) this.#say(this.#line, '503 5.5.1 no recipients');
    else this.#take();
    return true;
  }

  #take(): void {
    const { messages, options, number } = this.#parts;
    const moment = { mail: this.#mail, rcpts: this.#rcpts, session: number, isTls: this.#isTls };
    const ends = options.protocol === 'lmtp' ? this.#rcpts.map((rcpt) => `. <${rcpt}>`) : ['.'];
    const isTaken = ends.map((end) => this.#say(end, '250 2.0.0 taken')).some((isPositive) => isPositive);
    if (isTaken) {
      messages.push({ ...moment, octets: Buffer.concat(this.#pieces) });
      this.#taken++;
    }
    this.#reset();
  }

  #reset(): void {
    this.#mail = '';
    this.#rcpts = [];
    this.#pieces = [];
  }

  #onCommand(line: string): void {
    const verb = line.split(/[ :]/, 1)[0]?.toUpperCase() ?? '';
    switch (verb) {
      case 'EHLO':
      case 'LHLO':
        this.#say(line, this.#offer());
        return;
      case 'STARTTLS':
        if (this.#say(line, '220 2.0.0 go ahead')) this.#startTls();
        return;
      case 'AUTH':
        this.#say(line, '235 2.7.0 welcome');
        return;
      case 'MAIL':
        this.#reset();
        if (this.#say(line, '250 2.1.0 ok')) this.#mail = line.slice('MAIL FROM:'.length);
        return;
      case 'RCPT':
        if (this.#say(line, this.#mail === '' ? '503 5.5.1 no sender' : '250 2.1.5 ok'))
          this.#rcpts.push(/<(.*)>/.exec(line)?.[1] ?? '');
        return;
      case 'DATA':
        if (this.#say(line, this.#rcpts.length > 0 ? '354 go on' : '503 5.5.1 no recipients'))
          this.#content = 'dot';
        return;
      case 'BDAT':
        this.#line = line;
        this.#content = Number(line.split(' ')[1]);
        return;
      case 'QUIT':
        if (this.#say(line, '221 2.0.0 bye')) this.#stream.end();
        return;
      case 'RSET':
        this.#reset();
        this.#say(line, '250 2.0.0 ok');
        return;
      default:
        this.#say(line, '250 2.0.0 ok');
    }
  }

  #offer(): string {
    const { keywords = usualKeywords, tls } = this.#parts.options;
    const hasStartTls = !this.#isTls && tls !== undefined && tls !== 'implicit';
    const lines = ['sink.test', ...keywords, ...(hasStartTls ? ['STARTTLS'] : [])];
    return lines.map((text, i) => `250${i === lines.length - 1 ? ' ' : '-'}${text}`).join('\r\n');
  }

  #startTls(): void {
    if (this.#parts.options.tls === 'broken') {
      // Not TLS at all: the handshake of the client fails.
      this.#stream.removeAllListeners('data');
      this.#stream.once('data', () => this.#stream.end('this is not TLS\r\n'));
      return;
    }
    this.#secure();
    this.#listen();
  }

  /** Answers as prepared, or as usual; true when the reply was positive. */
  #say(command: string, usual: string): boolean {
    const { options, number } = this.#parts;
    const moment = { session: number, taken: this.#taken, accepted: this.#rcpts.length, isTls: this.#isTls };
    const text = options.answer?.(command, moment) ?? usual;
    if (text === 'silence') return false;
    if (text === 'drop') {
      this.#stream.destroy();
      this.#isOver = true;
      return false;
    }
    this.#stream.write(`${text}\r\n`);
    if (text.startsWith('421')) this.#stream.end();
    return /^[23]/.test(text);
  }
}

/** Stored octets in memory, or in pieces of `pieceSize` as those of a large message. */
export function storedOctets(octets: Buffer, pieceSize?: number): Attempt['octets'] {
  return {
    size: octets.length,
    whole: pieceSize === undefined ? octets : undefined,
    async *chunks(from = 0) {
      const size = pieceSize ?? octets.length;
      for (let at = from; at < octets.length; at += size) yield octets.subarray(at, at + size);
    },
  };
}

const ids = new QueueIdSource({ shard: 0, now: () => Date.UTC(2026, 0, 1) });

export interface AttemptChanges {
  readonly lane?: string;
  /** Default: all. */
  readonly only?: readonly number[];
  readonly envelope?: Partial<Envelope>;
  readonly pieceSize?: number;
}

/** A recipient of an address; UTF-8 is allowed. Throws when it is none. */
export function recipientOf(text: string): Recipient {
  const address = parseMailbox(text, { smtputf8: true });
  if (address === undefined) throw new Error(`not an address: "${text}"`);
  return { address };
}

/** An attempt with a message (text in UTF-8, lines with CRLF) from `sender@origin.test`. */
export function attemptFor(
  text: string | Buffer,
  to: readonly string[],
  changes: AttemptChanges = {},
): Attempt {
  const octets = Buffer.from(text);
  const envelope: Envelope = {
    reversePath: recipientOf('sender@origin.test').address,
    recipients: to.map(recipientOf),
    body: '7bit',
    smtputf8: false,
    content: {
      size: octets.length,
      hasEightBit: octets.some((octet) => octet > 127),
      hasLeadingDot: true,
      endsWithCrlf: octets.subarray(-2).toString() === '\r\n',
      isBinary: octets.includes(0),
    },
    origin: { client: '192.0.2.1', helo: 'client.test', listener: 'mx', ground: 'network', session: 's1' },
    receivedAt: Date.UTC(2026, 0, 1),
    ...changes.envelope,
  };
  return {
    id: ids.next(),
    lane: laneName(changes.lane ?? ''),
    envelope,
    recipients: changes.only ?? to.map((_, index) => index),
    octets: storedOctets(octets, changes.pieceSize),
    number: 1,
  };
}
