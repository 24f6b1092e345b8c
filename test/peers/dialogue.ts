/** Octets on the wire: a plain SMTP client that sends exactly what it is told, and a wire-tap between two peers. */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

export interface ReplyText {
  readonly code: number;
  readonly lines: readonly string[];
}

/** One session, spoken by hand. */
export class Dialogue implements AsyncDisposable {
  readonly #socket: Socket;
  readonly #replies: ReplyText[] = [];
  #lines: string[] = [];
  #rest = '';
  #wake: () => void = () => {};
  #closed = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#take(chunk.toString('latin1')));
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#closed = true;
      this.#wake();
    });
  }

  /** Connects and reads the greeting. */
  static async open(port: number): Promise<Dialogue> {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    await once(socket, 'connect');
    const dialogue = new Dialogue(socket);
    await dialogue.reply();
    return dialogue;
  }

  /** The next reply. Rejects when the connection closes before it is complete. */
  async reply(): Promise<ReplyText> {
    for (;;) {
      const next = this.#replies.shift();
      if (next !== undefined) return next;
      if (this.#closed) throw new Error('the peer closed the connection');
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Sends a line (in UTF-8) and reads its reply. */
  async command(line: string): Promise<ReplyText> {
    this.#socket.write(`${line}\r\n`);
    return await this.reply();
  }

  /** Sends octets as they are. */
  send(octets: string | Uint8Array): void {
    this.#socket.write(octets);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroySoon();
    if (!this.#closed) await once(this.#socket, 'close');
  }

  #take(text: string): void {
    const lines = (this.#rest + text).split('\r\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      this.#lines.push(line.slice(4));
      if (line[3] === '-') continue;
      this.#replies.push({ code: Number(line.slice(0, 3)), lines: this.#lines });
      this.#lines = [];
    }
    this.#wake();
  }
}

export interface Submission {
  readonly port: number;
  readonly from: string;
  readonly to: readonly string[];
  /** The message, CRLF lines, ending with CRLF. */
  readonly octets: Uint8Array;
  /** Parameters after the reverse-path, such as `BODY=8BITMIME SMTPUTF8`. */
  readonly mailParameters?: string;
  readonly rcptParameters?: string;
}

/** Doubles the dot at the beginning of each line (RFC 5321 §4.5.2). */
function stuffDots(octets: Uint8Array): Buffer {
  const stuffed = Buffer.from(octets).toString('latin1').replaceAll('\r\n.', '\r\n..').replace(/^\./, '..');
  return Buffer.from(stuffed, 'latin1');
}

/** Hands over one message by DATA. Rejects, with the reply, when any step is refused. */
export async function submit(submission: Submission): Promise<ReplyText> {
  await using dialogue = await Dialogue.open(submission.port);
  const want = async (code: number, line: string): Promise<void> => {
    const reply = await dialogue.command(line);
    if (reply.code !== code) throw new Error(`${line}: ${reply.code} ${reply.lines.join(' ')}`);
  };
  await want(250, 'EHLO client.test');
  await want(250, `MAIL FROM:<${submission.from}> ${submission.mailParameters ?? ''}`.trimEnd());
  for (const to of submission.to)
    await want(250, `RCPT TO:<${to}> ${submission.rcptParameters ?? ''}`.trimEnd());
  await want(354, 'DATA');
  dialogue.send(stuffDots(submission.octets));
  dialogue.send('.\r\n');
  const reply = await dialogue.reply();
  if (reply.code !== 250) throw new Error(`end of data: ${reply.code} ${reply.lines.join(' ')}`);
  await dialogue.command('QUIT');
  return reply;
}

/** A transaction as it went over the tapped wire. */
export interface Tapped {
  /** MAIL and RCPT as they were sent. */
  readonly commands: readonly string[];
  /** The message, dots unstuffed. */
  readonly octets: Buffer;
}

/** Reads the transactions out of the client's side of a session without TLS. */
export function readTransactions(stream: Buffer): readonly Tapped[] {
  const found: Tapped[] = [];
  let commands: string[] = [];
  let chunks: Buffer[] = [];
  const finish = (octets: Buffer): void => {
    found.push({ commands, octets });
    commands = [];
    chunks = [];
  };
  for (let at = 0; ; ) {
    const end = stream.indexOf('\r\n', at);
    if (end < 0) return found;
    const line = stream.toString('utf8', at, end);
    at = end + 2;
    const verb = line.slice(0, 4).toUpperCase();
    if (verb === 'MAIL' || verb === 'RCPT') commands.push(line);
    if (verb === 'DATA') {
      // Search from the CRLF of DATA itself: an empty message is a dot alone.
      const dot = stream.indexOf('\r\n.\r\n', at - 2);
      if (dot < 0) return found;
      const text = stream.toString('latin1', at, dot + 2).replace(/(^|\r\n)\./g, '$1');
      finish(Buffer.from(text, 'latin1'));
      at = dot + 5;
    }
    if (verb === 'BDAT') {
      const [, size = '0', last = ''] = line.split(' ');
      chunks.push(stream.subarray(at, at + Number(size)));
      at += Number(size);
      if (at > stream.length) return found;
      if (last.toUpperCase() === 'LAST') finish(Buffer.concat(chunks));
    }
  }
}

/** A relay of octets that keeps what the clients sent. */
export class Tap implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #streams: Buffer[][] = [];
  readonly port: number;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
  }

  static async start(targetPort: number): Promise<Tap> {
    const server = createServer({ noDelay: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const tap = new Tap(server, address.port);
    server.on('connection', (client: Socket) => tap.#join(client, targetPort));
    return tap;
  }

  #join(client: Socket, targetPort: number): void {
    const target = connect({ host: '127.0.0.1', port: targetPort, noDelay: true });
    const stream: Buffer[] = [];
    this.#streams.push(stream);
    client.on('data', (chunk: Buffer) => stream.push(chunk));
    client.pipe(target).pipe(client);
    for (const [socket, other] of [
      [client, target],
      [target, client],
    ] as const) {
      this.#sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => this.#sockets.delete(socket));
    }
  }

  transactions(): readonly Tapped[] {
    return this.#streams.flatMap((stream) => readTransactions(Buffer.concat(stream)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
