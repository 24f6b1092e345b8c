/** Clients that are there before the relay is: nothing passes what is still being opened. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { freePort } from './peers/program.ts';
import { SocketPeer } from './support/peer.ts';
import { type Keys, openRelay, type TestRelay } from './support/relay.ts';
import { TestServer, testListener } from './support/server.ts';

/** Always a hit, so that one message is enough. */
const bulk = 'XJS*POSTHOUSE*BULK*TEST*STRING*C.34X';

/** Starts a relay, and a client that has tried to connect since before it listened. */
async function early(t: TestContext, role: string, keys: Keys) {
  const port = await freePort();
  const starting = openRelay(t, { ...keys, listeners: { role, address: `127.0.0.1:${port}` } });
  let isUp = false;
  starting.finally(() => {
    isUp = true;
  });
  const connected = () =>
    new Promise<boolean>((resolve) => {
      const socket = createConnection({ host: '127.0.0.1', port });
      socket.once('error', () => resolve(false));
      socket.once('connect', () => {
        socket.destroy();
        resolve(true);
      });
    });
  while (!isUp && !(await connected())) await new Promise((resolve) => setImmediate(resolve));
  return { port, starting, wasEarly: !isUp };
}

async function send(port: number): Promise<string> {
  await using peer = await SocketPeer.greeted(port);
  await peer.expect(
    ['EHLO client.test', 250],
    ['MAIL FROM:<a@client.test>', 250],
    ['RCPT TO:<u@away.test>', 250],
    ['DATA', 354],
  );
  return await peer.command(`From: a@client.test\r\nSubject: x\r\n\r\n${bulk}\r\n.`);
}

async function held(relay: TestRelay): Promise<number> {
  let count = 0;
  for await (const _ of relay.control.list({ selector: { match: { held: true } } })) count++;
  return count;
}

test('mail right after a start does not pass a rule that holds', async (t) => {
  for (let round = 0; round < 3; round++) {
    const { port, starting, wasEarly } = await early(t, 'mx', {
      relay: { networks: '127.0.0.0/8' },
      routes: { to: '*', via: 'capture' },
      clearinghouse: { memory: '32MB', relay: { action: 'hold', when: 'bulk' } },
    });
    if (!wasEarly) t.diagnostic('the relay was faster than its first client');
    const sent = Promise.allSettled([send(port), send(port), send(port), send(port)]);
    // Whatever their results, the relay ends with the test.
    const relay = await starting;
    for (const reply of await sent) assert.match(String(Object(reply).value), /^250 /);
    assert.equal(await held(relay), 4);
    assert.ok(!relay.log.lines.some(({ event }) => event === 'check-skipped'));
  }
});

test('mail for a trap right after a start is in the trap', async (t) => {
  const { port, starting } = await early(t, 'trap', { trap: { folder: 'trap' } });
  const sent = Promise.allSettled([send(port)]);
  const { next } = await starting;
  for (const reply of await sent) assert.match(String(Object(reply).value), /^250 /);
  if (next instanceof Error) throw next;
  const names = await readdir(next.trap.folder, { recursive: true });
  assert.ok(
    names.some((name) => name.endsWith('.eml')),
    join(next.trap.folder, names.join()),
  );
});

test('a receiver that is bound holds its connections, and greets them once it serves', async () => {
  await using server = await TestServer.start();
  const port = await freePort();
  const { commit } = await server.receiver.prepare([testListener({ port })]);
  await using peer = await SocketPeer.connect(port);
  assert.equal(server.receiver.sessionCount, 0);
  commit();
  assert.match(await peer.reply(), /^220 /);
  await peer.expect(['EHLO client.test', 250]);
});

test('a receiver that ends before it greets lets go of those who waited', async () => {
  const server = await TestServer.start();
  const port = await freePort();
  await server.receiver.prepare([testListener({ port })]);
  await using peer = await SocketPeer.connect(port);
  await server[Symbol.asyncDispose]();
  await peer.over();
});
