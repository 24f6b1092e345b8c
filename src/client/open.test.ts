import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type ClientError, openClient } from './index.ts';
import { clientOptions, fakeServer } from './testing.ts';

type Failure = Pick<ClientError, 'code' | 'phase'> & { readonly replyCode?: number };

async function failureOf(opening: Promise<unknown>): Promise<Failure> {
  const error = await opening.then(
    () => assert.fail('it opened'),
    (reason: ClientError) => reason,
  );
  assert.equal(error.name, 'ClientError', String(error.stack));
  const { code, phase, reply } = error;
  return reply === undefined ? { code, phase } : { code, phase, replyCode: reply.code };
}

test('a session begins with EHLO and knows what was offered', async () => {
  await using server = await fakeServer(`
    S: 220-mx.example ESMTP
    S: 220 ready
    C: EHLO client.example
    S: 250-mx.example
    S: 250-PIPELINING
    S: 250-SIZE 1000
    S: 250 LIMITS RCPTMAX=20 MAILMAX=5
    C: QUIT
    S: 221 bye
    WAIT`);
  const session = await openClient(clientOptions(server.port));
  assert.deepEqual(session.greeting.lines, ['mx.example ESMTP', 'ready']);
  assert.equal(session.capabilities.pipelining, true);
  assert.equal(session.capabilities.size, 1000);
  assert.deepEqual(session.capabilities.limits, { rcptMax: 20, mailMax: 5 });
  assert.equal(session.isUsable, true);
  await session.quit();
  assert.equal(session.isUsable, false);
  await server.played;
});

test('replies that come an octet at a time are read the same', async () => {
  const script = `
    S: 220 mx.example
    C: EHLO client.example
    S: 250-mx.example
    S: 250 SIZE 1000
    C: QUIT
    S: 221 bye
    WAIT`;
  await using server = await fakeServer(script, { isDripping: true });
  await using session = await openClient(clientOptions(server.port));
  assert.equal(session.capabilities.size, 1000);
});

test('a server that refuses EHLO with 5yz is asked with HELO and offers nothing', async () => {
  await using server = await fakeServer(`
    S: 220 mx.example
    C: EHLO client.example
    S: 500-PIPELINING
    S: 500 what
    C: HELO client.example
    S: 250 mx.example
    C: QUIT
    S: 221 bye
    WAIT`);
  const session = await openClient(clientOptions(server.port));
  assert.equal(session.capabilities.pipelining, false);
  await session.quit();
  await server.played;
});

test('keywords to ignore are not acted on', async () => {
  await using server = await fakeServer(`
    S: 220 mx.example
    C: EHLO client.example
    S: 250-mx.example
    S: 250-Chunking
    S: 250 PIPELINING
    WAIT`);
  const session = await openClient(clientOptions(server.port, { ignoreKeywords: ['chunking'] }));
  assert.equal(session.capabilities.chunking, false);
  assert.equal(session.capabilities.pipelining, true);
  session.close();
});

test('LMTP says LHLO over a unix socket and never falls back to HELO', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'posthouse-client-'));
  const path = join(folder, 'lmtp');
  let heard = '';
  const server = createServer((socket) => {
    socket.write('220 lmtp\r\n');
    socket.on('data', (chunk) => {
      heard += chunk.toString('latin1');
      socket.write('500 no\r\n');
    });
    socket.on('error', () => {});
  });
  server.listen(path);
  await once(server, 'listening');
  const options = clientOptions(0, { host: { path }, protocol: 'lmtp' });
  assert.deepEqual(await failureOf(openClient(options)), { code: 'rejected', phase: 'ehlo', replyCode: 500 });
  assert.match(heard, /^LHLO client\.example\r\n/);
  server.close();
  await rm(folder, { recursive: true });
});

const refusals: readonly (readonly [string, string, Failure])[] = [
  [
    'a greeting of 554 is a rejection, taken leave of with QUIT',
    `S: 554 no
     C: QUIT
     WAIT`,
    { code: 'rejected', phase: 'greeting', replyCode: 554 },
  ],
  [
    'a greeting of 421 is a rejection with its reply',
    `S: 421 4.3.2 busy
     END`,
    { code: 'rejected', phase: 'greeting', replyCode: 421 },
  ],
  [
    'EHLO refused with 4yz is a rejection',
    `S: 220 hi
     C: EHLO client.example
     S: 451 later
     C: QUIT
     WAIT`,
    { code: 'rejected', phase: 'ehlo', replyCode: 451 },
  ],
  [
    'HELO refused too is a rejection',
    `S: 220 hi
     C: EHLO client.example
     S: 502 no
     C: HELO client.example
     S: 550 no
     C: QUIT
     WAIT`,
    { code: 'rejected', phase: 'ehlo', replyCode: 550 },
  ],
  ['a server that closes instead of greeting is closed', 'END', { code: 'closed', phase: 'greeting' }],
  [
    'a server that resets after EHLO is closed',
    `S: 220 hi
     C: EHLO client.example
     RST`,
    { code: 'closed', phase: 'ehlo' },
  ],
  ['a greeting that is no reply is a protocol error', 'S: hello', { code: 'protocol', phase: 'greeting' }],
  ['a greeting of 354 is a protocol error', 'S: 354 go', { code: 'protocol', phase: 'greeting' }],
  ['a code of class 9 is a protocol error', 'S: 999 what', { code: 'protocol', phase: 'greeting' }],
  [
    'a server that replies before it is asked is out of step',
    `S: 220 hi
     S: 250 anticipated`,
    { code: 'protocol', phase: 'idle' },
  ],
];
for (const [name, script, expected] of refusals) {
  test(name, async () => {
    await using server = await fakeServer(script);
    assert.deepEqual(await failureOf(openClient(clientOptions(server.port))), expected);
    await server.played;
  });
}

test('an EHLO reply of ten thousand lines is a protocol error', async () => {
  const lines = Array.from({ length: 10_000 }, (_, i) => `S: 250-X-NUMBER-${i}`).join('\n');
  await using server = await fakeServer(`S: 220 hi\nC: EHLO client.example\n${lines}\nS: 250 end`);
  const { code, phase } = await failureOf(openClient(clientOptions(server.port)));
  assert.deepEqual({ code, phase }, { code: 'protocol', phase: 'ehlo' });
});

test('a greeting line without end is a protocol error', async () => {
  await using server = await fakeServer(`S+ 220 ${'x'.repeat(200_000)}\nWAIT`);
  const { code } = await failureOf(openClient(clientOptions(server.port)));
  assert.equal(code, 'protocol');
});

test('nobody listening is refused', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  assert(address !== null && typeof address === 'object');
  const failure = await failureOf(openClient(clientOptions(address.port)));
  assert.deepEqual(failure, { code: 'refused', phase: 'connect' });
});

test('what cannot be dialled is unreachable: a name, a bad port, a source address of another family', async () => {
  const expected = { code: 'unreachable', phase: 'connect' };
  for (const changes of [{ host: 'mx.example' }, { port: 70_000 }, { localAddress: 'here' }]) {
    assert.deepEqual(await failureOf(openClient(clientOptions(25, changes))), expected);
  }
});

test('each phase before the first transaction has its deadline', async () => {
  for (const [phase, script] of [
    ['greeting', 'WAIT'],
    ['ehlo', 'S: 220 hi\nC: EHLO client.example\nWAIT'],
    ['starttls', 'S: 220 hi\nC: EHLO client.example\nS: 250-hi\nS: 250 STARTTLS\nC: STARTTLS\nWAIT'],
  ] as const) {
    await using server = await fakeServer(script);
    const options = clientOptions(server.port, { tls: 'opportunistic', timeouts: { [phase]: 20 } });
    assert.deepEqual(await failureOf(openClient(options)), { code: 'timeout', phase });
    await server.played;
  }
});

test('a greeting that drips on for longer than its deadline is a timeout', async () => {
  const server = createServer((socket) => {
    const timer = setInterval(() => socket.write('2'), 5);
    socket.write('220-');
    socket.on('error', () => {}).on('close', () => clearInterval(timer));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert(address !== null && typeof address === 'object');
  const options = clientOptions(address.port, { timeouts: { greeting: 40 } });
  assert.deepEqual(await failureOf(openClient(options)), { code: 'timeout', phase: 'greeting' });
  server.close();
  await once(server, 'close');
});

test('an abort ends the opening at once', async () => {
  const gone = AbortSignal.abort();
  const expected = { code: 'aborted', phase: 'connect' };
  assert.deepEqual(await failureOf(openClient(clientOptions(25, { signal: gone }))), expected);
  const controller = new AbortController();
  await using server = await fakeServer('S: 220 hi\nC: EHLO client.example');
  const opening = failureOf(openClient(clientOptions(server.port, { signal: controller.signal })));
  await server.played;
  controller.abort();
  assert.equal((await opening).code, 'aborted');
});

test('an abort ends an idle session', async () => {
  const controller = new AbortController();
  await using server = await fakeServer('S: 220 hi\nC: EHLO client.example\nS: 250 hi\nWAIT');
  const session = await openClient(clientOptions(server.port, { signal: controller.signal }));
  controller.abort();
  assert.equal(session.isUsable, false);
  await server.played;
});
