import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { SocketPeer } from './support/peer.ts';
import { networks, TestServer, until } from './support/server.ts';

/** No time limit may be what ends these. */
const limits = { idleMs: 3_600_000, openingMs: 3_600_000, contentMs: 3_600_000 };

for (const tls of ['none', 'implicit'] as const) {
  test(`a peer that ends its side behind a message hears what came of it (TLS: ${tls})`, async () => {
    await using server = await TestServer.start({ limits, listener: { tls } });
    const commit = server.intake.holdCommit();
    await using peer = await SocketPeer.connect(server.port, tls);
    await peer.reply();
    await peer.upTo('DATA');
    peer.send('x\r\n.\r\nNOOP\r\n');
    peer.end();
    await commit.begun;
    // The end comes while the message is committed; nothing else tells that the server has seen it.
    for (let i = 0; i < 20; i++) await setImmediate();
    commit.release();
    assert.match(await peer.reply(), /^250 2\.0\.0 queued/);
    assert.match(await peer.reply(), /^250/);
    await peer.over();
    await server.empty();
    assert.equal(server.intake.messages.length, 1);
  });
}

test('a peer that ends its side in the middle of anything is let go', async () => {
  const sent = ['', 'NOO', 'EHLO x\r\n', 'EHLO x\r\nMAIL', 'BDAT 100\r\nabc'];
  for (const octets of sent) {
    await using server = await TestServer.start({ limits });
    await using peer = await SocketPeer.greeted(server.port);
    peer.socket.end(octets);
    await server.empty();
  }
  for (const content of ['x\r\n.\r', 'x'.repeat(100_000)]) {
    await using server = await TestServer.start({ limits });
    await using peer = await SocketPeer.greeted(server.port);
    await peer.upTo('DATA');
    peer.socket.end(content);
    await server.empty();
    assert.deepEqual([server.intake.messages.length, server.intake.open], [0, 0]);
  }
});

test('a peer that ends its side before its session begins is let go', async () => {
  const options = [
    { listener: { proxyProtocolFrom: networks('127.0.0.1') }, limits },
    { listener: { tls: 'implicit' as const }, limits },
    { limits: { ...limits, sessions: 0 } },
  ];
  for (const each of options) {
    await using server = await TestServer.start(each);
    await using peer = await SocketPeer.connect(server.port);
    await until(() => server.receiver.sessionCount > 0);
    peer.socket.end();
    await server.empty();
  }
  await using server = await TestServer.start({ limits });
  await using peer = await SocketPeer.greeted(server.port);
  await peer.expect(['EHLO client.example', 250], ['STARTTLS', 220]);
  // The beginning of a record.
  peer.socket.end(Buffer.from([22, 3, 1, 2, 0, 1]));
  await server.empty();
});
