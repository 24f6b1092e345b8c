/**
 * The ceiling: how fast a relay in Node can be when it does nothing else. It accepts mail, commits it synced to LMDB
 * before the 250, forwards it over 20 kept connections and removes it. No policy, no log, no Received header, no
 * retries, no limits: a measuring rod, not a relay. What Posthouse does more, it pays for against this figure.
 *
 *   node bench/ceiling.ts FOLDER SINK-PORT     prints the port it listens on
 */
import { connect, createServer, type Socket } from 'node:net';
import { open } from 'lmdb';

const [folder = '.', sinkPort = '0'] = process.argv.slice(2);
const lanes = 20;
/** Octets beyond this wait in the store only, so that memory does not grow with the queue. */
const keptOctets = 64_000_000;

interface Message {
  readonly id: number;
  readonly from: string;
  readonly recipients: readonly string[];
  /** The octets with stuffed dots and the final dot line, or `undefined` to be read from the store. */
  octets: Buffer | undefined;
}

const store = open<Buffer, number>({
  path: `${folder}/ceiling.mdb`,
  encoding: 'binary',
  overlappingSync: false,
});
const queue: Message[] = [];
let queueHead = 0;
let kept = 0;
let lastId = 0;

function enqueue(message: Message): void {
  queue.push(message);
  const lane = sleeping.pop();
  if (lane !== undefined) lane.next();
}

function dequeue(): Message | undefined {
  const message = queue[queueHead];
  if (message === undefined) return undefined;
  if (++queueHead > 1024 && queueHead * 2 > queue.length) {
    queue.splice(0, queueHead);
    queueHead = 0;
  }
  if (message.octets === undefined) message.octets = store.getBinary(message.id);
  else kept -= message.octets.length;
  return message;
}

/** Commits a message, then queues it. */
async function accept(from: string, recipients: readonly string[], octets: Buffer): Promise<void> {
  const id = ++lastId;
  // The envelope is stored too, in the record before the octets, so that the work is that of a real spool.
  const envelope = Buffer.from(`${from}\n${recipients.join('\n')}\n\n`);
  void store.put(-id, envelope);
  await store.put(id, octets);
  const keep = kept + octets.length <= keptOctets;
  if (keep) kept += octets.length;
  enqueue({ id, from, recipients, octets: keep ? octets : undefined });
}

const endOfData = Buffer.from('\r\n.\r\n');

/** One client's dialogue. */
class Session {
  readonly #socket: Socket;
  #rest: Buffer | undefined;
  #data: Buffer[] | undefined;
  #from = '';
  #recipients: string[] = [];
  #replies = '';

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.write('220 ceiling.test ESMTP\r\n');
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('error', () => socket.destroy());
  }

  #take(chunk: Buffer): void {
    let rest = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#rest = undefined;
    while (rest.length > 0) {
      const used = this.#data === undefined ? this.#line(rest) : this.#octets(rest, this.#data);
      if (used === 0) break;
      rest = rest.subarray(used);
    }
    if (rest.length > 0) this.#rest = rest;
    this.#flush();
  }

  #flush(): void {
    if (this.#replies !== '') this.#socket.write(this.#replies, 'latin1');
    this.#replies = '';
  }

  /** Returns how much was used; 0 when the line is not complete. */
  #line(rest: Buffer): number {
    const end = rest.indexOf(10);
    if (end < 0) return 0;
    const line = rest.toString('latin1', 0, end - 1);
    switch (line.slice(0, 4).toUpperCase()) {
      case 'EHLO':
        this.#replies += '250-ceiling.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 200000000\r\n';
        break;
      case 'MAIL':
        this.#from = line.slice(10);
        this.#recipients = [];
        this.#replies += '250 2.1.0 Ok\r\n';
        break;
      case 'RCPT':
        this.#recipients.push(line.slice(8));
        this.#replies += '250 2.1.5 Ok\r\n';
        break;
      case 'DATA':
        this.#data = [];
        this.#replies += '354 go on\r\n';
        break;
      case 'QUIT':
        this.#replies += '221 2.0.0 Bye\r\n';
        this.#flush();
        this.#socket.end();
        break;
      default:
        this.#replies += '250 2.0.0 Ok\r\n';
    }
    return end + 1;
  }

  /** The clients of the benchmark send nothing after the final dot before its reply: it ends a chunk. */
  #octets(rest: Buffer, data: Buffer[]): number {
    data.push(rest);
    const tail = rest.length >= 5 ? rest.subarray(-5) : Buffer.concat(data).subarray(-5);
    if (!tail.equals(endOfData)) return rest.length;
    const octets = data.length === 1 ? rest : Buffer.concat(data);
    this.#data = undefined;
    void accept(this.#from, this.#recipients, octets).then(() => {
      this.#replies += '250 2.0.0 Ok\r\n';
      this.#flush();
    });
    return rest.length;
  }
}

/** One kept connection to the sink: the envelope in one write, then the octets with the dot in another. */
class Lane {
  readonly #socket: Socket;
  #message: Message | undefined;
  #due = 0;
  #last = '';

  constructor() {
    this.#socket = connect({ host: '127.0.0.1', port: Number(sinkPort), noDelay: true });
    let greeted = 0;
    this.#socket.on('data', (chunk: Buffer) => {
      const text = this.#last + chunk.toString('latin1');
      const lines = text.split('\r\n');
      this.#last = lines.pop() ?? '';
      for (const line of lines) {
        if (line[3] === '-') continue;
        if (greeted === 0) this.#socket.write('EHLO ceiling.test\r\n');
        else if (greeted === 1) this.next();
        else this.#reply(line);
        greeted++;
      }
    });
  }

  next(): void {
    this.#message = dequeue();
    if (this.#message === undefined) {
      sleeping.push(this);
      return;
    }
    const { from, recipients } = this.#message;
    this.#due = recipients.length + 2;
    this.#socket.write(
      `MAIL FROM:${from}\r\n${recipients.map((one) => `RCPT TO:${one}\r\n`).join('')}DATA\r\n`,
      'latin1',
    );
  }

  #reply(line: string): void {
    const message = this.#message;
    if (message?.octets === undefined) return;
    if (--this.#due > 0) return;
    if (line.startsWith('354')) {
      this.#due = 1;
      this.#socket.write(message.octets);
      return;
    }
    if (!line.startsWith('250')) throw new Error(`the sink said ${line}`);
    void store.remove(-message.id);
    void store.remove(message.id);
    this.next();
  }
}

const sleeping: Lane[] = [];
for (let i = 0; i < lanes; i++) new Lane();

const server = createServer((socket) => new Session(socket));
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  const address = server.address();
  if (address !== null && typeof address === 'object') process.stdout.write(`${address.port}\n`);
});
process.on('SIGTERM', () => process.exit(0));
