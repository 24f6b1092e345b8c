/**
 * A filter or proxy in front of a relay, as a program: `filter.ts '{"from": 2500, "to": "10.77.0.1:2500", …}'` takes
 * connections at a port of any address and goes on to the relay with a TLS certificate of its own, then hands the
 * dialogue through. With `xclient` it says for whom it speaks. Prints `ready`.
 */
import { readFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

/** The options of the program, as JSON. */
export interface FilterOptions {
  /** The port it listens on. */
  readonly from: number;
  /** `address:port` of the relay. */
  readonly to: string;
  /** The address that it comes from. */
  readonly source: string;
  readonly tls: 'none' | 'starttls' | 'implicit';
  /** Files of the certificate that it shows. */
  readonly cert: string;
  readonly key: string;
  /** Arguments of XCLIENT: `ADDR=10.77.0.2 NAME=[UNAVAILABLE]`. */
  readonly xclient?: string;
}

/** Reads one reply, however many lines it has. */
async function reply(socket: Socket): Promise<string> {
  let text = '';
  while (!/^\d{3}(?: .*)?\r\n$/m.test(text)) {
    const octets: Buffer | null = socket.read();
    if (octets !== null) text += octets.toString('latin1');
    else {
      if (socket.readableEnded) throw new Error(`closed after ${text}`);
      await new Promise<void>((resolve) => {
        const go = () => {
          socket.off('readable', go);
          socket.off('end', go);
          resolve();
        };
        socket.on('readable', go);
        socket.on('end', go);
      });
    }
  }
  return text;
}

async function ask(socket: Socket, line: string): Promise<string> {
  socket.write(`${line}\r\n`, 'latin1');
  return await reply(socket);
}

/** A session at the relay in which everything is said that the filter has to say; and its last greeting. */
async function onwards(
  options: FilterOptions,
): Promise<{ readonly socket: Socket; readonly greeting: string }> {
  const [host = '', port = ''] = options.to.split(':');
  const place = { host, port: Number(port), localAddress: options.source };
  const identity = {
    cert: readFileSync(options.cert),
    key: readFileSync(options.key),
    rejectUnauthorized: false,
  };
  const isImplicit = options.tls === 'implicit';
  let socket: Socket = isImplicit ? connectTls({ socket: connect(place), ...identity }) : connect(place);
  socket.on('error', () => socket.destroy());
  let greeting = await reply(socket);
  if (options.tls === 'starttls') {
    await ask(socket, 'EHLO filter.test');
    const answer = await ask(socket, 'STARTTLS');
    if (!answer.startsWith('220')) throw new Error(answer);
    socket = connectTls({ socket, ...identity });
    socket.on('error', () => socket.destroy());
  }
  if (options.xclient !== undefined) {
    await ask(socket, 'EHLO filter.test');
    greeting = await ask(socket, `XCLIENT ${options.xclient}`);
    if (!greeting.startsWith('220')) throw new Error(greeting);
  }
  return { socket, greeting };
}

async function handThrough(client: Socket, options: FilterOptions): Promise<void> {
  const { socket, greeting } = await onwards(options);
  client.write(greeting, 'latin1');
  client.pipe(socket).pipe(client);
  client.on('close', () => socket.destroy());
}

if (import.meta.main) {
  const options: FilterOptions = JSON.parse(process.argv[2] ?? '');
  const server = createServer((client) => {
    client.on('error', () => client.destroy());
    handThrough(client, options).catch((error: unknown) => {
      console.error(String(error));
      client.destroy();
    });
  });
  server.listen(options.from, () => console.log('ready'));
}
