import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { openClient } from '../src/client/index.ts';
import { clientOptions, inPieces, quick, testMessage } from '../src/client/testing.ts';
import { MemoryPeer, type Peer, SocketPeer } from './support/peer.ts';
import { TestServer } from './support/server.ts';

/** Octets that some server takes for the end of data, or for a part of it, and that must not end it. */
const vectors: readonly (readonly [octets: string, refusal: string])[] = [
  ['\n.\n', '550 5.5.2'],
  ['\n.\r', '550 5.5.2'],
  ['\r.\n', '550 5.5.2'],
  ['\r.\r', '550 5.5.2'],
  ['\n.\r\n', '550 5.5.2'],
  ['\r.\r\n', '550 5.5.2'],
  ['\r\n.\n', '550 5.5.2'],
  ['\r\n.\r', '550 5.5.2'],
  ['\r\n.\r\r\n', '550 5.5.2'],
  ['\r\r\n.\r\r\n', '550 5.5.2'],
  ['\r\n\0.\r\n', '550 5.6.0'],
  ['\r\n.\0\r\n', '550 5.6.0'],
];
const smuggled =
  'MAIL FROM:<smuggled@evil.example>\r\nRCPT TO:<victim@example.org>\r\nDATA\r\nFrom: ceo\r\n\r\npay\r\n';

/** The content with a vector in it: where the data begins, in the header, in the body. */
const places: readonly ((vector: string) => string)[] = [
  (vector) => `${vector}${smuggled}`,
  (vector) => `Subject: x${vector}${smuggled}`,
  (vector) => `Subject: x\r\n\r\nbody${vector}${smuggled}`,
  (vector) => `Subject: x\r\n\r\nbody\r\n${vector}${smuggled}`,
];

const octetsOf = (text: string) => Buffer.from(text, 'latin1');

async function beginTransaction(peer: Peer): Promise<void> {
  await peer.expect(['MAIL FROM:<a@b.example>', 250], ['RCPT TO:<alice@example.org>', 250]);
}

/** Sends the octets, cut in two, and gives all that was said about them. */
async function tell(peer: Peer, octets: Buffer, cut: number): Promise<readonly string[]> {
  peer.send(octets.subarray(0, cut));
  peer.send(octets.subarray(cut));
  const first = await peer.reply();
  const said: string[] = [first];
  // The answer to NOOP must be the next one: anything else was an answer to what was smuggled.
  said.push(await peer.command('NOOP'));
  return said;
}

async function attackByData(peer: Peer, content: string, cut: number): Promise<readonly string[]> {
  await beginTransaction(peer);
  await peer.expect(['DATA', 354]);
  return tell(peer, octetsOf(`${content}.\r\n`), cut);
}

async function attackByBdat(peer: Peer, content: string, cut: number): Promise<readonly string[]> {
  await beginTransaction(peer);
  const octets = octetsOf(content);
  return tell(peer, Buffer.concat([Buffer.from(`BDAT ${octets.length} LAST\r\n`), octets]), cut);
}

const limits = { commandErrors: 1_000_000, transactions: 1_000_000 };

for (const [name, attack] of [
  ['DATA', attackByData],
  ['BDAT', attackByBdat],
] as const) {
  test(`no vector ends a message early by ${name}, wherever the stream is cut`, async () => {
    await using peer = new MemoryPeer({ limits });
    await peer.reply();
    await peer.expect(['EHLO client.example', 250]);
    for (const [vector, refusal] of vectors) {
      for (const place of places) {
        const content = place(vector);
        for (let cut = 0; cut <= content.length + 3; cut++) {
          const [said = '', next] = await attack(peer, content, cut);
          assert.equal(said.slice(0, 9), refusal, `${JSON.stringify(content)} cut at ${cut}`);
          assert.equal(next, '250 2.0.0 ok', `in step after ${JSON.stringify(vector)} cut at ${cut}`);
        }
      }
    }
    assert.equal(peer.intake.messages.length, 0);
    assert.equal(peer.intake.open, 0);
  });

  test(`no vector ends a message early by ${name} over a socket`, async () => {
    await using server = await TestServer.start({ limits });
    await using peer = await SocketPeer.greeted(server.port);
    await peer.expect(['EHLO client.example', 250]);
    for (const [vector, refusal] of vectors) {
      for (const place of places) {
        const content = place(vector);
        const at = content.indexOf(smuggled);
        for (let cut = at - vector.length; cut <= at; cut++) {
          const [said = '', next] = await attack(peer, content, cut);
          assert.equal(said.slice(0, 9), refusal, `${JSON.stringify(content)} cut at ${cut}`);
          assert.equal(next, '250 2.0.0 ok');
        }
      }
    }
    assert.equal(server.intake.messages.length, 0);
  });
}

test('a vector cut by the end of a chunk is refused too', async () => {
  await using peer = new MemoryPeer({ limits });
  await peer.reply();
  await peer.expect(['EHLO client.example', 250]);
  for (const [vector, refusal] of vectors) {
    const content = octetsOf(`x${vector}${smuggled}`);
    for (let cut = 1; cut <= vector.length; cut++) {
      await beginTransaction(peer);
      peer.send(Buffer.concat([octetsOf(`BDAT ${cut}\r\n`), content.subarray(0, cut)]));
      const first = await peer.reply();
      peer.send(Buffer.concat([octetsOf(`BDAT ${content.length - cut} LAST\r\n`), content.subarray(cut)]));
      const second = await peer.reply();
      // The fault shows in the first chunk or in the second, and what follows it is out of the question.
      const said = first.startsWith('250') ? second : first;
      assert.equal(said.slice(0, 9), refusal, `${JSON.stringify(vector)} cut at ${cut}`);
      if (!first.startsWith('250')) assert.equal(second.slice(0, 9), '503 5.5.1');
      await peer.expect(['NOOP', 250]);
    }
  }
  assert.equal(peer.intake.messages.length, 0);
});

test('a message over the size limit is read to its real end as well', async () => {
  await using peer = new MemoryPeer({ limits: { ...limits, messageBytes: 50 } });
  await peer.reply();
  await peer.expect(['EHLO client.example', 250]);
  for (const [vector] of vectors) {
    const [said, next] = await attackByData(peer, `${'x'.repeat(100)}${vector}${smuggled}`, 60);
    assert.match(said ?? '', /^552 5\.3\.4/);
    assert.equal(next, '250 2.0.0 ok');
  }
});

test('octets that only look like line ends pass as they are', async () => {
  await using peer = new MemoryPeer();
  await peer.reply();
  await peer.expect(['EHLO client.example', 250]);
  for (const octet of ['\x0b', '\x0c', '\x85', '\x1e']) {
    const content = `x${octet}.${octet}${smuggled}`;
    assert.match((await attackByData(peer, content, 3))[0] ?? '', /^250/);
    assert.equal(peer.intake.messages.at(-1)?.sent.toString('latin1'), content);
  }
});

/** A next hop that takes everything and keeps what it was sent. */
async function recorder() {
  const received: Buffer[] = [];
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (octets: Buffer) => {
      received.push(octets);
      for (const [line] of octets.toString('latin1').matchAll(/^(?:EHLO|MAIL|RCPT|DATA)/gm)) {
        socket.write(line === 'DATA' ? '354 go\r\n' : '250 ok\r\n');
      }
    });
    socket.write('220 next.example\r\n');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
  return {
    port,
    text: () => Buffer.concat(received).toString('latin1'),
    [Symbol.asyncDispose]: async () => {
      server.close();
      await once(server, 'close');
    },
  };
}

test('no vector goes out by DATA, whatever is believed of the content', async () => {
  for (const [vector] of vectors.filter(([octets]) => !octets.includes('\0'))) {
    for (const isBinary of [true, false]) {
      const message = testMessage(`Subject: x\r\n\r\nbody${vector}${smuggled}`);
      const content = { ...message.content, isBinary, hasLeadingDot: true };
      for (const each of [{ ...message, content }, inPieces({ ...message, content }, 3)]) {
        await using next = await recorder();
        {
          await using session = await openClient(clientOptions(next.port));
          const result = await session.send(each, quick());
          assert.equal(result.accepted, 0, JSON.stringify(vector));
        }
        const sent = next.text();
        assert.ok(!sent.includes(vector), `${JSON.stringify(vector)} went out`);
        assert.ok(!sent.includes('\r\n.\r\n'), 'a message cut short looks complete');
      }
    }
  }
});
