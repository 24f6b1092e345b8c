import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualClock } from '../src/base/index.ts';
import { reply } from '../src/mail/index.ts';
import type { Policy } from '../src/receiver/index.ts';
import { MemoryPeer, SocketPeer } from './support/peer.ts';
import { networks, TestServer, until } from './support/server.ts';

test('sessions above the limit are told 421, and one that ends makes room', async () => {
  await using server = await TestServer.start({ limits: { sessions: 2 } });
  await using first = await SocketPeer.greeted(server.port);
  await using second = await SocketPeer.greeted(server.port);
  await using third = await SocketPeer.connect(server.port);
  assert.match(await third.reply(), /^421 4\.3\.2/);
  await third.over();
  await first.expect(['QUIT', 221]);
  await first.over();
  await until(() => server.receiver.sessionCount <= 1);
  await using fourth = await SocketPeer.connect(server.port);
  assert.match(await fourth.reply(), /^220/);
  await second.expect(['NOOP', 250]);
});

test('sessions of one client above its limit are told 421, those of others are not', async () => {
  await using server = await TestServer.start({
    limits: { sessionsPerClient: 1 },
    listener: { proxyProtocolFrom: networks('127.0.0.1') },
  });
  const from = async (address: string) => {
    const peer = await SocketPeer.connect(server.port);
    peer.send(`PROXY TCP4 ${address} 192.0.2.1 4711 25\r\n`);
    return { peer, greeting: await peer.reply() };
  };
  const { peer: first, greeting } = await from('203.0.113.9');
  await using _first = first;
  assert.match(greeting, /^220/);
  const { peer: second, greeting: refusal } = await from('203.0.113.9');
  await using _second = second;
  assert.match(refusal, /^421 4\.7\.0/);
  await second.over();
  const { peer: other, greeting: welcome } = await from('203.0.113.10');
  await using _other = other;
  assert.match(welcome, /^220/);
});

test('all addresses of an IPv6 network are one client to the limit of sessions', async () => {
  await using server = await TestServer.start({
    limits: { sessionsPerClient: 2 },
    listener: { proxyProtocolFrom: networks('127.0.0.1') },
  });
  const greetings: string[] = [];
  const peers = new AsyncDisposableStack();
  await using _peers = peers;
  for (const address of ['2001:db8:1:2::1', '2001:db8:1:2:ffff::2', '2001:db8:1:2:3::', '2001:db8:1:3::1']) {
    const peer = peers.use(await SocketPeer.connect(server.port));
    peer.send(`PROXY TCP6 ${address} 2001:db8::25 4711 25\r\n`);
    greetings.push((await peer.reply()).slice(0, 3));
  }
  assert.deepEqual(greetings, ['220', '220', '421', '220']);
});

test('errors above the limit end the session with 421', async () => {
  await using peer = await MemoryPeer.identified({ limits: { commandErrors: 3 } });
  await peer.expect(['ONE', 500], ['MAIL', 501], ['DATA', 503], ['FOUR', 500]);
  assert.match(await peer.reply(), /^421 4\.7\.0/);
  await peer.over();
});

test('lines that cannot be read count as errors', async () => {
  await using peer = await MemoryPeer.identified({ limits: { commandErrors: 2 } });
  peer.send('x\ny\r\n\0\r\nNOOP\xff\r\n');
  for (const code of [/^500/, /^500/, /^500/, /^421/]) assert.match(await peer.reply(), code);
  await peer.over();
});

test('transient refusals are no errors', async () => {
  await using peer = await MemoryPeer.identified({ limits: { commandErrors: 1, recipients: 1 } });
  await peer.expect(['MAIL FROM:<>', 250], ['RCPT TO:<u@example.org>', 250]);
  for (let i = 0; i < 10; i++) await peer.expect(['RCPT TO:<v@example.org>', 452]);
  await peer.expect(['NOOP', 250]);
});

test('a client that names recipients without end is let go, and one that brings mail between them is not', async () => {
  await using peer = await MemoryPeer.identified({ limits: { recipients: 1, deferredRecipients: 5 } });
  for (let n = 0; n < 3; n++) {
    await peer.expect(['MAIL FROM:<>', 250], ['RCPT TO:<u@example.org>', 250]);
    for (let i = 0; i < 5; i++) await peer.expect(['RCPT TO:<v@example.org>', 452]);
    await peer.expect(['DATA', 354], ['Subject: x\r\n\r\nx\r\n.', 250]);
  }
  await peer.expect(['MAIL FROM:<>', 250], ['RCPT TO:<u@example.org>', 250]);
  for (let i = 0; i < 6; i++) await peer.expect(['RCPT TO:<v@example.org>', 452]);
  assert.match(await peer.reply(), /^421 4\.7\.0/);
  await peer.over();
});

test('commands that carry no mail are counted until one does', async () => {
  await using peer = await MemoryPeer.identified({ limits: { idleCommands: 5 } });
  for (let i = 0; i < 3; i++) {
    for (const line of ['NOOP', 'RSET', 'EHLO again.example', 'MAIL FROM:<>']) await peer.expect([line, 250]);
    await peer.expect(['RCPT TO:<u@example.org>', 250]);
  }
  await peer.expect(
    ['RSET', 250],
    ['NOOP', 250],
    ['VRFY u', 252],
    ['HELP', 214],
    ['NOOP', 250],
    ['NOOP', 250],
  );
  assert.match(await peer.reply(), /^421 4\.7\.0/);
  await peer.over();
});

test('transactions above the limit end the session with one reply', async () => {
  await using peer = await MemoryPeer.identified({ limits: { transactions: 2 } });
  await peer.expect(['MAIL FROM:<>', 250], ['RSET', 250], ['MAIL FROM:<>', 250], ['RSET', 250]);
  await peer.expect(['MAIL FROM:<>', 421]);
  await peer.over();
});

/** A message with so many Received fields, and more of them in its body. */
function received(hops: number): string {
  const field = 'Received: from a\r\n\tby b; now\r\n';
  return `${field.repeat(hops)}X-Received: x\r\nSubject: hops\r\n\r\n${field.repeat(100)}`;
}

test('hops above the limit are a loop, wherever the stream is cut', async () => {
  await using peer = await MemoryPeer.identified({ limits: { hops: 3, commandErrors: 1e6 } });
  for (const [hops, code] of [
    [3, 250],
    [4, 554],
  ] as const) {
    const content = Buffer.from(received(hops));
    for (const size of [1, 2, 3, 7, 16, content.length]) {
      for (const by of ['DATA', 'BDAT']) {
        await peer.expect(['MAIL FROM:<>', 250], ['RCPT TO:<u@example.org>', 250]);
        if (by === 'DATA') await peer.expect(['DATA', 354]);
        else peer.send(`BDAT ${content.length} LAST\r\n`);
        for (let at = 0; at < content.length; at += size) peer.send(content.subarray(at, at + size));
        if (by === 'DATA') peer.send('.\r\n');
        assert.match(await peer.reply(), new RegExp(`^${code} `), `${hops} hops by ${by}, ${size} at once`);
      }
    }
  }
});

test('Received fields in the body of a message with an empty header are no hops', async () => {
  await using peer = await MemoryPeer.identified({ limits: { hops: 3 } });
  for (const size of [1, 1000]) {
    const content = Buffer.from(`\r\n${'Received: x\r\n'.repeat(10)}.\r\n`);
    await peer.expect(['MAIL FROM:<>', 250], ['RCPT TO:<u@example.org>', 250], ['DATA', 354]);
    for (let at = 0; at < content.length; at += size) peer.send(content.subarray(at, at + size));
    assert.match(await peer.reply(), /^250/);
  }
});

test('an intake that takes nothing now is heard at MAIL', async () => {
  await using peer = await MemoryPeer.identified();
  peer.intake.refuses = reply(452, '3.1', 'full');
  await peer.expect(['MAIL FROM:<a@b.example>', 452], ['RCPT TO:<u@example.org>', 503]);
  peer.intake.refuses = undefined;
  await peer.expect(['MAIL FROM:<a@b.example>', 250]);
});

test('a decision that breaks is 451 and ends the session', async () => {
  const broken = [
    () => {
      throw new Error('broken');
    },
    async () => {
      throw new Error('broken later');
    },
  ];
  for (const decide of broken) {
    await using server = await TestServer.start({
      settings: { policy: { decide, refuseSender: () => undefined } },
    });
    await using peer = await SocketPeer.greeted(server.port);
    await peer.expect(['EHLO client.example', 250], ['MAIL FROM:<>', 250], ['RCPT TO:<u@example.org>', 451]);
    await peer.over();
    assert.equal(server.logged('session-failed').length, 1);
    // Told; the server's own check would call it a bug.
    server.log.lines.length = 0;
  }
});

test('a sender who has to be asked about is answered in turn, and an answer that breaks is 451', async () => {
  const denied = { kind: 'refusal', reply: reply(530, '7.0', 'not yet'), because: 'asked' } as const;
  const refuseSender: Policy['refuseSender'] = async ({ reversePath }) => {
    await Promise.resolve();
    if (reversePath?.localPart === 'broken') throw new Error('broken later');
    return reversePath === null ? undefined : denied;
  };
  const decide: Policy['decide'] = ({ recipient }) => ({
    kind: 'grant',
    ground: 'recipient',
    because: 'any',
    to: [recipient],
  });
  await using server = await TestServer.start({ settings: { policy: { decide, refuseSender } } });
  await using peer = await SocketPeer.greeted(server.port);
  await peer.expect(['EHLO client.example', 250]);
  peer.send(
    'MAIL FROM:<a@b.example>\r\nRCPT TO:<u@example.org>\r\nMAIL FROM:<>\r\nRCPT TO:<u@example.org>\r\n',
  );
  for (const code of [530, 503, 250, 250]) assert.match(await peer.reply(), new RegExp(`^${code}`));
  await peer.expect(['RSET', 250], ['MAIL FROM:<broken@b.example>', 451]);
  await peer.over();
  assert.equal(server.logged('session-failed').length, 1);
  server.log.lines.length = 0;
});

test('a message that takes longer than its time is given up, though octets keep coming', async () => {
  const clock = manualClock();
  await using peer = await MemoryPeer.identified({ clock, limits: { contentMs: 10_000, idleMs: 5000 } });
  await peer.expect(['MAIL FROM:<>', 250], ['RCPT TO:<u@example.org>', 250], ['DATA', 354]);
  for (let i = 0; i < 10; i++) {
    peer.send('x');
    clock.advance(1000);
  }
  assert.equal(peer.unread, '');
  clock.advance(1);
  peer.send('x');
  assert.match(await peer.reply(), /^421 4\.4\.2/);
  await peer.over();
  assert.equal(peer.intake.open, 0);
});

test('a message by BDAT has no more time than one by DATA, however its chunks are spread', async () => {
  const limits = { contentMs: 10_000, idleMs: 5000 };
  const begin = async (clock: ReturnType<typeof manualClock>) => {
    const peer = await MemoryPeer.identified({ clock, limits });
    await peer.expect(['MAIL FROM:<>', 250], ['RCPT TO:<u@example.org>', 250]);
    return peer;
  };
  // Chunks that each come whole, and a last one that would complete the message.
  for (const last of ['BDAT 2\r\n\r\n', 'BDAT 2 LAST\r\n\r\n', 'NOOP\r\n', 'BDAT 5\r\nx']) {
    const clock = manualClock();
    await using peer = await begin(clock);
    for (let i = 0; i < 10; i++) {
      peer.send('BDAT 2\r\n\r\n');
      assert.match(await peer.reply(), /^250/);
      clock.advance(1000);
    }
    clock.advance(1);
    peer.send(last);
    assert.match(await peer.reply(), /^421 4\.4\.2/, last);
    await peer.over();
    assert.equal(peer.intake.open, 0);
  }
  // The next message has a time of its own.
  const clock = manualClock();
  await using peer = await begin(clock);
  for (let message = 0; message < 3; message++) {
    if (message > 0) await peer.expect(['MAIL FROM:<>', 250], ['RCPT TO:<u@example.org>', 250]);
    peer.send('BDAT 2\r\n\r\n');
    assert.match(await peer.reply(), /^250/);
    clock.advance(4000);
    peer.send('BDAT 2 LAST\r\n\r\n');
    assert.match(await peer.reply(), /^250/);
  }
  // A peer that is silent between chunks waits no longer than any other.
  await peer.expect(['MAIL FROM:<>', 250], ['RCPT TO:<u@example.org>', 250]);
  peer.send('BDAT 2\r\n\r\n');
  assert.match(await peer.reply(), /^250/);
  clock.advance(5001);
  peer.send('N');
  assert.match(await peer.reply(), /^421 4\.4\.2/);
});

test('a session without a message waits for its idle time, however short that of messages is', async () => {
  const clock = manualClock();
  await using peer = await MemoryPeer.identified({ clock, limits: { contentMs: 1000, idleMs: 5000 } });
  clock.advance(4000);
  await peer.expect(['NOOP', 250]);
});

test('a chunk that is refused, and an exchange of AUTH, come to their end in time too', async () => {
  const clock = manualClock();
  const limits = { contentMs: 10_000, idleMs: 5000 };
  await using peer = await MemoryPeer.identified({ clock, limits });
  peer.send('BDAT 1000\r\n');
  for (let i = 0; i < 10; i++) {
    peer.send('x');
    clock.advance(1000);
  }
  assert.equal(peer.unread, '');
  clock.advance(1);
  peer.send('x');
  assert.match(await peer.reply(), /^421 4\.4\.2/);
  let isCancelled = false;
  const exchange = {
    takesInitial: true,
    step: async () => ({ kind: 'challenge' as const, octets: Buffer.from('more') }),
    cancel: () => {
      isCancelled = true;
    },
  };
  const authenticator = { mechanisms: () => ['PLAIN'], begin: () => exchange, renew: () => undefined };
  await using other = await MemoryPeer.identified({
    clock,
    limits,
    listener: { offersAuth: true },
    settings: { authenticator },
  });
  await other.expect(['AUTH PLAIN', 334]);
  for (let i = 0; i < 5; i++) {
    other.send('A');
    clock.advance(1000);
  }
  assert.equal(other.unread, '');
  clock.advance(1);
  other.send('A');
  assert.match(await other.reply(), /^421 4\.4\.2/);
  assert.ok(isCancelled);
});
