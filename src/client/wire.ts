/** A stream to a server that answers in replies. */
import type { Duplex } from 'node:stream';
import { type ConnectionOptions, connect as connectTls, TLSSocket } from 'node:tls';
import { type Clock, type Redactor, redactor, type Secrets } from '../base/index.ts';
import type { Reply } from '../mail/index.ts';
import { ReplyReader } from '../smtp/index.ts';
import { ClientError, type ClientErrorCode, type ClientPhase } from './client-error.ts';
import { Deadline } from './deadline.ts';
import { verbWithControl, Writer } from './writer.ts';

/** How a group of replies is waited for: its phases, for errors, and how long each reply may take. */
export interface Wait {
  /** The phase while no reply has come, while some have, and while only the last is missing. */
  readonly phases: readonly [first: ClientPhase, between: ClientPhase, last: ClientPhase];
  readonly eachMs: number;
  readonly lastMs: number;
}

/** The facts of a failure besides its code: a phase other than the wire's present one, and its cause. */
export interface FailureFacts {
  readonly phase?: ClientPhase;
  readonly cause?: unknown;
}

/** The wait for replies that are all alike. */
export function waitFor(phase: ClientPhase, eachMs: number): Wait {
  return { phases: [phase, phase, phase], eachMs, lastMs: eachMs };
}

/**
 * The octets that a server may send between two commands before we stop listening: the largest EHLO replies seen are
 * below 4 KiB. Each expected reply adds a little, for a group with hundreds of recipients.
 */
const baseAllowance = 64 * 1024;
const replyAllowance = 2 * 1024;

/** Octets that may wait for the network before a writer is asked to pause. */
const highWater = 64 * 1024;

/** Replies that were asked for together. */
interface Group {
  readonly count: number;
  readonly wait: Wait;
  readonly replies: Reply[];
  readonly settle: (replies: readonly Reply[]) => void;
}

/**
 * A stream to a server that answers in replies. It matches replies to commands, keeps the deadline of the phase, and
 * ends for good at the first fault: then `error` is its cause, and callers get the replies that came so far. Nothing
 * here rejects or throws.
 */
export class Wire {
  #stream: Duplex;
  #writer: Writer;
  #reader = new ReplyReader();
  readonly #deadline: Deadline;
  /** The signals that are listened to. */
  readonly #signals = new Map<AbortSignal, () => void>();
  #heeded: AbortSignal | undefined;
  #lastHeeded: AbortSignal | undefined;
  #phase: ClientPhase = 'connect';
  #error: ClientError | undefined;
  #farewell: Reply | undefined;
  #allowance = baseAllowance;
  /** The group that is being answered, and the one that was asked for behind it. */
  #group: Group | undefined;
  #behind: Group | undefined;
  #resume: (() => void) | undefined;
  #redactor: Redactor | undefined;

  /** `stream` may still be connecting. One that is `fed` emits no 'data': its owner calls `receive` with the octets. */
  constructor(stream: Duplex, clock: Clock, { isFed = false } = {}) {
    this.#stream = stream;
    this.#writer = new Writer(stream);
    this.#deadline = new Deadline(clock, () => this.fail('timeout', 'the server took too long'));
    this.#listen();
    if (!isFed) stream.on('data', this.receive);
  }

  /** Why the wire ended; `undefined` while it is open. */
  get error(): ClientError | undefined {
    return this.#error;
  }

  /** The 421 of a server that is closing. No reply is waited for after it. */
  get farewell(): Reply | undefined {
    return this.#farewell;
  }

  /** Replies are being waited for. */
  get isWaiting(): boolean {
    return this.#group !== undefined;
  }

  /** Open, nothing under way, the server not closing. */
  get isIdle(): boolean {
    return this.#error === undefined && this.#farewell === undefined && !this.isWaiting;
  }

  /** Octets of a reply that is not complete have come. */
  get hasPartialReply(): boolean {
    return this.#reader.hasMore;
  }

  /** Ends the wire when the signal fires, whenever that is. */
  watch(signal: AbortSignal): void {
    if (this.#error !== undefined) return;
    if (signal.aborted) this.#onAbort();
    else this.#listenTo(signal, this.#onAbort);
  }

  /**
   * Ends the wire when the signal fires, until it is called again, with `undefined` after a transaction. Attempts share
   * their signal, so it stays listened to: to add and to remove a listener for each message costs a microsecond.
   */
  heed(signal: AbortSignal | undefined): void {
    this.#heeded = signal;
    if (signal === undefined || this.#error !== undefined) return;
    if (signal.aborted) this.#onAbort();
    else if (!this.#signals.has(signal)) {
      if (this.#lastHeeded !== undefined) this.#unlisten(this.#lastHeeded);
      this.#lastHeeded = signal;
      this.#listenTo(signal, () => signal === this.#heeded && this.#onAbort());
    }
  }

  #listenTo(signal: AbortSignal, onAbort: () => void): void {
    this.#signals.set(signal, onAbort);
    signal.addEventListener('abort', onAbort);
  }

  #unlisten(signal: AbortSignal): void {
    const onAbort = this.#signals.get(signal);
    if (onAbort !== undefined) signal.removeEventListener('abort', onAbort);
    this.#signals.delete(signal);
  }

  /** Writes octets of content. */
  write(octets: Buffer): void {
    if (this.#error === undefined && octets.length > 0) this.#writer.write(octets);
  }

  /**
   * Writes commands, each without its CRLF. All commands go out here: if one of them has a control character, from
   * whatever envelope, none is written and the wire ends. Those of a group are one write.
   */
  say(commands: readonly string[]): void {
    const odd = verbWithControl(commands);
    if (odd !== undefined) this.fail('internal', `${odd} would hold a control character`);
    if (this.#error === undefined) this.#writer.write(`${commands.join('\r\n')}\r\n`);
  }

  /** Makes one write of all that is written until `uncork`. */
  cork(): void {
    this.#writer.cork();
  }

  uncork(): void {
    if (this.#error === undefined) this.#writer.uncork();
  }

  /** From now on no reply contains any of these: a server may repeat them, and replies are kept. */
  conceal(secrets: Secrets): void {
    this.#redactor = redactor(secrets);
  }

  /** Begins a phase in which no reply is owed yet. */
  enter(phase: ClientPhase, timeoutMs: number): void {
    if (this.#error !== undefined) return;
    this.#phase = phase;
    this.#deadline.set(timeoutMs);
  }

  /**
   * Resolves with the next `count` replies, or with fewer when the wire ends or the server says 421 (which is
   * then the last of them). To be called in the same turn as the write that asks for them. While replies are waited
   * for, one more group may be asked for, whose turn comes when they are there.
   */
  expect(count: number, wait: Wait): Promise<readonly Reply[]> {
    if (this.#error !== undefined || this.#farewell !== undefined) return Promise.resolve([]);
    return new Promise((settle) => {
      const group = { count, wait, settle, replies: [] };
      if (this.#group === undefined) {
        this.#allowance = baseAllowance;
        this.#group = group;
        this.#progress(group);
      } else this.#behind = group;
      this.#allowance += count * replyAllowance;
    });
  }

  /** Sends a command, without its CRLF, and resolves with its reply; `undefined` when none came. */
  async ask(command: string, wait: Wait): Promise<Reply | undefined> {
    const replies = this.expect(1, wait);
    this.say([command]);
    return (await replies)[0];
  }

  /**
   * Resolves when the network has taken enough of the written octets for more to be useful, when all expected replies
   * have come, or when the wire has ended. `undefined` when there is no need to wait.
   */
  drained(): Promise<void> | undefined {
    if (!this.isWaiting || this.#stream.writableLength < highWater) return undefined;
    return new Promise((resolve) => {
      this.#resume = resolve;
    });
  }

  /** Waits for the connection to be made. */
  async connected(timeoutMs: number): Promise<void> {
    this.enter('connect', timeoutMs);
    if (this.#error !== undefined) return;
    await this.#event('connect');
    this.#deadline.clear();
  }

  /** Puts TLS on the stream. Everything from then on goes through it. */
  async secure(options: ConnectionOptions, timeoutMs: number): Promise<TLSSocket | undefined> {
    this.enter('tls', timeoutMs);
    if (this.#error !== undefined) return undefined;
    this.#forget();
    // The stream below still reports its own end; only TLS's view of it counts.
    this.#stream.on('error', () => {});
    const secured = connectTls({ ...options, socket: this.#stream });
    this.#stream = secured;
    this.#writer = new Writer(secured);
    this.#reader = new ReplyReader();
    this.#listen();
    secured.on('data', this.receive);
    await this.#event('secureConnect');
    this.#deadline.clear();
    return this.#error === undefined ? secured : undefined;
  }

  /** Ends the wire because of something the owner found. The first reason stays. */
  fail(code: ClientErrorCode, message: string, about: FailureFacts = {}): void {
    if (this.#error !== undefined) return;
    const { phase = this.#phase, cause } = about;
    const reply = this.#farewell;
    this.#end(new ClientError(code, phase, `${message} (${phase})`, reply ? { cause, reply } : { cause }));
    this.#stream.destroy();
  }

  /** Closes at once. */
  close(): void {
    this.fail('closed', 'the session was closed by us');
  }

  /** Sends the last words and closes when they are out, but no later than after `timeoutMs`. */
  async leave(lastWords: string, timeoutMs: number): Promise<void> {
    if (this.#error !== undefined) return;
    try {
      this.#stream.end(lastWords);
      this.enter('quit', timeoutMs);
      await this.#event('finish');
    } finally {
      this.close();
    }
  }

  readonly #onAbort = (): void => this.fail('aborted', 'the session was aborted');

  #listen(): void {
    const stream = this.#stream;
    stream.on('drain', this.#onDrain);
    stream.on('error', this.#onError);
    stream.on('end', this.#onClose);
    stream.on('close', this.#onClose);
  }

  #forget(): void {
    const stream = this.#stream;
    stream.off('data', this.receive);
    stream.off('drain', this.#onDrain);
    stream.off('error', this.#onError);
    stream.off('end', this.#onClose);
    stream.off('close', this.#onClose);
  }

  readonly #onDrain = (): void => this.#wake();

  readonly #onError = (error: NodeJS.ErrnoException & { readonly reason?: string }): void => {
    const code = codeOf(error, this.#phase, this.#stream);
    // OpenSSL explains in words what the other side demands, such as a certificate.
    const { code: name, reason = name } = error;
    this.fail(code, `the connection failed with ${reason}`, { cause: error });
  };

  readonly #onClose = (): void => {
    this.fail(this.#phase === 'tls' ? 'tls' : 'closed', 'the server closed the connection');
  };

  /** Resolves at the event, or when the wire has ended. */
  #event(name: string): Promise<void> {
    return new Promise((resolve) => {
      this.#resume = resolve;
      this.#stream.once(name, () => this.#wake());
    });
  }

  #wake(): void {
    const resume = this.#resume;
    this.#resume = undefined;
    resume?.();
  }

  /** Takes octets of the server. The chunk may be used for other octets when this has returned. */
  readonly receive = (chunk: Buffer): void => {
    try {
      this.#read(chunk);
    } catch (cause) {
      this.fail('internal', `the reply could not be read: ${String(cause)}`, { cause });
    }
  };

  #read(chunk: Buffer): void {
    if (this.#error !== undefined) return;
    this.#allowance -= chunk.length;
    if (this.#allowance < 0) {
      this.fail('protocol', 'the server sends without end');
      return;
    }
    this.#reader.push(chunk);
    let hasCome = false;
    for (let found = this.#reader.take(); found !== undefined; found = this.#reader.take()) {
      if (typeof found === 'string') {
        this.fail(
          'protocol',
          found === 'too-long' ? 'the server sent too long a reply' : 'the server sent a malformed reply',
        );
        return;
      }
      this.#onReply(this.#redactor === undefined ? found : withoutSecrets(found, this.#redactor));
      hasCome = true;
    }
    if (hasCome && this.#group !== undefined) this.#progress(this.#group);
  }

  #onReply(reply: Reply): void {
    if (this.#error !== undefined || this.#farewell !== undefined) return;
    if (reply.code === 421) this.#farewell = reply;
    const group = this.#group;
    if (group === undefined) {
      if (reply.code !== 421) this.fail('protocol', 'the server sent a reply to nothing');
      return;
    }
    group.replies.push(reply);
    if (reply.code === 421) this.#answerAll();
    else if (group.replies.length === group.count) this.#answer(group);
  }

  /** Sets phase and deadline for the next reply of the group. */
  #progress({ count, wait, replies }: Group): void {
    const isLast = replies.length === count - 1;
    this.enter(wait.phases[isLast ? 2 : replies.length === 0 ? 0 : 1], isLast ? wait.lastMs : wait.eachMs);
  }

  /** Hands over the received replies of a group. From then on none of it is owed. */
  #answer({ settle, replies }: Group): void {
    this.#group = this.#behind;
    this.#behind = undefined;
    if (this.#group === undefined) {
      this.#deadline.clear();
      this.#phase = 'idle';
    } else this.#progress(this.#group);
    settle(replies);
    this.#wake();
  }

  /** The same for all groups, when no more replies will come. */
  #answerAll(): void {
    while (this.#group !== undefined) this.#answer(this.#group);
    this.#wake();
  }

  #end(error: ClientError): void {
    this.#error = error;
    this.#deadline.close();
    for (const signal of this.#signals.keys()) this.#unlisten(signal);
    this.#answerAll();
  }
}

function withoutSecrets(reply: Reply, { redact, quick }: Redactor): Reply {
  return { ...reply, lines: reply.lines.map(reply.code < 400 ? quick : redact) };
}

/** The error code of a failed stream, by the phase. */
function codeOf(error: NodeJS.ErrnoException, phase: ClientPhase, stream: Duplex): ClientErrorCode {
  if (phase === 'tls') {
    return stream instanceof TLSSocket && stream.authorizationError ? 'certificate' : 'tls';
  }
  if (phase !== 'connect') return 'closed';
  if (error.code === 'ECONNREFUSED') return 'refused';
  return error.code === 'ETIMEDOUT' ? 'timeout' : 'unreachable';
}
