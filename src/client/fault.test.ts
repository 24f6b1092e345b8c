import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { TLSSocket } from 'node:tls';
import { type FaultPlan, faulty } from '../base/testing.ts';
import { ClientError, type ClientOptions, openClient } from './index.ts';
import {
  clientOptions,
  hello,
  inPieces,
  testAddress,
  testCertificate,
  testKey,
  testMessage,
  two,
} from './testing.ts';

/** Servers that differ in which ways through the client they lead. */
const offers: readonly (readonly string[])[] = [
  [],
  ['PIPELINING', 'SIZE', '8BITMIME', 'SMTPUTF8', 'DSN'],
  ['PIPELINING', 'CHUNKING', 'BINARYMIME', '8BITMIME', 'DSN'],
];

/** A server that takes everything, and knows how many connections it has. */
async function openHouse(t: TestContext, keywords: readonly string[], isTls = false) {
  const open = new Set<Socket>();
  const events = new EventEmitter();
  const server = createServer({ noDelay: true }, (socket) => {
    open.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => {
      open.delete(socket);
      events.emit('gone');
    });
    const stream = isTls
      ? new TLSSocket(socket, { isServer: true, key: testKey, cert: testCertificate })
      : socket;
    stream.on('error', () => {});
    serve(stream, keywords);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    /** Resolves when no connection is left. */
    async empty(): Promise<void> {
      while (open.size > 0) await once(events, 'gone');
    },
  };
}

function serve(stream: Socket, keywords: readonly string[]): void {
  let received = '';
  let content: number | 'dot' | undefined;
  const say = (text: string) => stream.write(`${text}\r\n`);
  stream.on('data', (chunk: Buffer) => {
    received += chunk.toString('latin1');
    for (;;) {
      const end =
        typeof content === 'number'
          ? content
          : received.indexOf(content === 'dot' ? '.\r\n' : '\r\n') + (content === 'dot' ? 3 : 2);
      if (end < 2 || received.length < end) return;
      const line = received.slice(0, end).trimEnd();
      received = received.slice(end);
      if (content !== undefined) {
        content = undefined;
        say('250 2.0.0 taken');
      } else if (line.startsWith('EHLO')) {
        const lines = ['mx.example', 'AUTH PLAIN LOGIN XOAUTH2', ...keywords];
        for (const [i, text] of lines.entries()) say(`250${i < lines.length - 1 ? '-' : ' '}${text}`);
      } else if (line.startsWith('AUTH')) say('235 2.7.0 welcome');
      else if (line === 'DATA') {
        content = 'dot';
        say('354 go on');
      } else if (line.startsWith('BDAT')) content = Number(line.split(' ')[1]);
      else say('250 2.0.0 ok');
    }
  });
  say('220 mx.example');
}

/** Carries something out again and again, with a fault one step later each time, until none is reached. */
async function atEachStep(act: (plan: FaultPlan) => Promise<void>): Promise<number> {
  for (let at = 0; ; at++) {
    const plan = { at, steps: 0 };
    await act(plan);
    if (plan.steps <= at) return at;
  }
}

const wide = testMessage('Subject: x\r\n\r\n.text\r\n', two, {
  recipients: [
    {
      address: testAddress('b@example.net'),
      originalRecipient: { type: 'rfc822', address: 'ž@example.net' },
    },
    { address: testAddress('c@example.net'), notify: ['failure'] },
  ],
  envid: 'an id',
  ret: 'hdrs',
  prefix: Buffer.from('X: y\r\n'),
});

for (const keywords of offers) {
  test(`a fault at any step of a transaction closes its connection [${keywords.join(' ')}]`, async (t) => {
    const house = await openHouse(t, keywords);
    for (const message of [wide, inPieces(wide, 7)]) {
      const steps = await atEachStep(async (plan) => {
        await using session = await openClient(clientOptions(house.port));
        const result = await session.send(faulty(message, plan), new AbortController().signal).catch(String);
        if (plan.steps <= plan.at) assert.equal(typeof result === 'object' && result.accepted, 2);
        else {
          assert.ok(!session.isUsable, `the session goes on after step ${plan.at}`);
          await house.empty();
        }
      });
      assert.ok(steps > 20, `only ${steps} steps`);
      await house.empty();
    }
  });

  test(`a fault at any step of a callout closes its connection [${keywords.join(' ')}]`, async (t) => {
    const house = await openHouse(t, keywords);
    const steps = await atEachStep(async (plan) => {
      await using session = await openClient(clientOptions(house.port));
      const recipient = faulty({ address: testAddress('b@example.net') }, plan);
      const answer = await session.verify(null, recipient).catch((error: unknown) => error);
      if (plan.steps <= plan.at) return;
      assert.ok(answer instanceof ClientError, String(answer));
      await house.empty();
    });
    assert.ok(steps > 2, `only ${steps} steps`);
    await house.empty();
  });
}

test('a fault at any step of opening a session closes its connection', async (t) => {
  const house = await openHouse(t, [], true);
  const logins: readonly NonNullable<ClientOptions['credentials']>[] = [
    { user: 'me', password: 'secret' },
    { user: 'me', token: 'secret', mechanism: 'xoauth2' },
  ];
  for (const credentials of logins) {
    const steps = await atEachStep(async (plan) => {
      const options = faulty(clientOptions(house.port, { tls: 'implicit', credentials }), plan);
      const session = await openClient(options).catch((error: unknown) => error);
      // A fault of the clock may come later, in an open session: the next command ends it.
      if (session instanceof ClientError) await house.empty();
      else if (typeof session === 'object' && session !== null && 'quit' in session) {
        await (session as Awaited<ReturnType<typeof openClient>>).quit();
      } else assert.fail(String(session));
    });
    assert.ok(steps > 20, `only ${steps} steps`);
    await house.empty();
  }
});

test('a fault in the octets of a message closes the connection, and the next session is served', async (t) => {
  const house = await openHouse(t, ['PIPELINING']);
  const broken = {
    ...hello,
    octets: {
      size: 100,
      whole: undefined,
      async *chunks() {
        yield Buffer.from('Subject: x\r\n');
        throw new Error('disk on fire');
      },
    },
  };
  await using session = await openClient(clientOptions(house.port));
  const { ending } = await session.send(broken, new AbortController().signal);
  assert.equal(ending.kind, 'lost');
  await house.empty();
  await using next = await openClient(clientOptions(house.port));
  assert.equal((await next.send(hello, new AbortController().signal)).accepted, 1);
});
