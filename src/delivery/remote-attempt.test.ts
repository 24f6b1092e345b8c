import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { attemptFor } from './testing.ts';
import { bench, deadPort, fates, only, sinkFor, text, to } from './testing-bench.ts';

test('a message goes to a static host octet for octet, with its status and relay', async (t) => {
  const sink = await sinkFor(t);
  const b = await bench(t, { routes: [{ via: `smtp://127.0.0.1:${sink.port}` }] });
  const result = await b.send(to);
  assert.equal(sink.messages[0]?.octets.toString(), text);
  assert.deepEqual(sink.messages[0]?.rcpts, to);
  const status = only(result);
  assert.equal(status.status, 'delivered');
  assert.equal(status.relay, `127.0.0.1[127.0.0.1]:${sink.port}`);
  assert.equal(status.status === 'delivered' && status.dsnPassedOn, true);
  assert.deepEqual(result.health, { kind: 'alive' });
});

test('a large message goes in pieces, octet for octet', async (t) => {
  const sink = await sinkFor(t);
  const b = await bench(t, { routes: [{ via: `smtp://127.0.0.1:${sink.port}` }] });
  const long = `Subject: long\r\n\r\n${'..line of text\r\n'.repeat(2000)}`;
  assert.deepEqual(fates(await b.send(to, { text: long, pieceSize: 1000 })), ['delivered 250 0.0']);
  assert.equal(sink.messages[0]?.octets.toString(), long);
});

test('a next hop without DSN makes the status relayed', async (t) => {
  const sink = await sinkFor(t, { keywords: ['PIPELINING', '8BITMIME'] });
  const b = await bench(t, { routes: [{ via: `smtp://127.0.0.1:${sink.port}` }] });
  const status = only(await b.send(to));
  assert.equal(status.status === 'delivered' && status.relayed, true);
  assert.equal(status.status === 'delivered' && status.dsnPassedOn, undefined);
});

test('5yz to one recipient is final for that one only', async (t) => {
  const sink = await sinkFor(t, {
    answer: (command) => (command.includes('<bad@') ? '550 5.1.1 no such user' : undefined),
  });
  const b = await bench(t, { routes: [{ via: `smtp://127.0.0.1:${sink.port}` }] });
  const result = await b.send(['a@dest.test', 'bad@dest.test', 'c@dest.test']);
  assert.deepEqual(fates(result), ['delivered 250 0.0', 'failed 550 1.1', 'delivered 250 0.0']);
});

test('only the recipients that were asked for are sent and answered', async (t) => {
  const sink = await sinkFor(t);
  const b = await bench(t, { routes: [{ via: `smtp://127.0.0.1:${sink.port}` }] });
  const result = await b.send(['a@dest.test', 'b@dest.test', 'c@dest.test'], { only: [1] });
  assert.deepEqual([...result.statuses.keys()], [1]);
  assert.deepEqual(sink.messages[0]?.rcpts, ['b@dest.test']);
});

test('recipients go in transactions of the limit, or of what the server takes', async (t) => {
  const sink = await sinkFor(t);
  const few = await sinkFor(t, { keywords: ['PIPELINING', 'LIMITS RCPTMAX=3'] });
  const routes = [
    { to: 'few.test', via: `smtp://127.0.0.1:${few.port}` },
    { via: `smtp://127.0.0.1:${sink.port}` },
  ];
  const b = await bench(t, { routes });
  const many = (domain: string, count: number) => Array.from({ length: count }, (_, i) => `r${i}@${domain}`);
  await b.send(many('dest.test', 250));
  assert.deepEqual(
    sink.messages.map(({ rcpts }) => rcpts.length),
    [100, 100, 50],
  );
  assert.equal(sink.sessions, 1);
  const result = await b.send(many('few.test', 7));
  assert.deepEqual(
    few.messages.map(({ rcpts }) => rcpts.length),
    [3, 3, 1],
  );
  assert.ok(fates(result).every((fate) => fate.startsWith('delivered')));
});

test('more recipients than 100 in a transaction, where that is configured and the server does not say fewer', async (t) => {
  const sink = await sinkFor(t);
  const few = await sinkFor(t, { keywords: ['PIPELINING', 'LIMITS RCPTMAX=120'] });
  const routes = [
    { to: 'few.test', via: `smtp://127.0.0.1:${few.port}` },
    { via: `smtp://127.0.0.1:${sink.port}` },
  ];
  const b = await bench(t, { routes, limits: { recipients: 200 } });
  const many = (domain: string) => Array.from({ length: 250 }, (_, i) => `r${i}@${domain}`);
  await b.send(many('dest.test'));
  await b.send(many('few.test'));
  const sizes = (messages: typeof sink.messages) => messages.map(({ rcpts }) => rcpts.length);
  assert.deepEqual(sizes(sink.messages), [200, 50]);
  assert.deepEqual(sizes(few.messages), [120, 120, 10]);
});

test('after 452 the remaining recipients follow in the same session', async (t) => {
  const sink = await sinkFor(t, {
    answer: (command, { accepted }) =>
      command.startsWith('RCPT') && accepted >= 2 ? '452 4.5.3 too many recipients' : undefined,
  });
  const b = await bench(t, { routes: [{ via: `smtp://127.0.0.1:${sink.port}` }] });
  const result = await b.send(['1@d.test', '2@d.test', '3@d.test', '4@d.test', '5@d.test']);
  assert.ok(fates(result).every((fate) => fate === 'delivered 250 0.0'));
  assert.deepEqual(
    sink.messages.map(({ rcpts }) => rcpts),
    [['1@d.test', '2@d.test'], ['3@d.test', '4@d.test'], ['5@d.test']],
  );
  assert.equal(sink.sessions, 1);
});

test('a full mailbox that is told by 552 is for good at once, by SMTP and LMTP, with a status or without', async (t) => {
  for (const protocol of ['smtp', 'lmtp'] as const) {
    for (const full of ['552 5.2.2 mailbox full', '552 mailbox full']) {
      const sink = await sinkFor(t, {
        protocol,
        answer: (command) =>
          command.startsWith('RCPT TO:<full') || command.startsWith('. <full') ? full : undefined,
      });
      const b = await bench(t, { routes: [{ via: `${protocol}://127.0.0.1:${sink.port}` }] });
      const result = await b.send(['a@dest.test', 'full@dest.test', 'full2@dest.test']);
      const said = full.startsWith('552 5') ? 'failed 552 2.2' : 'failed 552';
      assert.deepEqual(fates(result), ['delivered 250 0.0', said, said]);
      // Without a status it was asked again, as the first of its transaction, and no recipient got a second copy.
      assert.equal(sink.messages.length, 1);
    }
  }
});

test('552 for too many recipients sends the others in the next transaction', async (t) => {
  for (const many of ['552 5.5.3 too many', '552 too many']) {
    const sink = await sinkFor(t, {
      answer: (command, { accepted }) => (command.startsWith('RCPT') && accepted >= 2 ? many : undefined),
    });
    const b = await bench(t, { routes: [{ via: `smtp://127.0.0.1:${sink.port}` }] });
    const result = await b.send(['1@d.test', '2@d.test', '3@d.test', '4@d.test', '5@d.test']);
    assert.ok(fates(result).every((fate) => fate === 'delivered 250 0.0'));
    assert.equal(sink.messages.length, 3);
  }
});

test('452 to everybody is not asked again at once', async (t) => {
  const sink = await sinkFor(t, {
    answer: (command) => (command.startsWith('RCPT') ? '452 4.3.1 full' : undefined),
  });
  const b = await bench(t, { routes: [{ via: `smtp://127.0.0.1:${sink.port}` }] });
  assert.deepEqual(fates(await b.send(to)), ['pending 452 3.1']);
  assert.equal(sink.commands.filter((line) => line.includes('RCPT')).length, 1);
});

test('nobody there is transient with 4.4.1, and the destination unavailable', async (t) => {
  const b = await bench(t, { routes: [{ via: `smtp://127.0.0.1:${await deadPort()}` }] });
  const result = await b.send(to);
  assert.deepEqual(fates(result), ['pending 451 4.1']);
  assert.equal(result.health.kind, 'unavailable');
  assert.match(only(result).relay ?? '', /^127\.0\.0\.1\[127\.0\.0\.1\]:\d+$/);
});

test('a connection that breaks off in the transaction is transient with 4.4.2', async (t) => {
  const sink = await sinkFor(t, { answer: (command) => (command === 'DATA' ? 'drop' : undefined) });
  const b = await bench(t, { routes: [{ via: `smtp://127.0.0.1:${sink.port}` }] });
  const result = await b.send(to);
  assert.deepEqual(fates(result), ['pending 451 4.2']);
  // It may be for this message alone, so the lane goes on, more slowly.
  assert.equal(result.health.kind, 'broken-off');
});

test('a refusal in the last line of a reply with several codes is final', async (t) => {
  const sink = await sinkFor(t, {
    answer: (command) => (command.startsWith('RCPT') ? '250-fine\r\n550 5.1.1 or not' : undefined),
  });
  const b = await bench(t, { routes: [{ via: `smtp://127.0.0.1:${sink.port}` }] });
  assert.deepEqual(fates(await b.send(to)), ['failed 550 1.1']);
});

test('LMTP has an answer for each recipient, over TCP and over a unix socket', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'posthouse-lmtp-'));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, 'lmtp');
  const answer = (command: string) =>
    command === '. <full@dest.test>'
      ? '452 4.2.2 mailbox full'
      : command === '. <no@dest.test>'
        ? '550 5.2.0 no'
        : undefined;
  const tcp = await sinkFor(t, { protocol: 'lmtp', answer });
  const unix = await sinkFor(t, { protocol: 'lmtp', answer, path });
  for (const [sink, via] of [
    [tcp, `lmtp://127.0.0.1:${tcp.port}`],
    [unix, `lmtp:${path}`],
  ] as const) {
    const b = await bench(t, { routes: [{ via }] });
    const result = await b.send(['yes@dest.test', 'full@dest.test', 'no@dest.test']);
    assert.deepEqual(fates(result), ['delivered 250 0.0', 'pending 452 2.2', 'failed 550 2.0']);
    const delivered = result.statuses.get(0);
    assert.equal(delivered?.status === 'delivered' && delivered.relayed, undefined);
    assert.ok(sink.commands.includes('1 LHLO relay.test'));
  }
});

test('an abort leaves everything pending, at once', async (t) => {
  const sink = await sinkFor(t, { answer: (command) => (command === 'CONNECT' ? 'silence' : undefined) });
  const b = await bench(t, { routes: [{ via: `smtp://127.0.0.1:${sink.port}` }] });
  const abort = new AbortController();
  const attempt = attemptFor(text, to, { lane: `smtp:127.0.0.1:${sink.port}` });
  const pending = b.delivery.deliver(attempt, abort.signal);
  abort.abort();
  assert.deepEqual(fates(await pending), ['pending 451 3.2']);
});

test('a lane that no route leads to any more leaves everything pending', async (t) => {
  const b = await bench(t, { routes: [{ to: 'dest.test', via: 'smtp://127.0.0.1:1' }] });
  const result = await b.send(['a@dest.test', 'b@dest.test'], { lane: 'smtp:old.test:25', only: [1] });
  assert.deepEqual([...result.statuses.keys()], [1]);
  assert.deepEqual(fates(result), ['pending 451 3.0']);
});

test('a reload swaps routes and closes kept sessions; a bad one changes nothing', async (t) => {
  const old = await sinkFor(t);
  const next = await sinkFor(t);
  const b = await bench(t, { routes: [{ via: `smtp://127.0.0.1:${old.port}` }] });
  await b.send(to);
  assert.throws(
    () => b.delivery.prepare({ hostname: 'relay.test', routes: [{ via: 'nonsense' }] }),
    RangeError,
  );
  await b.send(to);
  assert.equal(old.messages.length, 2);
  assert.equal(old.sessions, 1);
  b.delivery.prepare({ hostname: 'relay.test', routes: [{ via: `smtp://127.0.0.1:${next.port}` }] })();
  await b.send(to);
  assert.equal(next.messages.length, 1);
});
