import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type ManualClock, manualClock } from '../base/index.ts';
import { createResolver } from '../dns/index.ts';
import { type FakeZone, startFakeDns } from '../dns/testing.ts';
import type { RecipientStatus } from '../mail/index.ts';
import type { AttemptResult } from '../queue/deliver.ts';
import { createDelivery, type DeliveryOptions } from './index.ts';
import { type AttemptChanges, attemptFor, type SinkOptions, sinkCertificate, startSink } from './testing.ts';

const text = 'Subject: hello\r\n\r\n.dot\r\nbody\r\n';
const never = new AbortController().signal;

interface Bench {
  readonly clock: ManualClock;
  send(
    to: readonly string[],
    changes?: AttemptChanges & { readonly text?: string | Buffer },
  ): Promise<AttemptResult>;
  readonly delivery: ReturnType<typeof createDelivery>;
  readonly questions: readonly string[];
}

/** A delivery side with its own DNS; everything ends with the test. */
async function bench(t: TestContext, options: Partial<DeliveryOptions>, zone: FakeZone = {}): Promise<Bench> {
  const dns = await startFakeDns(zone);
  const clock = manualClock();
  const resolver = createResolver({ servers: [dns.address], attempts: 1 });
  const settings = { hostname: 'relay.test', ownAddresses: [], refusePrivateMx: false, ...options };
  const delivery = createDelivery(settings, { resolver, clock, random: () => 0, timeouts: { quit: 500 } });
  t.after(async () => {
    await delivery[Symbol.asyncDispose]();
    await resolver[Symbol.asyncDispose]();
    await dns[Symbol.asyncDispose]();
  });
  return {
    clock,
    delivery,
    questions: dns.questions,
    send(to, changes = {}) {
      const attempt = attemptFor(changes.text ?? text, to, changes);
      const lane = changes.lane ?? delivery.assignLanes(attempt.envelope)[0]?.lane ?? '';
      return delivery.deliver({ ...attempt, lane }, never);
    },
  };
}

async function sinkFor(t: TestContext, options: SinkOptions = {}) {
  const sink = await startSink(options);
  t.after(() => sink[Symbol.asyncDispose]());
  return sink;
}

/** The statuses as text in order: `delivered 250`, `failed 550 1.1`. */
function fates({ statuses }: AttemptResult): string[] {
  return [...statuses]
    .sort(([a], [b]) => a - b)
    .map(
      ([, { status, reply }]) =>
        `${status} ${reply.code}${reply.detail === undefined ? '' : ` ${reply.detail}`}`,
    );
}

function only({ statuses }: AttemptResult): RecipientStatus {
  const [first] = statuses.values();
  assert.equal(statuses.size, 1);
  assert.ok(first);
  return first;
}

/** A port where nobody listens. */
async function deadPort(host = '127.0.0.1'): Promise<number> {
  const server = createServer();
  await once(server.listen(0, host), 'listening');
  const address = server.address();
  await once(server.close(), 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}

const to = ['a@dest.test'];

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

test('452 to everybody is not asked again at once', async (t) => {
  const sink = await sinkFor(t, {
    answer: (command) => (command.startsWith('RCPT') ? '452 4.3.1 full' : undefined),
  });
  const b = await bench(t, { routes: [{ via: `smtp://127.0.0.1:${sink.port}` }] });
  assert.deepEqual(fates(await b.send(to)), ['pending 452 3.1']);
  assert.equal(sink.commands.filter((line) => line.includes('RCPT')).length, 1);
});

test('nobody there is transient with 4.4.1 and a dead lane', async (t) => {
  const b = await bench(t, { routes: [{ via: `smtp://127.0.0.1:${await deadPort()}` }] });
  const result = await b.send(to);
  assert.deepEqual(fates(result), ['pending 451 4.1']);
  assert.equal(result.health.kind, 'dead');
  assert.match(only(result).relay ?? '', /^127\.0\.0\.1\[127\.0\.0\.1\]:\d+$/);
});

test('a connection that breaks off in the transaction is transient with 4.4.2', async (t) => {
  const sink = await sinkFor(t, { answer: (command) => (command === 'DATA' ? 'drop' : undefined) });
  const b = await bench(t, { routes: [{ via: `smtp://127.0.0.1:${sink.port}` }] });
  const result = await b.send(to);
  assert.deepEqual(fates(result), ['pending 451 4.2']);
  assert.equal(result.health.kind, 'dead');
});

/** Sinks of one MX on addresses of loopback that share a port. */
async function mxOf(t: TestContext, first: SinkOptions, second: SinkOptions = {}) {
  const a = await sinkFor(t, first);
  const b = await sinkFor(t, { ...second, host: '127.0.0.2', port: a.port });
  const zone: FakeZone = {
    'dest.test': {
      MX: [
        [10, 'a.test'],
        [20, 'b.test'],
      ],
    },
    'a.test': { A: ['127.0.0.1'] },
    'b.test': { A: ['127.0.0.2'] },
  };
  return { a, b, zone, options: { mxPort: a.port } };
}

test('the best exchanger is used, and the next when it does not take connections', async (t) => {
  const mx = await mxOf(t, {});
  const b = await bench(t, mx.options, mx.zone);
  await b.send(to);
  assert.equal(mx.a.messages.length, 1);
  await mx.a[Symbol.asyncDispose]();
  b.clock.advance(20_000);
  const result = await b.send(to);
  assert.deepEqual(fates(result), ['delivered 250 0.0']);
  assert.equal(only(result).relay, `b.test[127.0.0.2]:${mx.a.port}`);
  assert.deepEqual(result.health, { kind: 'alive' });
});

test('4yz and 5yz at greeting or EHLO go to the next host', async (t) => {
  for (const [at, said] of [
    ['CONNECT', '554 5.7.1 go away'],
    ['CONNECT', '421 4.3.2 busy'],
    ['CONNECT', 'drop'],
    ['EHLO', '421 4.3.2 busy'],
  ] as const) {
    const mx = await mxOf(t, { answer: (command) => (command.startsWith(at) ? said : undefined) });
    const b = await bench(t, mx.options, mx.zone);
    assert.deepEqual(fates(await b.send(to)), ['delivered 250 0.0'], `${at} ${said}`);
    assert.equal(mx.b.messages.length, 1);
  }
});

test('a refusal for good by every host is permanent, by some it is not', async (t) => {
  const no = { answer: (command: string) => (command === 'CONNECT' ? '521 5.3.2 no mail here' : undefined) };
  const later = { answer: (command: string) => (command === 'CONNECT' ? '421 4.3.2 busy' : undefined) };
  const all = await mxOf(t, no, no);
  assert.deepEqual(fates(await (await bench(t, all.options, all.zone)).send(to)), ['failed 521 3.2']);
  for (const [first, second] of [
    [no, later],
    [later, no],
  ] as const) {
    const some = await mxOf(t, first, second);
    const result = await (await bench(t, some.options, some.zone)).send(to);
    assert.deepEqual(fates(result), ['pending 421 3.2']);
    assert.equal(result.health.kind, 'throttled');
  }
});

test('5yz in the transaction is not taken to the next host, 4yz is', async (t) => {
  const answer = (command: string) =>
    command.includes('<no@') ? '550 5.1.1 no' : command.includes('<later@') ? '450 4.2.1 later' : undefined;
  const mx = await mxOf(t, { answer });
  const b = await bench(t, mx.options, mx.zone);
  const result = await b.send(['no@dest.test', 'later@dest.test', 'yes@dest.test']);
  assert.deepEqual(fates(result), ['failed 550 1.1', 'delivered 250 0.0', 'delivered 250 0.0']);
  assert.deepEqual(mx.b.messages[0]?.rcpts, ['later@dest.test']);
});

test('no more sessions are opened than the limit', async (t) => {
  const answer = (command: string) => (command.startsWith('RCPT') ? '450 4.2.1 later' : undefined);
  const mx = await mxOf(t, { answer }, { answer });
  const b = await bench(t, { ...mx.options, limits: { sessions: 1 } }, mx.zone);
  assert.deepEqual(fates(await b.send(to)), ['pending 450 2.1']);
  assert.equal(mx.b.sessions, 0);
});

test('a message whose end was in doubt is not sent to another host', async (t) => {
  const mx = await mxOf(t, { answer: (command) => (command === '.' ? 'drop' : undefined) });
  const b = await bench(t, mx.options, mx.zone);
  assert.deepEqual(fates(await b.send(to)), ['pending 451 4.2']);
  assert.equal(mx.b.sessions, 0);
});

test('smart hosts are tried in order, and one that failed is tried last for a while', async (t) => {
  const dead = await deadPort();
  const second = await sinkFor(t);
  const via = [`smtp://127.0.0.1:${dead}`, `smtp://127.0.0.1:${second.port}`];
  const limits = { messagesPerSession: 1, avoidMs: 60_000 };
  const b = await bench(t, { routes: [{ via }], limits });
  assert.deepEqual(fates(await b.send(to)), ['delivered 250 0.0']);
  const first = await sinkFor(t, { port: dead });
  await b.send(to);
  assert.equal(first.messages.length, 0, 'still avoided');
  b.clock.advance(60_000);
  await b.send(to);
  assert.equal(first.messages.length, 1, 'tried again');
});

test('errors of the DNS become statuses', async (t) => {
  const zone: FakeZone = { 'null.test': { MX: [[0, '.']] }, 'broken.test': { fault: 'servfail' } };
  const b = await bench(t, {}, zone);
  assert.deepEqual(fates(await b.send(['a@null.test'])), ['failed 556 1.10']);
  assert.deepEqual(fates(await b.send(['a@gone.test'])), ['failed 550 1.2']);
  const result = await b.send(['a@broken.test']);
  assert.deepEqual(fates(result), ['pending 451 4.3']);
  assert.equal(result.health.kind, 'dead');
});

test('opportunistic TLS is used when it is offered', async (t) => {
  const sink = await sinkFor(t, { tls: 'starttls' });
  const b = await bench(t, { routes: [{ via: `smtp://127.0.0.1:${sink.port}` }] });
  await b.send(to);
  assert.equal(sink.messages[0]?.isTls, true);
});

test('a failed handshake falls back to clear when TLS is opportunistic, never when it is required', async (t) => {
  const sink = await sinkFor(t, { tls: 'broken' });
  const via = `smtp://127.0.0.1:${sink.port}`;
  const opportunistic = await bench(t, { routes: [{ via }] });
  assert.deepEqual(fates(await opportunistic.send(to)), ['delivered 250 0.0']);
  assert.equal(sink.messages[0]?.isTls, false);
  const required = await bench(t, { routes: [{ via, tls: 'required' }] });
  assert.deepEqual(fates(await required.send(to)), ['pending 451 7.5']);
  assert.equal(sink.messages.length, 1);
});

test('TLS that is required and not offered is transient with 4.7.4', async (t) => {
  const sink = await sinkFor(t);
  const b = await bench(t, { routes: [{ via: `smtp://127.0.0.1:${sink.port}`, tls: 'required' }] });
  assert.deepEqual(fates(await b.send(to)), ['pending 451 7.4']);
});

test('a certificate that has to be valid and is not is transient with 4.7.5', async (t) => {
  const sink = await sinkFor(t, { tls: 'starttls' });
  const zone = { 'sink.test': { A: ['127.0.0.1'] } };
  const via = `smtp://sink.test:${sink.port}`;
  const strict = await bench(t, { routes: [{ via, verify: true }] }, zone);
  assert.deepEqual(fates(await strict.send(to)), ['pending 451 7.5']);
  const trusting = await bench(t, { routes: [{ via, verify: true, ca: sinkCertificate }] }, zone);
  assert.deepEqual(fates(await trusting.send(to)), ['delivered 250 0.0']);
});

test('credentials are sent over verified TLS, with STARTTLS or from the start', async (t) => {
  const keywords = ['PIPELINING', 'AUTH PLAIN'];
  for (const [scheme, tls] of [
    ['smtp', 'starttls'],
    ['smtps', 'implicit'],
  ] as const) {
    const sink = await sinkFor(t, { tls, keywords });
    const via = `${scheme}://me@sink.test:${sink.port}`;
    const routes = [{ via, password: 'pässword', ca: sinkCertificate }];
    const b = await bench(t, { routes }, { 'sink.test': { A: ['127.0.0.1'] } });
    assert.deepEqual(fates(await b.send(to)), ['delivered 250 0.0']);
    const expected = Buffer.from('\0me\0pässword').toString('base64');
    assert.ok(sink.commands.includes(`1 AUTH PLAIN ${expected}`));
  }
});

test('credentials are never sent in clear, nor to a server that cannot prove its name', async (t) => {
  const keywords = ['PIPELINING', 'AUTH PLAIN'];
  const clear = await sinkFor(t, { keywords });
  const zone = { 'sink.test': { A: ['127.0.0.1'] } };
  const first = await bench(
    t,
    { routes: [{ via: `smtp://me@sink.test:${clear.port}`, password: 'x' }] },
    zone,
  );
  assert.deepEqual(fates(await first.send(to)), ['pending 451 7.4']);
  const stranger = await sinkFor(t, { keywords, tls: 'starttls' });
  const second = await bench(
    t,
    { routes: [{ via: `smtp://me@sink.test:${stranger.port}`, password: 'x' }] },
    zone,
  );
  assert.deepEqual(fates(await second.send(to)), ['pending 451 7.5']);
  assert.ok([...clear.commands, ...stranger.commands].every((line) => !line.includes('AUTH')));
});

test('refused credentials are transient: the message is not to blame', async (t) => {
  const sink = await sinkFor(t, {
    tls: 'implicit',
    keywords: ['AUTH PLAIN'],
    answer: (command) => (command.startsWith('AUTH') ? '535 5.7.8 wrong' : undefined),
  });
  const routes = [{ via: `smtps://me@sink.test:${sink.port}`, password: 'x', ca: sinkCertificate }];
  const b = await bench(t, { routes }, { 'sink.test': { A: ['127.0.0.1'] } });
  const result = await b.send(to);
  assert.deepEqual(fates(result), ['pending 454 7.8']);
  assert.equal(result.health.kind, 'dead');
});

test('eight-bit mail is converted for a server without 8BITMIME, and only then', async (t) => {
  const plain = await sinkFor(t, { keywords: ['PIPELINING'] });
  const able = await sinkFor(t);
  const routes = [
    { to: 'plain.test', via: `smtp://127.0.0.1:${plain.port}` },
    { via: `smtp://127.0.0.1:${able.port}` },
  ];
  const b = await bench(t, { routes });
  const eight =
    'MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nthe caf\u00e9 is open today\r\n';
  const envelope = { body: '8bitmime' as const };
  assert.deepEqual(fates(await b.send(['a@plain.test'], { text: eight, envelope })), ['delivered 250 0.0']);
  const sent = plain.messages[0]?.octets.toString() ?? '';
  assert.match(sent, /Content-Transfer-Encoding: quoted-printable\r\n\r\nthe caf=C3=A9 is open today\r\n$/);
  assert.ok(!plain.commands.some((line) => line.includes('BODY=')));
  await b.send(['a@able.test'], { text: eight, envelope });
  assert.equal(able.messages[0]?.octets.toString(), eight);
});

test('eight-bit mail that cannot be converted is bounced with 5.6.3', async (t) => {
  const sink = await sinkFor(t, { keywords: ['PIPELINING'] });
  const b = await bench(t, { routes: [{ via: `smtp://127.0.0.1:${sink.port}` }] });
  const raw = 'Subject: caf\u00e9\r\n\r\nbody\r\n';
  assert.deepEqual(fates(await b.send(to, { text: raw })), ['failed 554 6.3']);
  const big = await bench(t, {
    routes: [{ via: `smtp://127.0.0.1:${sink.port}` }],
    limits: { conversionBytes: 10 },
  });
  assert.deepEqual(fates(await big.send(to, { text: 'A: b\r\n\r\ncaf\u00e9\r\n' })), ['failed 554 6.3']);
});

test('binary mail goes by BDAT where it may, else it is converted', async (t) => {
  const able = await sinkFor(t, { keywords: ['PIPELINING', 'CHUNKING', 'BINARYMIME', '8BITMIME'] });
  const plain = await sinkFor(t);
  const routes = [
    { to: 'plain.test', via: `smtp://127.0.0.1:${plain.port}` },
    { via: `smtp://127.0.0.1:${able.port}` },
  ];
  const b = await bench(t, { routes });
  const binary =
    'MIME-Version: 1.0\r\nContent-Type: image/x\r\nContent-Transfer-Encoding: binary\r\n\r\na\0b\nc';
  const envelope = { body: 'binarymime' as const };
  await b.send(['a@able.test'], { text: binary, envelope });
  assert.equal(able.messages[0]?.octets.toString('latin1'), binary);
  assert.deepEqual(fates(await b.send(['a@plain.test'], { text: binary, envelope })), ['delivered 250 0.0']);
  const sent = plain.messages[0]?.octets.toString() ?? '';
  assert.match(sent, /Content-Transfer-Encoding: base64\r\n\r\nYQBiCmM=\r\n$/);
});

test('SMTPUTF8 mail that is all ASCII goes without it, with A-labels for U-labels', async (t) => {
  const sink = await sinkFor(t, { keywords: ['PIPELINING', '8BITMIME'] });
  const b = await bench(t, { routes: [{ via: `smtp://127.0.0.1:${sink.port}` }] });
  const envelope = { smtputf8: true };
  assert.deepEqual(fates(await b.send(['a@b\u00fccher.test'], { envelope })), ['delivered 250 0.0']);
  assert.deepEqual(sink.messages[0]?.rcpts, ['a@xn--bcher-kva.test']);
  assert.ok(!sink.commands.some((line) => line.includes('SMTPUTF8')));
});

test('SMTPUTF8 mail that needs it is bounced where it is lacking, and sent where it is not', async (t) => {
  const plain = await sinkFor(t, { keywords: ['PIPELINING', '8BITMIME'] });
  const able = await sinkFor(t);
  const routes = [
    { to: 'plain.test', via: `smtp://127.0.0.1:${plain.port}` },
    { via: `smtp://127.0.0.1:${able.port}` },
  ];
  const b = await bench(t, { routes });
  const envelope = { smtputf8: true };
  const mixed = await b.send(['j\u00fcrgen@plain.test', 'a@plain.test'], { envelope });
  assert.deepEqual(fates(mixed), ['failed 553 6.7', 'delivered 250 0.0']);
  const header = await b.send(['a@plain.test'], {
    envelope,
    text: 'Subject: caf\u00e9\r\n\r\nx\r\n',
    pieceSize: 5,
  });
  assert.deepEqual(fates(header), ['failed 554 6.9']);
  assert.deepEqual(fates(await b.send(['j\u00fcrgen@able.test'], { envelope })), ['delivered 250 0.0']);
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

test('octets that cannot be read are our fault: transient, and no other host is tried', async (t) => {
  const mx = await mxOf(t, {});
  const b = await bench(t, mx.options, mx.zone);
  const attempt = attemptFor(text, to, { lane: 'mx:dest.test' });
  const octets = {
    size: 100,
    whole: undefined,
    async *chunks() {
      yield Buffer.from('Subject: x\r\n');
      throw new Error('disk on fire');
    },
  };
  const result = await b.delivery.deliver({ ...attempt, octets }, never);
  assert.deepEqual(fates(result), ['pending 451 3.0']);
  assert.equal(mx.a.messages.length + mx.b.messages.length, 0);
  assert.equal(mx.b.sessions, 0);
});

test('a lane that no route leads to any more goes where its recipients go now', async (t) => {
  const sink = await sinkFor(t);
  const b = await bench(t, { routes: [{ to: 'dest.test', via: `smtp://127.0.0.1:${sink.port}` }] });
  const result = await b.send(['a@dest.test', 'b@dest.test'], { lane: 'smtp:old.test:25', only: [1] });
  assert.deepEqual([...result.statuses.keys()], [1]);
  assert.deepEqual(sink.messages[0]?.rcpts, ['b@dest.test']);
});

test('a reload swaps routes and closes kept sessions; a bad one changes nothing', async (t) => {
  const old = await sinkFor(t);
  const next = await sinkFor(t);
  const b = await bench(t, { routes: [{ via: `smtp://127.0.0.1:${old.port}` }] });
  await b.send(to);
  assert.throws(
    () => b.delivery.reload({ hostname: 'relay.test', routes: [{ via: 'nonsense' }] }),
    RangeError,
  );
  await b.send(to);
  assert.equal(old.messages.length, 2);
  assert.equal(old.sessions, 1);
  b.delivery.reload({ hostname: 'relay.test', routes: [{ via: `smtp://127.0.0.1:${next.port}` }] });
  await b.send(to);
  assert.equal(next.messages.length, 1);
});
