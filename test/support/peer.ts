/** SMTP clients of tests, over a socket and in memory. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { Background, memoryLog, systemClock } from '../../src/base/index.ts';
import { Session, type Wire } from '../../src/receiver/index.ts';
import { MemoryIntake } from './intake.ts';
import { type MemoryOptions, testListener, testSettings } from './server.ts';

/** How long a reply may take before a test fails. */
const patienceMs = 5_000;

const opening = [
  ['EHLO client.example', 250],
  ['MAIL FROM:<>', 250],
  ['RCPT TO:<u@example.org>', 250],
  ['DATA', 354],
] as const;

/** The other side of a session: what it says is octets, what it hears is lines. */
export abstract class Peer {
  #heard = '';
  #isOver = false;
  #wake: () => void = () => {};

  abstract send(octets: string | Uint8Array): void;
  abstract startTls(): Promise<void>;

  /** All that was heard and not yet taken. */
  get unread(): string {
    return this.#heard;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** The next line of the server without its CRLF. Rejects when none comes. */
  async line(): Promise<string> {
    for (let end = this.#heard.indexOf('\r\n'); ; end = this.#heard.indexOf('\r\n')) {
      if (end >= 0) {
        const line = this.#heard.slice(0, end);
        this.#heard = this.#heard.slice(end + 2);
        return line;
      }
      if (this.#isOver) throw new Error(`the server closed; unread: ${JSON.stringify(this.#heard)}`);
      await this.#more('a reply');
    }
  }

  /** The next reply: its last line, which begins with the code. */
  async reply(): Promise<string> {
    for (;;) {
      const line = await this.line();
      if (line[3] !== '-') return line;
    }
  }

  /** Sends a line and gives the reply. */
  async command(line: string): Promise<string> {
    this.send(`${line}\r\n`);
    return this.reply();
  }

  /** Sends lines one by one, each of which must be answered with its code. */
  async expect(...steps: readonly (readonly [line: string, code: number])[]): Promise<void> {
    for (const [line, code] of steps) {
      const reply = await this.command(line);
      if (!reply.startsWith(`${code} `)) throw new Error(`${line}: wanted ${code}, got ${reply}`);
    }
  }

  /** From EHLO to this command of a plain transaction. */
  async upTo(last: 'EHLO' | 'MAIL' | 'RCPT' | 'DATA'): Promise<void> {
    for (const [line, code] of opening) {
      await this.expect([line, code]);
      if (line.startsWith(last)) return;
    }
  }

  /** Waits for the server to close. Rejects when it says anything that was not taken. */
  async over(): Promise<void> {
    while (!this.#isOver) await this.#more('the end');
    if (this.#heard !== '') throw new Error(`left unread: ${JSON.stringify(this.#heard)}`);
  }

  protected hear(text: string): void {
    this.#heard += text;
    this.#wake();
  }

  protected ended(): void {
    this.#isOver = true;
    this.#wake();
  }

  async #more(what: string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const late = new Error(`waited in vain for ${what}; unread: ${JSON.stringify(this.#heard)}`);
    const timer = setTimeout(() => reject(late), patienceMs);
    this.#wake = resolve;
    await promise.finally(() => clearTimeout(timer));
  }
}

/** A peer over a socket. */
export class SocketPeer extends Peer implements AsyncDisposable {
  readonly socket: Socket;
  #stream: Socket;

  constructor(socket: Socket) {
    super();
    this.socket = socket;
    this.#stream = socket;
    socket.on('error', () => {});
    socket.on('close', () => this.ended());
    this.#listen();
  }

  /** Connects; with `implicit`, also begins TLS. */
  static async connect(port: number, tls: 'none' | 'implicit' = 'none'): Promise<SocketPeer> {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    await once(socket, 'connect');
    const peer = new SocketPeer(socket);
    if (tls === 'implicit') await peer.startTls();
    return peer;
  }

  /** Connects, and reads the greeting. */
  static async greeted(port: number): Promise<SocketPeer> {
    const peer = await SocketPeer.connect(port);
    await peer.reply();
    return peer;
  }

  get tls(): TLSSocket {
    if (!('getPeerCertificate' in this.#stream)) throw new Error('no TLS yet');
    return this.#stream as TLSSocket;
  }

  send(octets: string | Uint8Array): void {
    this.#stream.write(octets);
  }

  /** Says no more, and still listens. */
  end(): void {
    this.#stream.end();
  }

  async startTls(): Promise<void> {
    this.socket.removeAllListeners('data');
    const secured = connectTls({ socket: this.socket, rejectUnauthorized: false });
    secured.on('error', () => {});
    await once(secured, 'secureConnect');
    this.#stream = secured;
    this.#listen();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stream.destroy();
    this.socket.destroy();
    if (!this.socket.closed) await once(this.socket, 'close');
  }

  #listen(): void {
    this.#stream.on('data', (octets: Buffer) => this.hear(octets.toString('latin1')));
  }
}

/** A peer of a `Session` without a socket, for what would take too many of them. */
export class MemoryPeer extends Peer implements AsyncDisposable {
  readonly intake = new MemoryIntake();
  readonly log = memoryLog();
  readonly background = new Background(this.log);
  readonly session: Session;
  /** How often the session has written. */
  writes = 0;
  #isPaused = false;
  #waiting: Buffer[] = [];

  constructor(options: MemoryOptions = {}) {
    super();
    const wire: Wire = {
      write: (text) => {
        this.writes++;
        this.hear(text);
      },
      pause: () => {
        this.#isPaused = true;
      },
      resume: () => {
        this.#isPaused = false;
        this.#deliver();
      },
      end: () => this.ended(),
      startTls: () => this.session.secured({ version: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384' }),
    };
    const facts = {
      id: 's1',
      listener: testListener(options.listener),
      settings: testSettings(options),
      ...(options.current && { current: options.current }),
      ...(options.tls && { tls: options.tls }),
      address: options.address ?? '127.0.0.1',
      port: 1025,
    };
    const { intake, log, background } = this;
    const parts = { intake, clock: options.clock ?? systemClock, log: options.log ?? log, background };
    this.session = new Session(facts, parts, wire);
    this.session.greet();
  }

  /** After the greeting and EHLO. */
  static async identified(options: MemoryOptions = {}): Promise<MemoryPeer> {
    const peer = new MemoryPeer(options);
    await peer.reply();
    await peer.upTo('EHLO');
    return peer;
  }

  send(octets: string | Uint8Array): void {
    this.#waiting.push(typeof octets === 'string' ? Buffer.from(octets) : Buffer.from(octets));
    this.#deliver();
  }

  /** `secured` was called when the server began TLS. */
  async startTls(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {
    this.session.closed();
    await this.background.drain();
    const bugs = this.log.lines.filter(({ event }) => event.endsWith('-failed'));
    if (bugs.length > 0) throw new Error(`the session had a bug: ${JSON.stringify(bugs)}`);
    if (this.intake.open > 0) throw new Error('a message was neither committed nor discarded');
  }

  #deliver(): void {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      this.session.receive(next);
      if (this.#isPaused) return;
    }
  }
}
