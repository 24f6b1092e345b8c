import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { manualClock } from '../base/index.ts';
import { Deadline } from './deadline.ts';
import { openClient } from './index.ts';
import { openOver } from './open.ts';
import { clientOptions, fakeServer, inShort, offering, testMessage } from './testing.ts';
import { Wire, waitFor } from './wire.ts';

const never = new AbortController().signal;

/** A stream that keeps written octets, one entry for each write that would reach the system. */
class RecordingStream extends Duplex {
  readonly writes: string[] = [];
  readonly #answer: (octets: string) => string | undefined;

  /** `answer` returns the server's reply to each write. */
  constructor(answer: (octets: string) => string | undefined) {
    super({ decodeStrings: false });
    this.#answer = answer;
  }

  override _read(): void {}

  override _write(chunk: Buffer | string, _encoding: BufferEncoding, done: () => void): void {
    this.#record([chunk], done);
  }

  override _writev(chunks: { readonly chunk: Buffer | string }[], done: () => void): void {
    this.#record(
      chunks.map(({ chunk }) => chunk),
      done,
    );
  }

  #record(chunks: readonly (Buffer | string)[], done: () => void): void {
    const octets = chunks.map((chunk) => chunk.toString('latin1')).join('');
    this.writes.push(octets);
    done();
    const said = this.#answer(octets);
    if (said !== undefined) setImmediate(() => this.push(Buffer.from(said, 'latin1')));
  }
}

function answering(keywords: string): (octets: string) => string | undefined {
  return (octets) => {
    if (octets.startsWith('EHLO')) return `250-mx.example\r\n${keywords}`;
    if (octets.startsWith('MAIL')) {
      return octets.includes('DATA')
        ? '250 ok\r\n250 ok\r\n354 go\r\n'
        : '250 ok\r\n250 ok\r\n250 queued\r\n';
    }
    return octets.endsWith('.\r\n') ? '250 queued\r\n' : undefined;
  };
}

test('a small message on a kept session costs two writes, or one with CHUNKING', async () => {
  const message = testMessage('Subject: x\r\n\r\n.text\r\n', undefined, { prefix: Buffer.from('X: y\r\n') });
  const envelope = 'MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\n';
  for (const [keywords, expected] of [
    ['250 PIPELINING\r\n', [`${envelope}DATA\r\n`, 'X: y\r\nSubject: x\r\n\r\n..text\r\n.\r\n']],
    [
      '250-CHUNKING\r\n250 PIPELINING\r\n',
      [`${envelope}BDAT 27 LAST\r\nX: y\r\nSubject: x\r\n\r\n.text\r\n`],
    ],
  ] as const) {
    const stream = new RecordingStream(answering(keywords));
    stream.push('220 mx.example\r\n');
    const session = await openOver(stream, clientOptions(0));
    for (let i = 0; i < 2; i++) {
      stream.writes.length = 0;
      const { ending } = await session.send(message, never);
      assert.equal(ending.kind, 'complete');
      assert.deepEqual(stream.writes, expected);
    }
    session.close();
  }
});

test('a large message is read no faster than the server takes it', async () => {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    const answer = answering('250 PIPELINING\r\n');
    socket.on('error', () => {});
    socket.write('220 hi\r\n');
    socket.on('data', (chunk) => {
      const said = answer(chunk.toString('latin1'));
      if (said !== undefined) socket.write(said);
      // Not a single octet of the content is read.
      if (said?.includes('354')) socket.pause();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert(address !== null && typeof address === 'object');
  const piece = Buffer.alloc(65_536, `${'x'.repeat(62)}\r\n`);
  const total = 2000;
  let read = 0;
  async function* chunks() {
    for (; read < total; read++) yield piece;
  }
  const session = await openClient(clientOptions(address.port, { timeouts: { dataBlock: 150 } }));
  const message = {
    ...testMessage('x\r\n'),
    octets: { size: total * piece.length, whole: undefined, chunks },
  };
  const { ending } = await session.send(message, never);
  assert(ending.kind === 'lost');
  assert.deepEqual([ending.error.code, ending.error.phase], ['timeout', 'content']);
  // The system buffers some megabytes; the rest must not have been asked for.
  assert(read < total / 4, `${read} pieces were read`);
  for (const socket of sockets) socket.destroy();
  server.close();
  await once(server, 'close');
});

test('a large message arrives whole, by DATA and by BDAT', async () => {
  const piece = Buffer.from(`.${'x'.repeat(997)}\r\n`.repeat(65));
  const count = 40;
  async function* chunks() {
    for (let i = 0; i < count; i++) yield piece;
  }
  const size = count * piece.length;
  const message = {
    ...testMessage('.\r\n'),
    octets: { size, whole: undefined, chunks },
  };
  for (const isChunking of [false, true]) {
    await using server = await fakeServer(`
      S: 220 hi
      C: EHLO client.example
      S: 250-hi
      S: 250${isChunking ? '-CHUNKING\nS: 250' : ''} PIPELINING
      C: MAIL FROM:<a@example.org>
      C: RCPT TO:<b@example.net>
      ${isChunking ? '' : 'C: DATA'}
      S: 250 ok
      S: 250 ok
      ${isChunking ? `C: BDAT ${size} LAST\nC# ${size}` : 'S: 354 go\nC.'}
      S: 250 queued`);
    const session = await openClient(clientOptions(server.port));
    assert.equal(session.capabilities.chunking, isChunking);
    assert.equal((await session.send(message, never)).accepted, 1);
    await server.played;
    const content = server.contents[0] ?? '';
    if (isChunking) assert.equal(content, piece.toString().repeat(count));
    else assert.equal(content, `${piece.toString().replaceAll('.', '..').repeat(count)}.\r\n`);
    session.close();
  }
});

test('a server that answers BDAT before the end of the message was read has the whole message', async () => {
  const pieces = [Buffer.from('Subject: x\r\n\r\n'), Buffer.from('text\r\n')];
  const size = 20;
  await using server = await fakeServer(`${offering('PIPELINING', 'CHUNKING')}
    C: MAIL FROM:<a@example.org>
    C: RCPT TO:<b@example.net>
    S: 250 ok
    S: 250 ok
    C: BDAT ${size} LAST
    C# ${size}
    S: 250 queued`);
  async function* chunks() {
    yield* pieces;
    // Long enough for an answer, if the server has anything to answer to.
    for (let turn = 0; turn < 200; turn++) await nextTurn();
  }
  const session = await openClient(clientOptions(server.port));
  const octets = { size, whole: undefined, chunks };
  const result = await session.send({ ...testMessage('x\r\n'), octets }, never);
  session.close();
  assert.equal(inShort(result), 'complete / 250 queued');
  assert.deepEqual(server.contents, ['Subject: x\r\n\r\ntext\r\n']);
});

test('a group that was asked for behind another has its time when that one is answered', async () => {
  for (const [said, first, second, passMs, phase] of [
    ['', 0, 0, 600, 'end-of-data'],
    ['250 taken\r\n', 1, 0, 300, 'mail'],
    ['250 taken\r\n250 o', 1, 0, 300, 'mail'],
    ['250 taken\r\n250 ok\r\n', 1, 1, 300, 'rcpt'],
    ['250 taken\r\n250 ok\r\n250 ok\r\n', 1, 2, 120, 'data'],
  ] as const) {
    const clock = manualClock();
    const stream = new RecordingStream(() => undefined);
    const wire = new Wire(stream, clock, { isFed: true });
    const ends = wire.expect(1, waitFor('end-of-data', 600));
    const replies = wire.expect(3, { phases: ['mail', 'rcpt', 'data'], eachMs: 300, lastMs: 120 });
    wire.receive(Buffer.from(said));
    clock.advance(passMs - 1);
    const error = () => [wire.error?.code, wire.error?.phase];
    assert.deepEqual(error(), [undefined, undefined]);
    clock.advance(1);
    assert.deepEqual(error(), ['timeout', phase]);
    assert.deepEqual([(await ends).length, (await replies).length], [first, second]);
  }
});

test('content and the envelope of the next message are one write on a kept session', async () => {
  const stream = new RecordingStream((octets) =>
    octets.endsWith('x\r\n.\r\n')
      ? '250 taken\r\n'
      : octets.includes('x\r\n.\r\nMAIL')
        ? '250 taken\r\n250 ok\r\n250 ok\r\n354 go\r\n'
        : answering('250 PIPELINING\r\n')(octets),
  );
  stream.push('220 mx.example\r\n');
  const session = await openOver(stream, clientOptions(0));
  const small = testMessage('x\r\n');
  const large = testMessage(`${'y'.repeat(70)}\r\n`.repeat(1000));
  await session.send(small, never);
  const envelope = 'MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n';
  for (const message of [small, large]) {
    stream.writes.length = 0;
    let behind: Promise<unknown> | undefined;
    const sent = session.send(message, never, () => {
      behind = session.send(small, never);
    });
    if (message === large) {
      while (stream.writes.length < 2) await nextTurn();
      assert.ok(stream.writes[1]?.endsWith(`y\r\n.\r\n${envelope}`));
      break;
    }
    await sent;
    await behind;
    assert.deepEqual(stream.writes, [envelope, `x\r\n.\r\n${envelope}`, 'x\r\n.\r\n']);
  }
  session.close();
});

test('a deadline that moves later costs no timer, and one that is cleared never fires', () => {
  const clock = manualClock();
  let timers = 0;
  const counting = {
    now: () => clock.now(),
    after: (delayMs: number, callback: () => void) => {
      timers++;
      return clock.after(delayMs, callback);
    },
  };
  let passed = 0;
  const deadline = new Deadline(counting, () => passed++);
  for (let i = 0; i < 10; i++) {
    deadline.set(100);
    clock.advance(5);
    deadline.clear();
  }
  assert.equal(timers, 1);
  clock.advance(1000);
  assert.equal(passed, 0);
  deadline.set(100);
  clock.advance(60);
  deadline.set(100);
  clock.advance(60);
  assert.equal(passed, 0);
  deadline.set(10);
  clock.advance(9);
  assert.equal(passed, 0);
  clock.advance(1);
  assert.equal(passed, 1);
  deadline.set(10);
  deadline.close();
  clock.advance(1000);
  assert.equal(passed, 1);
});
