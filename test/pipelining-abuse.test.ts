import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryPeer, SocketPeer } from './support/peer.ts';
import { TestServer } from './support/server.ts';

test('a browser or a proxy is told once that this is a mail server', async () => {
  const requests = [
    'GET / HTTP/1.1\r\nHost: relay.example.org\r\n\r\n',
    'POST / HTTP/1.1\r\nContent-Length: 99\r\n\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<alice@example.org>\r\n',
    'CONNECT relay.example.org:25 HTTP/1.0\r\n\r\n',
    'Host: relay.example.org\r\n',
    'Subject: buy\r\n\r\n',
    'get / HTTP/1.1\r\n',
  ];
  for (const request of requests) {
    await using server = await TestServer.start();
    await using peer = await SocketPeer.greeted(server.port);
    peer.send(request);
    assert.match(await peer.reply(), /^554 5\.5\.1/, request);
    await peer.over();
    assert.equal(server.intake.begun, 0);
  }
});

test('a command that has to be waited for must be the last of its group', async () => {
  const groups = [
    'EHLO again.example\r\nMAIL FROM:<a@b.example>\r\n',
    'HELO again.example\r\nNOOP\r\n',
    'MAIL FROM:<a@b.example>\r\nRCPT TO:<alice@example.org>\r\nDATA\r\nSubject: early\r\n\r\n.\r\n',
    'STARTTLS\r\nNOOP\r\n',
  ];
  for (const group of groups) {
    await using peer = await MemoryPeer.identified();
    peer.send(group);
    const last = async (): Promise<string> => {
      const reply = await peer.reply();
      return reply.startsWith('250') ? last() : reply;
    };
    assert.match(await last(), /^554 5\.5\.0/, group);
    await peer.over();
    assert.equal(peer.intake.messages.length, 0);
  }
});

test('commands sent before the reply to the first EHLO are refused', async () => {
  await using server = await TestServer.start();
  await using peer = await SocketPeer.connect(server.port);
  peer.send('EHLO early.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<alice@example.org>\r\n');
  assert.match(await peer.reply(), /^220/);
  assert.match(await peer.reply(), /^554 5\.5\.0/);
  await peer.over();
});

test('a client that said HELO was offered no pipelining', async () => {
  await using peer = new MemoryPeer();
  await peer.reply();
  await peer.expect(['HELO old.example', 250]);
  peer.send('MAIL FROM:<a@b.example>\r\nRCPT TO:<alice@example.org>\r\n');
  assert.match(await peer.reply(), /^554 5\.5\.0/);
  await peer.over();
});

test('a line without end is one refusal, and is not kept', async () => {
  await using peer = await MemoryPeer.identified();
  const piece = Buffer.alloc(64 * 1024, 'x');
  for (let i = 0; i < 1000; i++) {
    peer.send(piece);
    assert.ok(!peer.session.hasBufferedInput, 'a line that is too long is dropped as it comes');
  }
  assert.equal(peer.unread, '');
  assert.match(await peer.command(''), /^500 5\.5\.6/);
  await peer.expect(['NOOP', 250]);
});

test('a huge chunk is refused without waiting for it, a large one after it has passed', async () => {
  const limits = { messageBytes: 1000 };
  for (const size of ['9007199254740991', '9007199254740993', '99999999999999999999', '1002001']) {
    await using peer = await MemoryPeer.identified({ limits });
    await peer.expect(
      ['MAIL FROM:<a@b.example>', 250],
      ['RCPT TO:<alice@example.org>', 250],
      [`BDAT ${size}`, 552],
    );
    await peer.over();
  }
  await using peer = await MemoryPeer.identified({ limits });
  await peer.expect(['MAIL FROM:<a@b.example>', 250], ['RCPT TO:<alice@example.org>', 250]);
  peer.send('BDAT 1002000 LAST\r\n');
  for (let left = 1_002_000; left > 0; left -= 3000) {
    assert.equal(peer.unread, '');
    peer.send('QUIT\r\n'.repeat(500));
  }
  assert.match(await peer.reply(), /^552 5\.3\.4/);
  await peer.expect(['NOOP', 250]);
});

test('a peer that asks on and on without reading the answers is not read from either', async () => {
  await using server = await TestServer.start({ limits: { recipients: 1, deferredRecipients: 1e9 } });
  await using peer = await SocketPeer.greeted(server.port);
  await peer.upTo('RCPT');
  peer.socket.pause();
  const lines = 'RCPT TO:<b@example.org>\r\n'.repeat(40_000);
  const limit = 64;
  let sent = 0;
  let isTaken = true;
  while (isTaken && sent < limit) {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    // There is no event for "nothing more is taken": half a second without any progress has to do.
    const timer = setTimeout(() => resolve(false), 500);
    peer.socket.write(lines, () => resolve(true));
    isTaken = await promise.finally(() => clearTimeout(timer));
    sent++;
  }
  assert.ok(sent < limit, `${sent} MB of commands were answered and not one answer read`);
  peer.socket.resume();
  for (let i = 0; i < sent * 40_000; i++) await peer.line();
  await peer.expect(['NOOP', 250]);
});

test('many commands in one segment are answered in order and in one write', async () => {
  await using peer = await MemoryPeer.identified();
  const before = peer.writes;
  peer.send('MAIL FROM:<a@b.example>\r\nNONSENSE\r\nRCPT TO:<alice@example.org>\r\nRSET\r\nNOOP\r\n');
  assert.deepEqual(peer.unread.match(/^\d\d\d/gm), ['250', '500', '250', '250', '250']);
  assert.equal(peer.writes, before + 1);
});
