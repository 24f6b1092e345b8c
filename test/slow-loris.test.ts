import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { manualClock } from '../src/base/index.ts';
import { MemoryPeer, SocketPeer } from './support/peer.ts';
import { TestServer, until } from './support/server.ts';

test('a command that comes octet by octet has as long as one that does not come', async () => {
  const clock = manualClock();
  await using peer = new MemoryPeer({ clock, limits: { idleMs: 10_000 } });
  await peer.reply();
  for (const octet of 'EHLO slow.') {
    clock.advance(1000);
    peer.send(octet);
  }
  assert.equal(peer.unread, '');
  clock.advance(1);
  peer.send('e');
  assert.match(await peer.reply(), /^421 4\.4\.2/);
  await peer.over();
});

test('a complete command begins the time anew', async () => {
  const clock = manualClock();
  await using peer = new MemoryPeer({ clock, limits: { idleMs: 10_000 } });
  await peer.reply();
  for (let i = 0; i < 10; i++) {
    clock.advance(9000);
    await peer.expect(['NOOP', 250]);
  }
});

test('a refused chunk that comes octet by octet has as long as a message', async () => {
  const clock = manualClock();
  await using peer = new MemoryPeer({ clock, limits: { idleMs: 10_000, contentMs: 20_000 } });
  await peer.reply();
  peer.send('BDAT 1000 LAST\r\n');
  for (let i = 0; i < 20; i++) {
    clock.advance(1000);
    peer.send('x');
  }
  assert.equal(peer.unread, '');
  clock.advance(1);
  peer.send('x');
  assert.match(await peer.reply(), /^421 4\.4\.2/);
});

test('a silent peer is told 421 and cut off', async () => {
  await using server = await TestServer.start({ limits: { idleMs: 20 } });
  await using peer = await SocketPeer.connect(server.port);
  assert.match(await peer.reply(), /^220/);
  assert.match(await peer.reply(), /^421 4\.4\.2/);
  await peer.over();
});

test('a peer that was silent while it waited for an answer is still timed afterwards', async () => {
  await using server = await TestServer.start({ limits: { idleMs: 500 } });
  const commit = server.intake.holdCommit();
  await using peer = await SocketPeer.greeted(server.port);
  await peer.upTo('DATA');
  peer.send('x\r\n.\r\n');
  // Longer than the limit of silence: the commit is what takes this long.
  setTimeout(commit.release, 700);
  assert.match(await peer.reply(), /^250/);
  assert.match(await peer.reply(), /^421 4\.4\.2/);
  await peer.over();
});

test('a peer that does not close after the end is cut off, though it keeps sending', async () => {
  const clock = manualClock();
  await using server = await TestServer.start({ clock });
  await using peer = await SocketPeer.greeted(server.port);
  peer.socket.allowHalfOpen = true;
  await peer.expect(['QUIT', 221]);
  for (let i = 0; i < 10; i++) {
    peer.send('x');
    await setImmediate();
    clock.advance(1000);
  }
  await server.empty();
});

test('a handshake that does not come to its end is waited for only so long', async () => {
  for (const tls of ['implicit', 'starttls'] as const) {
    const clock = manualClock();
    await using server = await TestServer.start({ clock, listener: { tls }, limits: { openingMs: 10_000 } });
    await using peer = await SocketPeer.connect(server.port);
    if (tls === 'starttls') {
      await peer.reply();
      await peer.expect(['EHLO client.example', 250], ['STARTTLS', 220]);
    }
    // The beginning of a record, octet by octet.
    await until(() => server.receiver.sessionCount > 0);
    for (const octet of [22, 3, 1, 2, 0, 1, 0, 1, 252, 3]) {
      peer.send(Buffer.from([octet]));
      await setImmediate();
      clock.advance(1001);
    }
    await peer.over();
    await server.empty();
  }
});

test('a peer that leaves while its message is written leaves nothing behind', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  await using server = await TestServer.start();
  server.intake.hold = { write: promise };
  {
    await using peer = await SocketPeer.greeted(server.port);
    await peer.upTo('DATA');
    peer.send('Subject: x\r\n\r\nx\r\n.\r\n');
    await until(() => server.intake.open > 0);
    peer.socket.resetAndDestroy();
  }
  await server.empty();
  resolve();
  await server.background.drain();
  assert.equal(server.intake.messages.length, 0);
  assert.equal(server.intake.open, 0);
});

test('a peer that leaves while its message is committed does not undo it', async () => {
  await using server = await TestServer.start();
  const commit = server.intake.holdCommit();
  {
    await using peer = await SocketPeer.greeted(server.port);
    await peer.upTo('DATA');
    peer.send('x\r\n.\r\n');
    await commit.begun;
    peer.socket.resetAndDestroy();
  }
  await server.empty();
  commit.release();
  await server.background.drain();
  assert.equal(server.intake.messages.length, 1);
});
