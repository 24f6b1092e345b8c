/** A server with a script, for tests. */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import type { AttackOptions } from './attack.ts';
import { Dialogue } from './dialogue.ts';

/** The answer of a scripted server to a line (latin1): replies with their line ends, or another action. */
export type Script = (
  line: string,
  at: { readonly connection: number; readonly number: number },
) => string | 'close' | undefined;

/** A server that answers by a script, and keeps the lines that it gets. */
export class ScriptedServer implements AsyncDisposable {
  readonly #server = createServer((socket) => this.#serve(socket));
  readonly #greeting: string;
  readonly #script: Script;
  readonly #sockets = new Set<Socket>();
  /** Every line, in latin1, without its CRLF. */
  readonly lines: string[] = [];
  connections = 0;

  constructor(script: Script, greeting = '220 scripted.test ESMTP\r\n') {
    this.#script = script;
    this.#greeting = greeting;
  }

  static async start(script: Script, greeting?: string): Promise<ScriptedServer> {
    const server = new ScriptedServer(script, greeting);
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return address.port;
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    const connection = ++this.connections;
    let number = 0;
    let text = '';
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
    socket.write(this.#greeting);
    socket.on('data', (octets) => {
      text += octets.toString('latin1');
      for (let end = text.indexOf('\r\n'); end >= 0; end = text.indexOf('\r\n')) {
        const line = text.slice(0, end);
        text = text.slice(end + 2);
        this.lines.push(line);
        const answer = this.#script(line, { connection, number: ++number });
        if (answer === 'close') {
          socket.destroy();
          return;
        }
        if (answer !== undefined) socket.write(answer, 'latin1');
      }
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

/** Refuses every recipient, takes everything else. */
export const closedScript: Script = (line) => {
  if (line === 'STARTTLS') return '502 no\r\n';
  return line.startsWith('RCPT') ? '550 5.7.1 no\r\n' : '250 ok\r\n';
};

/** Accepts a message of any sender for any recipient. */
export function openScript(): Script {
  let isContent = false;
  return (line) => {
    if (isContent) {
      if (line !== '.') return undefined;
      isContent = false;
      return '250 kept\r\n';
    }
    if (line !== 'DATA') return line === 'STARTTLS' ? '502 no\r\n' : '250 ok\r\n';
    isContent = true;
    return '354 go\r\n';
  };
}

export const testNames = {
  T: 'target.test',
  D: 'third.test',
  E: 'other.test',
  IP: '[192.0.2.1]',
  L4: '203.0.113.9',
  L6: '2001:db8::9',
  known: 'postmaster@target.test',
};

/** An attack on a server of this machine that ends quickly. */
export function attackOptions(port: number, over: Partial<AttackOptions> = {}): AttackOptions {
  const signal = new AbortController().signal;
  return {
    target: 'target',
    cases: [],
    names: testNames,
    open: (prelude) =>
      Dialogue.open({
        host: '127.0.0.1',
        port,
        replyMs: 2000,
        signal,
        ...(prelude === undefined ? {} : { prelude }),
      }),
    sending: 'none',
    message: (token) => `X-Relay-Test: ${token}\r\n\r\nx\r\n`,
    secret: Buffer.from('secret'),
    now: () => 1_800_000_000_000,
    perConnection: 15,
    ...over,
  };
}

/** Everything that comes. */
export async function gather<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
