/** Where the relay delivers to: a server without extensions, which looks at no more of a message than its end. */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';

export interface StallSink extends AsyncDisposable {
  readonly port: number;
  /** Messages that it took. */
  readonly taken: number;
}

const dataEnd = Buffer.from('\r\n.\r\n');

/** `refuse` is the reply to RCPT, where one is to be refused. */
export async function startStallSink(refuse?: string): Promise<StallSink> {
  let taken = 0;
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    let tail: Buffer = Buffer.alloc(0);
    let isContent = false;
    socket.write('220 sink.test\r\n');
    socket.on('data', (chunk: Buffer) => {
      const seen = Buffer.concat([tail, chunk]);
      if (isContent) {
        isContent = !seen.subarray(-dataEnd.length).equals(dataEnd);
        tail = Buffer.from(isContent ? seen.subarray(-dataEnd.length) : '');
        if (isContent) return;
        taken++;
        socket.write('250 taken\r\n');
        return;
      }
      const lines = seen.toString('latin1').split('\r\n');
      tail = Buffer.from(lines.pop() ?? '', 'latin1');
      for (const line of lines) {
        isContent = line === 'DATA';
        socket.write(`${answerTo(line, refuse)}\r\n`);
      }
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    get taken() {
      return taken;
    },
    async [Symbol.asyncDispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
  };
}

function answerTo(line: string, refuse: string | undefined): string {
  if (line === 'DATA') return '354 go on';
  if (line.startsWith('QUIT')) return '221 bye';
  if (line.startsWith('RCPT') && refuse !== undefined) return refuse;
  return '250 ok';
}
