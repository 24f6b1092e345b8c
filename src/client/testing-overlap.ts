/** The trials of `npm run fuzz` with messages that follow each other on a session: each reply has to find its transaction. */
import { type Duplex, duplexPair } from 'node:stream';
import { formatReplyText } from '../mail/index.ts';
import type { OutgoingMessage, SendResult } from './message.ts';
import { openOver } from './open.ts';
import type { ClientSession } from './session.ts';
import { clientOptions, testAddress, testMessage } from './testing.ts';

/** Reads the choices of the server off random input, and then takes everything. */
class Choices {
  readonly #input: Uint8Array;
  #at = 0;

  constructor(input: Uint8Array) {
    this.#input = input;
  }

  next(): number {
    return this.#input[this.#at++] ?? 0;
  }
}

/** A server that says in each reply which message it is about, and decides by the input what it says. */
class NamingServer {
  /** The names of the messages that were taken, in order. */
  readonly taken: string[] = [];
  /** The faults of the client. */
  readonly faults: string[] = [];
  readonly #choices: Choices;
  readonly #stream: Duplex;
  #received = '';
  /** The name of the message that MAIL began. */
  #mail = '';
  #isData = false;
  #rcpts = 0;
  #isOver = false;
  #saying = '';

  constructor(stream: Duplex, choices: Choices) {
    this.#stream = stream;
    this.#choices = choices;
    stream.on('error', () => {});
    stream.on('data', (chunk: Buffer) => this.#take(chunk.toString('latin1')));
    stream.write('220 hi\r\n');
  }

  #take(text: string): void {
    this.#received += text;
    while (!this.#isOver && this.#step());
    this.#flush();
  }

  #step(): boolean {
    const mark = this.#isData ? '.\r\n' : '\r\n';
    const end = this.#received.indexOf(mark);
    if (end < 0) return false;
    const line = this.#received.slice(0, end);
    this.#received = this.#received.slice(end + mark.length);
    if (this.#isData) this.#onEnd(line);
    else this.#onCommand(line);
    return true;
  }

  #onCommand(line: string): void {
    const name = /<(\d+)@/.exec(line)?.[1] ?? this.#mail;
    if (line.startsWith('EHLO')) this.#saying += '250-hi\r\n250 PIPELINING\r\n';
    else if (line === 'RSET') this.#reset(this.#say('250', 'reset'));
    else if (line.startsWith('MAIL')) {
      if (this.#mail !== '') this.#say('503', name);
      else if (this.#say('250', name)) this.#mail = name;
    } else if (line.startsWith('RCPT')) {
      if (this.#mail === '') this.#say('503', name);
      else if (this.#say('250', name)) this.#rcpts++;
    } else if (line === 'DATA') {
      if (this.#mail === '' || (this.#rcpts === 0 && this.#choices.next() % 2 === 0))
        this.#say('503', this.#mail);
      else this.#isData = this.#say('354', this.#mail);
    } else this.#say('250', 'other');
  }

  /** Content says whose it is; refused content may leave the transaction open. */
  #onEnd(content: string): void {
    this.#isData = false;
    const name = /^Message: (\d+)/.exec(content)?.[1] ?? '';
    if (content !== '' && name !== this.#mail)
      this.faults.push(`content of ${name} in the transaction of ${this.#mail}`);
    if (content === '' && this.#rcpts > 0) this.faults.push(`a lone dot for recipients of ${this.#mail}`);
    if (content === '') this.#reset(this.#say('554', this.#mail) || true);
    else if (this.#say('250', name)) {
      this.taken.push(name);
      this.#reset(true);
    } else this.#reset(this.#choices.next() % 2 === 0);
  }

  #reset(isTrue: boolean): void {
    if (!isTrue) return;
    this.#mail = '';
    this.#rcpts = 0;
  }

  /** The usual reply, or another; true when it was positive. */
  #say(usual: string, name: string): boolean {
    const choice = this.#choices.next() % 32;
    const said = ['421', 'end', '450', '550', '503'][choice - 1] ?? usual;
    if (this.#isOver) return false;
    this.#isOver = said === 'end' || said === '421';
    if (said !== 'end') this.#saying += `${said} about ${name}\r\n`;
    return said === usual && /^[23]/.test(said);
  }

  /** In pieces that the input decides. */
  #flush(): void {
    const size = (this.#choices.next() % 40) + 1;
    for (let at = 0; at < this.#saying.length; at += size)
      this.#stream.write(this.#saying.slice(at, at + size), 'latin1');
    this.#saying = '';
    if (this.#isOver) this.#stream.end();
  }
}

function messageNamed(name: number): OutgoingMessage {
  return testMessage(`Message: ${name}\r\n`, [`${name}@example.net`], {
    reversePath: testAddress(`${name}@example.org`),
  });
}

/** Sends so many messages, each behind the one before where the session lets it. */
async function sendAll(session: ClientSession, count: number): Promise<readonly SendResult[]> {
  const { signal } = new AbortController();
  const results: Promise<SendResult>[] = [];
  const send = () => {
    const name = results.length;
    if (name >= count) return;
    const place = results.push(Promise.resolve() as never) - 1;
    results[place] = session.send(messageNamed(name), signal, send);
  };
  const ended: SendResult[] = [];
  while (ended.length < count) {
    if (results.length === ended.length) send();
    const result = await results[ended.length];
    if (result !== undefined) ended.push(result);
  }
  return ended;
}

/** Each message gets its own replies, and was taken if and only if they say so, where no doubt is left. */
export async function checkOverlap(input: Uint8Array): Promise<void> {
  const [near, far] = duplexPair();
  const server = new NamingServer(far, new Choices(input));
  const session = await openOver(near, clientOptions(0, { timeouts: { quit: 10 } }));
  const results = await sendAll(session, 6);
  await session.quit();
  far.destroy();
  if (server.faults.length > 0) throw new Error(server.faults.join(', '));
  for (const [name, { ending, accepted, recipients }] of results.entries()) {
    const said = formatReplyText(recipients[0] ?? { code: 0, lines: [] });
    const isTaken = server.taken.filter((each) => each === String(name)).length;
    if (isTaken > 1) throw new Error(`${name} was taken twice`);
    if (ending.kind !== 'in-doubt' && isTaken !== accepted)
      throw new Error(`${name} was taken ${isTaken} times, and ended as ${ending.kind}: ${said}`);
    if (ending.kind === 'complete' && !said.endsWith(`about ${name}`))
      throw new Error(`${name} was told "${said}"`);
  }
}
