import assert from 'node:assert/strict';
import { on, once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createSecureContext, connect as tlsConnect } from 'node:tls';
import { IpSet, systemClock } from '../base/index.ts';
import type { PopListenerOptions } from './listener.ts';
import { defaultPopLimits } from './options.ts';
import { servePop3 } from './server.ts';
import type { PopServerOptions } from './session-options.ts';
import { makeMaildir, openPopListener, serverOptions } from './testing.ts';

const file = (name: string) => readFileSync(new URL(`../client/testdata/${name}`, import.meta.url));
const secureContext = createSecureContext({ key: file('key.pem'), cert: file('cert.pem') });

async function started(
  t: TestContext,
  changes: Partial<PopServerOptions> = {},
  tls: PopListenerOptions['tls'] = 'stls',
) {
  const root = mkdtempSync(join(tmpdir(), 'posthouse-pop3-'));
  const anna = makeMaildir(join(root, 'anna'), { '1.a.h': 'Subject: one\n\nx\n' });
  const bench = serverOptions(root, { allowPlaintext: true, clock: systemClock, ...changes });
  const listener = await openPopListener({
    name: 'pop3',
    host: '127.0.0.1',
    port: 0,
    tls,
    secureContext: () => secureContext,
    proxyProtocolFrom: new IpSet([]),
    limits: defaultPopLimits,
    serve: (connection) => servePop3(connection, bench.options),
    clock: systemClock,
    log: bench.log,
  });
  t.after(async () => {
    await listener[Symbol.asyncDispose]();
    rmSync(root, { recursive: true, force: true });
  });
  return { ...bench, root, anna, listener };
}

/** Reads until the text is there. */
async function heard(socket: Socket, end: string): Promise<string> {
  let text = '';
  for await (const [octets] of on(socket, 'data', { close: ['close'] })) {
    text += Buffer.isBuffer(octets) ? octets.toString('latin1') : '';
    if (text.endsWith(end)) return text;
  }
  return text;
}

test('STLS on a socket: the handshake, a login under it, and the end', async (t) => {
  const { listener, logins } = await started(t);
  const raw = connect(listener.port, '127.0.0.1');
  assert.equal(await heard(raw, '\r\n'), '+OK Posthouse POP3 ready\r\n');
  raw.write('USER anna\r\nSTLS\r\n');
  assert.equal(await heard(raw, 'now\r\n'), '+OK now the password\r\n+OK begin TLS now\r\n');
  raw.removeAllListeners('data');
  const socket = tlsConnect({ socket: raw, rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  socket.write('PASS sesame\r\nUSER anna\r\nPASS sesame\r\nRETR 1\r\nQUIT\r\n');
  const text = await heard(socket, 'goodbye\r\n');
  const lines = text.split('\r\n');
  assert.equal(lines[0], '-ERR say USER first');
  assert.equal(lines[2], '+OK 1 messages');
  assert.deepEqual(lines.slice(4), ['Subject: one', '', 'x', '.', '+OK goodbye', '']);
  assert.deepEqual(logins, ['anna from 127.0.0.1']);
  await once(socket, 'close');
});

test('TLS from the first octet needs no STLS and offers none', async (t) => {
  const { listener } = await started(t, {}, 'implicit');
  const socket = tlsConnect({ port: listener.port, host: '127.0.0.1', rejectUnauthorized: false });
  socket.write('CAPA\r\nSTLS\r\nQUIT\r\n');
  const text = await heard(socket, 'goodbye\r\n');
  assert.doesNotMatch(text, /\r\nSTLS\r\n/);
  for (const line of ['USER', 'SASL PLAIN', '-ERR no TLS to begin here'])
    assert.ok(text.split('\r\n').includes(line), line);
  socket.destroy();
});

test('commands behind STLS in the same segment end the connection', async (t) => {
  const { listener, logins } = await started(t);
  const socket = connect(listener.port, '127.0.0.1');
  socket.write('STLS\r\nUSER anna\r\nPASS sesame\r\n');
  assert.match(await heard(socket, '\0'), /-ERR nothing may follow STLS before its reply\r\n$/);
  assert.deepEqual(logins, []);
});

test('a half-open client hears the answers to what it asked', async (t) => {
  const { listener } = await started(t);
  const socket = connect({ port: listener.port, host: '127.0.0.1', allowHalfOpen: true });
  socket.end('USER anna\r\nPASS sesame\r\nSTAT\r\n');
  assert.match(await heard(socket, '\0'), /\+OK 1 messages\r\n\+OK 1 19\r\n$/);
  socket.destroy();
});

test('a client that reads nothing costs one piece, and its mailbox is free once it has gone', async (t) => {
  const { listener, root, options, logins } = await started(t);
  makeMaildir(join(root, 'bob'), { '1.big.h': `a: b\n\n${`${'x'.repeat(99)}\n`.repeat(300_000)}` });
  const socket = connect(listener.port, '127.0.0.1');
  await once(socket, 'connect');
  socket.pause();
  const before = process.memoryUsage();
  socket.write(`USER bob\r\nPASS sesame\r\n${'RETR 1\r\n'.repeat(200)}`);
  while (logins.length === 0) await new Promise((resolve) => setImmediate(resolve));
  // A server that does not wait would read 6 GB.
  for (let turn = 0; turn < 2000; turn++) await new Promise((resolve) => setImmediate(resolve));
  const after = process.memoryUsage();
  const grown = after.arrayBuffers + after.external - before.arrayBuffers - before.external;
  assert.ok(grown < 64e6, `${grown} octets`);
  socket.destroy();
  while (listener.connectionCount > 0) await new Promise((resolve) => setImmediate(resolve));
  const opening = await options.mailboxes.open(join(root, 'bob'));
  assert.equal(opening.kind, 'open');
  if (opening.kind === 'open') await opening.mailbox.close();
});
