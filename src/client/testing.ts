/** A server with a script, and options for a client, for tests. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createSecureContext, TLSSocket } from 'node:tls';
import { type Address, formatReplyText, parseDomain } from '../mail/index.ts';
import type { OutgoingMessage, SendResult } from './message.ts';
import { openClient } from './open.ts';
import type { ClientOptions } from './options.ts';
import type { ClientSession } from './session.ts';

/** The key of the tests and its self-signed certificate for `mx.example`. */
export const testKey = readFileSync(new URL('testdata/key.pem', import.meta.url));
export const testCertificate = readFileSync(new URL('testdata/cert.pem', import.meta.url));

/** A server that plays a script to the first client that comes. */
export interface FakeServer extends AsyncDisposable {
  readonly port: number;
  /** The octets received by `C.` and `C#`, in order, as latin1. */
  readonly contents: readonly string[];
  /** Resolves when the script is played to its end; rejects when the client left it. */
  readonly played: Promise<void>;
}

/**
 * Starts a server on loopback with a script of one step a line:
 *
 * - `S: text` says a line. Lines that follow each other are one write.
 * - `S+ text` sends JSON-escaped octets as they are.
 * - `C: text` reads a line, which must be this one. Nothing more may have come when the server speaks next.
 * - `C.` reads content up to its final dot; `C# 12` reads so many octets; `C*` all that came, and at
 *   least one.
 * - `TLS` begins TLS; `TLS?` does, and shrugs when the client gives up; `END` closes; `RST` resets;
 *   `WAIT` waits for the client to close, `WAIT*` takes whatever comes until then.
 */
export async function fakeServer(
  script: string,
  options: { readonly isDripping?: boolean } = {},
): Promise<FakeServer> {
  const server = createServer({ noDelay: true });
  const sockets = new Set<Socket>();
  const contents: string[] = [];
  const played = once(server, 'connection').then(async ([socket]: Socket[]) => {
    if (socket === undefined) return;
    sockets.add(socket);
    server.close();
    try {
      await new Player(socket, contents, options.isDripping ?? false).play(script);
    } catch (error) {
      socket.destroy();
      throw error;
    }
  });
  // Seen by the test that awaits it; until then it is not unhandled.
  played.catch(() => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening');
  return {
    port: address.port,
    contents,
    played,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      if (server.listening) server.close();
    },
  };
}

/** Options for a client of a fake server. */
export function clientOptions(port: number, changes: Partial<ClientOptions> = {}): ClientOptions {
  return {
    host: '127.0.0.1',
    port,
    serverName: 'mx.example',
    helo: 'client.example',
    protocol: 'smtp',
    tls: 'none',
    verify: 'none',
    signal: new AbortController().signal,
    timeouts: { quit: 100 },
    ...changes,
  };
}

/** The address of the text. */
export function testAddress(text: string): Address {
  const at = text.lastIndexOf('@');
  const domain = parseDomain(text.slice(at + 1));
  if (domain === undefined) throw new Error(`not an address: ${text}`);
  return { text, localPart: text.slice(0, at), domain };
}

/** A message of the text (latin1), in memory, from `a@example.org` to the recipients. */
export function testMessage(
  text: string,
  recipients: readonly string[] = ['b@example.net'],
  changes: Partial<OutgoingMessage> = {},
): OutgoingMessage {
  const whole = Buffer.from(text, 'latin1');
  return {
    reversePath: testAddress('a@example.org'),
    recipients: recipients.map((each) => ({ address: testAddress(each) })),
    content: {
      size: whole.length,
      hasEightBit: whole.some((octet) => octet > 127),
      hasLeadingDot: /(^|\r\n)\./.test(text),
      endsWithCrlf: text.endsWith('\r\n'),
      isBinary: /\0|\r(?!\n)|(?<!\r)\n/.test(text),
    },
    octets: { size: whole.length, whole, chunks: () => pieces([whole]) },
    body: '7bit',
    smtputf8: false,
    ...changes,
  };
}

/** The same octets for a message that is not in memory: in pieces of `size`. */
export function inPieces(message: OutgoingMessage, size: number): OutgoingMessage {
  const { whole = Buffer.alloc(0) } = message.octets;
  const parts: Buffer[] = [];
  for (let at = 0; at < whole.length; at += size) parts.push(whole.subarray(at, at + size));
  return { ...message, octets: { size: whole.length, whole: undefined, chunks: () => pieces(parts) } };
}

/** A message that tries to end itself early. */
export const dots = testMessage('.first\r\n\r\n..\r\n.\r\nMAIL FROM:<evil@example>\r\n');
/** Recipients of a message to more than one. */
export const two = ['b@example.net', 'c@example.net'];

/** A message for tests that do not care. */
export const hello = testMessage('Subject: hello\r\n\r\nhello\r\n');

/** The opening of a server that offers the keywords. */
export function offering(...keywords: string[]): string {
  const lines = ['mx.example', ...keywords].map(
    (line, i, all) => `S: 250${i < all.length - 1 ? '-' : ' '}${line}`,
  );
  return `S: 220 mx.example\nC: EHLO client.example\n${lines.join('\n')}\n`;
}

/** An envelope that is taken command by command, and its content. */
export const stepwise = `
  C: MAIL FROM:<a@example.org>
  S: 250 ok
  C: RCPT TO:<b@example.net>
  S: 250 ok
  C: DATA
  S: 354 go
  C.
`;

/** The same envelope in one group. */
export const grouped = `
  C: MAIL FROM:<a@example.org>
  C: RCPT TO:<b@example.net>
  C: DATA
  S: 250 ok
  S: 250 ok
  S: 354 go
  C.
`;

/** The end of a script whose client takes its leave. */
export const quit = '\nC: QUIT\nS: 221 bye\nWAIT';
/** Long enough for any test. */
export const quick = () => AbortSignal.timeout(5000);

/** Plays the script to a client that runs `act`, and returns the contents that the server received. */
export async function play(
  script: string,
  act: (session: ClientSession) => Promise<void>,
  options: { readonly isDripping?: boolean } = {},
): Promise<readonly string[]> {
  await using server = await fakeServer(script, options);
  await using session = await openClient(clientOptions(server.port));
  // Together, so that the test fails with the step that the client did not take.
  await Promise.all([act(session).then(() => session.quit()), server.played]);
  return server.contents;
}

/** The outcome in a few words: the ending, then the replies. */
export function inShort(result: SendResult): string {
  return [result.ending.kind, ...result.recipients.map((each) => formatReplyText(each))].join(' / ');
}

async function* pieces(parts: readonly Buffer[]): AsyncIterable<Buffer> {
  yield* parts;
}

/** Plays one script over one connection. */
class Player {
  readonly #contents: string[];
  readonly #isDripping: boolean;
  #stream: Duplex;
  #received = '';
  #isOver = false;
  #wake: (() => void) | undefined;

  constructor(stream: Duplex, contents: string[], isDripping: boolean) {
    this.#stream = stream;
    this.#contents = contents;
    this.#isDripping = isDripping;
    this.#listen();
  }

  async play(script: string): Promise<void> {
    const steps = script
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '');
    let saying = '';
    for (const step of steps) {
      const text = step.slice(3);
      if (step.startsWith('S: ')) saying += `${text}\r\n`;
      else if (step.startsWith('S+ ')) saying += JSON.parse(`"${text}"`);
      else {
        await this.#say(saying);
        saying = '';
        await this.#do(step, text);
      }
    }
    await this.#say(saying);
  }

  async #do(step: string, text: string): Promise<void> {
    if (step.startsWith('C: ')) {
      const line = await this.#take(endOfLine);
      if (line !== `${text}\r\n`)
        throw new Error(`expected ${JSON.stringify(text)}, got ${JSON.stringify(line)}`);
    } else if (step === 'C.') this.#contents.push(await this.#take(endOfData));
    else if (step.startsWith('C# ')) {
      const size = Number(text);
      this.#contents.push(await this.#take((received) => (received.length >= size ? size : 0)));
    } else if (step === 'C*') await this.#take((received) => received.length);
    else if (step === 'END') this.#stream.end();
    else if (step === 'RST') this.#socket().resetAndDestroy();
    else if (step === 'WAIT') await this.#over();
    else if (step === 'WAIT*') while (!this.#isOver) await this.#change();
    else if (step === 'TLS' || step === 'TLS?') await this.#secure(step === 'TLS?');
    else throw new Error(`not a step: ${step}`);
  }
  /** The octets up to the end that `find` returns, waiting until it returns one. */
  async #take(find: (received: string) => number): Promise<string> {
    for (let end = find(this.#received); ; end = find(this.#received)) {
      if (end > 0) {
        const taken = this.#received.slice(0, end);
        this.#received = this.#received.slice(end);
        return taken;
      }
      if (this.#isOver) throw new Error(`the client left; unread: ${JSON.stringify(this.#received)}`);
      await this.#change();
    }
  }

  async #over(): Promise<void> {
    while (!this.#isOver) await this.#change();
    if (this.#received !== '') throw new Error(`unread at the end: ${JSON.stringify(this.#received)}`);
  }

  async #say(text: string): Promise<void> {
    if (text === '') return;
    if (this.#received !== '') throw new Error(`the client spoke ahead: ${JSON.stringify(this.#received)}`);
    if (!this.#isDripping) this.#stream.write(text, 'latin1');
    else {
      for (const octet of text) {
        await new Promise<void>((resolve) =>
          this.#stream.write(octet, 'latin1', () => setImmediate(resolve)),
        );
      }
    }
  }

  async #secure(mayFail: boolean): Promise<void> {
    this.#stream.removeAllListeners();
    this.#stream.on('error', () => {});
    const secureContext = createSecureContext({ key: testKey, cert: testCertificate });
    const secured = new TLSSocket(this.#socket(), { isServer: true, secureContext });
    this.#stream = secured;
    this.#listen();
    try {
      await once(secured, 'secure');
    } catch (error) {
      if (!mayFail) throw error;
    }
  }

  #socket(): Socket {
    if (!(this.#stream instanceof Socket)) throw new Error('not a socket');
    return this.#stream;
  }

  #listen(): void {
    const over = () => {
      this.#isOver = true;
      this.#wake?.();
    };
    this.#stream.on('data', (chunk: Buffer) => {
      this.#received += chunk.toString('latin1');
      this.#wake?.();
    });
    this.#stream.on('end', over).on('close', over).on('error', over);
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

/** Where the first line ends, or 0. */
function endOfLine(received: string): number {
  const at = received.indexOf('\r\n');
  return at < 0 ? 0 : at + 2;
}

/** Where the content ends that is closed by a dot, or 0. */
function endOfData(received: string): number {
  if (received.startsWith('.\r\n')) return 3;
  const at = received.indexOf('\r\n.\r\n');
  return at < 0 ? 0 : at + 5;
}
