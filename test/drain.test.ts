import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { SocketPeer } from './support/peer.ts';
import { networks, TestServer, until } from './support/server.ts';

const never = () => new AbortController().signal;

test('idle sessions hear 421 and the port closes', async () => {
  await using server = await TestServer.start();
  await using greeted = await SocketPeer.greeted(server.port);
  await using identified = await SocketPeer.greeted(server.port);
  await identified.upTo('EHLO');
  const drained = server.receiver.drain(never());
  for (const peer of [greeted, identified]) {
    assert.match(await peer.reply(), /^421 4\.3\.2/);
    await peer.over();
  }
  await drained;
  const late = connect({ host: '127.0.0.1', port: server.port });
  const { promise, resolve } = Promise.withResolvers<string>();
  late.on('error', (error) => resolve('code' in error ? String(error.code) : error.message));
  late.on('connect', () => resolve('connected'));
  assert.equal(await promise, 'ECONNREFUSED');
});

test('a transaction under way comes to its end, and then the session does', async () => {
  await using server = await TestServer.start();
  await using envelope = await SocketPeer.greeted(server.port);
  await envelope.upTo('RCPT');
  await using content = await SocketPeer.greeted(server.port);
  await content.upTo('DATA');
  await using chunks = await SocketPeer.greeted(server.port);
  await chunks.upTo('RCPT');
  await chunks.expect(['BDAT 4\r\nab', 250]);
  const drained = server.receiver.drain(never());
  await envelope.expect(['RCPT TO:<v@example.org>', 250], ['DATA', 354]);
  for (const [peer, end] of [
    [envelope, 'x\r\n.'],
    [content, 'x\r\n.'],
    [chunks, 'BDAT 0 LAST'],
  ] as const) {
    await peer.expect([end, 250]);
    assert.match(await peer.reply(), /^421 4\.3\.2/);
    await peer.over();
  }
  await drained;
  assert.equal(server.intake.messages.length, 3);
});

test('a commit under way is answered before the 421', async () => {
  await using server = await TestServer.start();
  const commit = server.intake.holdCommit();
  await using peer = await SocketPeer.greeted(server.port);
  await peer.upTo('DATA');
  peer.send('x\r\n.\r\n');
  await commit.begun;
  const drained = server.receiver.drain(never());
  commit.release();
  assert.match(await peer.reply(), /^250/);
  assert.match(await peer.reply(), /^421 4\.3\.2/);
  await peer.over();
  await drained;
});

test('a transaction that is given up ends the session too', async () => {
  for (const [line, code] of [
    ['RSET', 250],
    ['EHLO again.example', 250],
    ['QUIT', 221],
  ] as const) {
    await using server = await TestServer.start();
    await using peer = await SocketPeer.greeted(server.port);
    await peer.upTo('MAIL');
    const drained = server.receiver.drain(never());
    await peer.expect([line, code]);
    if (line !== 'QUIT') assert.match(await peer.reply(), /^421 4\.3\.2/);
    await peer.over();
    await drained;
  }
});

test('what is left when the time is over is cut off, and what it sent is thrown away', async () => {
  await using server = await TestServer.start();
  await using peer = await SocketPeer.greeted(server.port);
  await peer.upTo('DATA');
  const time = new AbortController();
  const drained = server.receiver.drain(time.signal);
  time.abort();
  await drained;
  await peer.over();
  assert.equal(server.intake.open, 0);
});

test('connections that have not begun a session are cut off', async () => {
  await using waiting = await TestServer.start({ listener: { proxyProtocolFrom: networks('127.0.0.1') } });
  await using shaking = await TestServer.start({ listener: { tls: 'implicit' } });
  for (const server of [waiting, shaking]) {
    await using peer = await SocketPeer.connect(server.port);
    await until(() => server.receiver.sessionCount > 0);
    await server.receiver.drain(never());
    await peer.over();
  }
});

test('a drain may be asked for twice, and of a server that nobody uses', async () => {
  await using server = await TestServer.start();
  await Promise.all([server.receiver.drain(never()), server.receiver.drain(never())]);
  await using busy = await TestServer.start();
  await using peer = await SocketPeer.greeted(busy.port);
  await Promise.all([busy.receiver.drain(never()), busy.receiver.drain(never())]);
  await peer.reply();
});
