/** A raw dialogue with a server that may answer anything. */
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { harmlessText } from '../base/index.ts';

/** The result of a command: a reply, nonsense, or the end of the connection. */
export type Heard =
  /** `text` is the reply, escaped, its lines joined by ` / `. */
  | { readonly kind: 'reply'; readonly code: number; readonly text: string }
  /** Something that is no reply. */
  | { readonly kind: 'nonsense'; readonly text: string }
  | { readonly kind: 'closed'; readonly because: string };

/** Where to connect, and how. */
export interface DialogueOptions {
  readonly host: string;
  readonly port: number;
  readonly localAddress?: string;
  readonly localPort?: number;
  /** TLS from the first octet. */
  readonly isImplicitTls?: boolean;
  /** Octets to send first of all, before TLS; latin1. */
  readonly header?: string;
  /** Octets to send before the greeting is read; latin1. */
  readonly prelude?: string;
  /** How long the server may take for each reply, and for the connection. */
  readonly replyMs: number;
  readonly signal: AbortSignal;
}

/** Bounds of one reply, in octets, and of unasked lines; a longer reply is nonsense. */
const maxReplyOctets = 64 * 1024;
const maxUnasked = 100;
/** The part of a reply that is kept as evidence. */
const maxEvidence = 2000;

/**
 * A raw dialogue with a server that may answer anything: lines go out exactly as given, and each answer is taken as it
 * looks. Bounded in time and octets. Nothing here rejects: a connection that ends is reported by every answer from
 * then on.
 */
export class Dialogue implements Disposable {
  readonly #options: DialogueOptions;
  readonly #raw: Socket;
  #socket: Socket;
  #octets = '';
  #ended: string | undefined;
  #wake: () => void = () => {};
  readonly #abort: () => void;

  private constructor(options: DialogueOptions, raw: Socket) {
    this.#options = options;
    this.#raw = raw;
    this.#socket = raw;
    this.#abort = () => this.#end('given up');
    options.signal.addEventListener('abort', this.#abort);
    raw.on('error', (error) => this.#end(error.message));
    raw.on('close', () => this.#end('the server closed the connection'));
  }

  /** Connects and reads the greeting. Both may be an end. */
  static async open(
    options: DialogueOptions,
  ): Promise<{ readonly dialogue: Dialogue; readonly greeting: Heard }> {
    const { host, port, localAddress, localPort, header = '', prelude = '' } = options;
    const raw = connectTcp({
      host,
      port,
      noDelay: true,
      ...(localAddress === undefined ? {} : { localAddress }),
      ...(localPort === undefined ? {} : { localPort }),
    });
    const dialogue = new Dialogue(options, raw);
    if (options.signal.aborted) dialogue.#abort();
    await dialogue.#until(() => !raw.connecting, 'no connection');
    dialogue.write(header);
    if (options.isImplicitTls === true) await dialogue.#secure();
    else dialogue.#listen();
    dialogue.write(prelude);
    return { dialogue, greeting: await dialogue.hear() };
  }

  get isOpen(): boolean {
    return this.#ended === undefined;
  }

  get isSecure(): boolean {
    return this.#socket !== this.#raw;
  }

  /** Writes octets given as latin1. */
  write(text: string): void {
    if (this.isOpen && text !== '') this.#socket.write(Buffer.from(text, 'latin1'));
  }

  /** Sends one line and gives the answer. */
  say(line: string): Promise<Heard> {
    this.write(`${line}\r\n`);
    return this.hear();
  }

  /** The next reply. */
  async hear(): Promise<Heard> {
    let taken: Heard | undefined;
    const isThere = () => {
      taken ??= this.#take();
      return taken !== undefined;
    };
    await this.#until(isThere, 'no answer in time');
    return taken ?? { kind: 'closed', because: this.#ended ?? 'closed' };
  }

  /** The unasked lines of the server, until it was silent for `quietMs`. */
  async rest(quietMs: number): Promise<readonly Heard[]> {
    const found: Heard[] = [];
    for (let isQuiet = false; !isQuiet && this.isOpen && found.length < maxUnasked; ) {
      const length = this.#octets.length;
      await new Promise((resolve) => setTimeout(resolve, quietMs));
      isQuiet = this.#octets.length === length;
      for (let heard = this.#take(); heard !== undefined; heard = this.#take()) found.push(heard);
    }
    return found;
  }

  /** The handshake, after the server has agreed to it. Text received in clear is thrown away (RFC 3207 §5). */
  async secure(): Promise<boolean> {
    this.#raw.removeAllListeners('data');
    this.#octets = '';
    await this.#secure();
    return this.isOpen;
  }

  /** Sends QUIT, waits a moment, and closes. */
  async quit(): Promise<void> {
    if (this.isOpen) await this.say('QUIT');
    this[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.#options.signal.removeEventListener('abort', this.#abort);
    this.#ended ??= 'we left';
    this.#socket.destroy();
    this.#raw.destroy();
  }

  async #secure(): Promise<void> {
    // The certificate does not matter: the test is of the policy behind it.
    const secured = connectTls({ socket: this.#raw, rejectUnauthorized: false });
    let isSecure = false;
    secured.on('secureConnect', () => {
      isSecure = true;
      this.#wake();
    });
    secured.on('error', (error) => this.#end(`TLS: ${error.message}`));
    secured.on('close', () => this.#end('the server closed the connection'));
    this.#socket = secured;
    this.#listen();
    await this.#until(() => isSecure, 'no TLS in time');
  }

  #listen(): void {
    this.#socket.on('data', (octets: Buffer) => {
      if (this.#octets.length < maxReplyOctets) this.#octets += octets.toString('latin1');
      this.#wake();
    });
    this.#socket.on('connect', () => this.#wake());
  }

  #end(because: string): void {
    this.#ended ??= because;
    this.#socket.destroy();
    this.#raw.destroy();
    this.#wake();
  }

  /** Waits until the condition holds or the dialogue has ended; a wait that takes too long ends with `late`. */
  async #until(condition: () => boolean, late: string): Promise<void> {
    const timer = setTimeout(() => this.#end(late), this.#options.replyMs);
    const connected = () => this.#wake();
    this.#raw.once('connect', connected);
    try {
      while (!condition() && this.isOpen) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
          if (condition() || !this.isOpen) resolve();
        });
      }
    } finally {
      clearTimeout(timer);
      this.#raw.off('connect', connected);
      this.#wake = () => {};
    }
  }

  /** A whole reply among the received lines: lines with one code, of which the last has no hyphen after it. */
  #take(): Heard | undefined {
    const lines: string[] = [];
    let at = 0;
    for (let end = this.#octets.indexOf('\n'); end >= 0; end = this.#octets.indexOf('\n', at)) {
      const line = this.#octets.slice(at, end).replace(/\r$/, '');
      at = end + 1;
      lines.push(line);
      const match = /^([2-5]\d\d)(?:([ -])|$)/.exec(line);
      if (match !== null && match[2] === '-') continue;
      this.#octets = this.#octets.slice(at);
      const text = evidence(lines);
      return match === null ? { kind: 'nonsense', text } : { kind: 'reply', code: Number(match[1]), text };
    }
    if (this.#octets.length < maxReplyOctets) return undefined;
    const text = evidence([this.#octets]);
    this.#octets = '';
    return { kind: 'nonsense', text };
  }
}

function evidence(lines: readonly string[]): string {
  const text = harmlessText(lines.join(' / '));
  return text.length <= maxEvidence ? text : `${text.slice(0, maxEvidence)}…`;
}
