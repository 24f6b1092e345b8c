import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bench, fates, sinkFor, to } from './testing-bench.ts';

test('an idle session carries the next message without DNS or another connection', async (t) => {
  const sink = await sinkFor(t);
  const zone = { 'smart.test': { A: ['127.0.0.1'] } };
  const b = await bench(t, { routes: [{ via: `smtp://smart.test:${sink.port}` }] }, zone);
  for (let i = 0; i < 5; i++) await b.send(to);
  assert.equal(sink.messages.length, 5);
  assert.equal(sink.sessions, 1);
  assert.equal(b.questions.length, 2);
});

test('a session that the server closed while idle costs nothing but a new connection', async (t) => {
  const sink = await sinkFor(t, {
    answer: (command, { session, taken }) =>
      command.startsWith('MAIL') && session === 1 && taken > 0 ? 'drop' : undefined,
  });
  const b = await bench(t, { routes: [{ via: `smtp://127.0.0.1:${sink.port}` }] });
  await b.send(to);
  assert.deepEqual(fates(await b.send(to)), ['delivered 250 0.0']);
  assert.equal(sink.sessions, 2);
});

test('the same holds when the content went out together with MAIL', async (t) => {
  const sink = await sinkFor(t, {
    keywords: ['PIPELINING', 'CHUNKING', '8BITMIME'],
    answer: (command, { session, taken }) =>
      command.startsWith('MAIL') && session === 1 && taken > 0 ? 'drop' : undefined,
  });
  const b = await bench(t, { routes: [{ via: `smtp://127.0.0.1:${sink.port}` }] });
  await b.send(to);
  assert.deepEqual(fates(await b.send(to)), ['delivered 250 0.0']);
  assert.deepEqual(
    sink.messages.map(({ session }) => session),
    [1, 2],
  );
});

test('421 on a kept session is the end of that session, not of the attempt', async (t) => {
  const sink = await sinkFor(t, {
    answer: (command, { session, taken }) =>
      command.startsWith('MAIL') && session === 1 && taken > 0 ? '421 4.4.2 idle too long' : undefined,
  });
  const b = await bench(t, { routes: [{ via: `smtp://127.0.0.1:${sink.port}` }] });
  await b.send(to);
  const result = await b.send(to);
  assert.deepEqual(fates(result), ['delivered 250 0.0']);
  assert.deepEqual(result.health, { kind: 'alive' });
});

test('421 on a new session is transient and throttles the lane', async (t) => {
  const sink = await sinkFor(t, {
    answer: (command) => (command.startsWith('MAIL') ? '421 4.3.2 later' : undefined),
  });
  const b = await bench(t, { routes: [{ via: `smtp://127.0.0.1:${sink.port}` }] });
  const result = await b.send(to);
  assert.deepEqual(fates(result), ['pending 421 3.2']);
  assert.equal(result.health.kind, 'throttled');
});

test('a session is kept for its idle time, its age and its number of messages', async (t) => {
  const sink = await sinkFor(t);
  const limits = { idleMs: 10_000, sessionAgeMs: 25_000, messagesPerSession: 4 };
  const b = await bench(t, { limits, routes: [{ via: `smtp://127.0.0.1:${sink.port}` }] });
  await b.send(to);
  b.clock.advance(9_000);
  await b.send(to);
  assert.equal(sink.sessions, 1);
  b.clock.advance(10_000);
  await b.send(to);
  assert.equal(sink.sessions, 2, 'idle for too long');
  for (let i = 0; i < 3; i++) await b.send(to);
  assert.equal(sink.sessions, 2);
  await b.send(to);
  assert.equal(sink.sessions, 3, 'enough messages');
  for (let i = 0; i < 3; i++) {
    b.clock.advance(8_500);
    await b.send(to);
  }
  assert.equal(sink.sessions, 4, 'too old');
});

test('an idle session is closed with QUIT when its time is up, and at disposal', async (t) => {
  const sink = await sinkFor(t);
  const b = await bench(t, { routes: [{ via: `smtp://127.0.0.1:${sink.port}` }] });
  await b.send(to);
  b.clock.advance(15_000);
  await b.send(to);
  await b.delivery[Symbol.asyncDispose]();
  assert.deepEqual(
    sink.commands.filter((line) => line.endsWith('QUIT')),
    ['1 QUIT', '2 QUIT'],
  );
});

test('sessions are not shared between lanes to the same host', async (t) => {
  const sink = await sinkFor(t);
  const via = `smtp://127.0.0.1:${sink.port}`;
  const b = await bench(t, {
    routes: [
      { to: 'dest.test', via },
      { via, source: '127.0.0.1' },
    ],
  });
  await b.send(to);
  await b.send(['a@other.test']);
  assert.equal(sink.sessions, 2);
});

test('a kept session that refuses its second MAIL is retired, and the message goes on a fresh one at once', async (t) => {
  for (const said of [
    '451 4.3.0 too many messages on this connection',
    '450 4.7.1 slow down',
    '421 4.7.0 too many messages',
    '452 4.5.3 one is enough',
    '503 5.5.1 one transaction only',
    '554 5.7.0 too many messages on this connection',
    'drop',
  ]) {
    for (const keywords of [['PIPELINING'], [], ['PIPELINING', 'CHUNKING', '8BITMIME']]) {
      const sink = await sinkFor(t, {
        keywords,
        answer: (command, { taken }) => (command.startsWith('MAIL') && taken > 0 ? said : undefined),
      });
      const b = await bench(t, { routes: [{ via: `smtp://127.0.0.1:${sink.port}` }] });
      for (let i = 0; i < 3; i++) {
        const result = await b.send(to);
        assert.deepEqual(fates(result), ['delivered 250 0.0'], said);
        assert.deepEqual(result.health, { kind: 'alive' });
      }
      // Once each, every one on a connection of its own, and the old ones are let go.
      assert.deepEqual(
        sink.messages.map(({ session }) => session),
        [1, 2, 3],
        said,
      );
      await b.delivery[Symbol.asyncDispose]();
      await sink.empty();
    }
  }
});

test('MAIL that a fresh session puts off too waits, and the session is not kept for others', async (t) => {
  const sink = await sinkFor(t, {
    answer: (command, { session, taken }) =>
      command.startsWith('MAIL') && (taken > 0 || session > 1) ? '451 4.3.0 not now' : undefined,
  });
  const b = await bench(t, { routes: [{ via: `smtp://127.0.0.1:${sink.port}` }] });
  assert.deepEqual(fates(await b.send(to)), ['delivered 250 0.0']);
  assert.deepEqual(fates(await b.send(to)), ['pending 451 3.0']);
  assert.equal(sink.sessions, 2);
  await sink.empty();
  assert.deepEqual(fates(await b.send(to)), ['pending 451 3.0']);
  assert.equal(sink.sessions, 3);
});

test('many recipients reach a server that takes one message on a connection, each of them once', async (t) => {
  for (const [keywords, said] of [
    [['PIPELINING'], '451 4.3.0 too many messages on this connection'],
    [['PIPELINING'], '421 4.7.0 bye'],
    [[], 'drop'],
    [['PIPELINING', 'LIMITS MAILMAX=1'], undefined],
  ] as const) {
    const sink = await sinkFor(t, {
      keywords,
      answer: (command, { taken }) => (command.startsWith('MAIL') && taken > 0 ? said : undefined),
    });
    const limits = { recipients: 3 };
    const b = await bench(t, { limits, routes: [{ via: `smtp://127.0.0.1:${sink.port}` }] });
    const all = Array.from({ length: 8 }, (_, i) => `r${i}@dest.test`);
    const result = await b.send(all);
    assert.deepEqual(
      fates(result),
      Array.from(all, () => 'delivered 250 0.0'),
    );
    assert.deepEqual(sink.messages.flatMap(({ rcpts }) => rcpts).toSorted(), all);
    assert.equal(sink.sessions, 3);
  }
});

test('a recipient that was put off is not asked about again on the same host because of the others', async (t) => {
  const sink = await sinkFor(t, {
    keywords: ['PIPELINING', 'LIMITS MAILMAX=1'],
    answer: (command) => (command.startsWith('RCPT TO:<later') ? '450 4.2.1 later' : undefined),
  });
  const b = await bench(t, { limits: { recipients: 2 }, routes: [{ via: `smtp://127.0.0.1:${sink.port}` }] });
  const result = await b.send(['later@dest.test', 'a@dest.test', 'b@dest.test']);
  assert.deepEqual(fates(result), ['pending 450 2.1', 'delivered 250 0.0', 'delivered 250 0.0']);
  assert.equal(sink.commands.filter((line) => line.includes('<later')).length, 1);
});

test('a server that refuses every MAIL is not dialled for each part of a long list of recipients', async (t) => {
  for (const said of ['451 4.3.0 not now', '550 5.7.1 not you']) {
    for (const keywords of [['PIPELINING'], ['LIMITS MAILMAX=1']]) {
      const sink = await sinkFor(t, {
        keywords,
        answer: (command) => (command.startsWith('MAIL') ? said : undefined),
      });
      const limits = { recipients: 2 };
      const b = await bench(t, { limits, routes: [{ via: `smtp://127.0.0.1:${sink.port}` }] });
      const result = await b.send(Array.from({ length: 9 }, (_, i) => `r${i}@dest.test`));
      assert.ok(fates(result).every((fate) => !fate.startsWith('delivered')));
      assert.equal(sink.sessions, 1);
    }
  }
});
