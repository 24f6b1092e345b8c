import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import type { AttemptResult } from '../queue/index.ts';
import { type SinkOptions, sinkCertificate } from './testing.ts';
import {
  type Bench,
  bench,
  deadPort,
  fates,
  only,
  sinkFor,
  to,
  tokenEndpoint,
  tokenIn,
} from './testing-bench.ts';

const delivered = ['delivered 250 0.0'];
const zone = {
  'one.test': { A: ['127.0.0.1'] },
  'two.test': { A: ['127.0.0.1'] },
  'sink.test': { A: ['127.0.0.1'] },
};

/** Runs the clock, by ten seconds at a time, for as long as the work takes. */
async function inTime(b: Bench, work: Promise<AttemptResult>): Promise<AttemptResult> {
  let isOver = false;
  const done = work.finally(() => {
    isOver = true;
  });
  while (!isOver) {
    await new Promise((resolve) => setImmediate(resolve));
    b.clock.advance(1000);
  }
  return done;
}

const says = (verb: string, text: string): SinkOptions => ({
  keywords: ['8BITMIME'],
  answer: (command) => (command.startsWith(verb) ? text : undefined),
});

for (const phase of ['CONNECT', 'EHLO', 'STARTTLS', 'AUTH', 'MAIL', 'RCPT', 'DATA']) {
  test(`a smart host that times out at ${phase} costs time, and the next one has the mail`, async (t) => {
    const slow = await sinkFor(t, { ...says(phase, 'silence'), tls: 'starttls', keywords: ['AUTH PLAIN'] });
    const good = await sinkFor(t, { tls: 'starttls', keywords: ['AUTH PLAIN'] });
    const via = [`smtp://me@sink.test:${slow.port}`, `smtp://me@sink.test:${good.port}`];
    const b = await bench(t, { routes: [{ via, password: 'x', ca: sinkCertificate }] }, zone);
    assert.deepEqual(fates(await inTime(b, b.send(to))), delivered);
    assert.equal(good.messages.length, 1);
  });
}

test('a smart host that is silent after the final dot may have the mail: no other gets it', async (t) => {
  const slow = await sinkFor(t, says('.', 'silence'));
  const good = await sinkFor(t);
  const via = [`smtp://127.0.0.1:${slow.port}`, `smtp://127.0.0.1:${good.port}`];
  const b = await bench(t, { routes: [{ via }] });
  assert.deepEqual(fates(await inTime(b, b.send(to))), ['pending 451 4.2']);
  assert.equal(good.sessions, 0);
});

test('a smart host with a bad certificate, or that refuses the login, is passed over for the next', async (t) => {
  const other = await sinkFor(t, { tls: 'starttls', keywords: ['AUTH PLAIN'] });
  const refusing = await sinkFor(t, {
    ...says('AUTH', '535 5.7.8 no'),
    tls: 'starttls',
    keywords: ['AUTH PLAIN'],
  });
  const good = await sinkFor(t, { tls: 'starttls', keywords: ['AUTH PLAIN'] });
  // The certificate is for sink.test.
  for (const first of [`smtp://me@one.test:${other.port}`, `smtp://me@sink.test:${refusing.port}`]) {
    const via = [first, `smtp://me@sink.test:${good.port}`];
    const routes = [{ via, password: 'x', ca: sinkCertificate }];
    const b = await bench(t, { routes, limits: { messagesPerSession: 1 } }, zone);
    assert.deepEqual(fates(await b.send(to)), delivered);
    assert.deepEqual(b.delivery.tend(), [], 'once may be an accident');
    b.clock.advance(60_000);
    assert.deepEqual(fates(await b.send(to)), delivered);
    const [trouble] = b.delivery.tend();
    assert.equal(trouble?.subject, first.slice(first.indexOf('@') + 1));
  }
  assert.equal(good.messages.length, 4);
});

for (const [verb, reply] of [
  ['MAIL', '451 4.3.0 later'],
  ['DATA', '451 4.3.0 later'],
  ['.', '451 4.3.0 later'],
  ['MAIL', '421 4.3.2 later'],
  ['DATA', 'drop'],
] as const) {
  test(`a host that takes sessions and says ${reply} to ${verb}: the next has the mail, and it is avoided`, async (t) => {
    const bad = await sinkFor(t, says(verb, reply));
    const good = await sinkFor(t);
    const via = [`smtp://127.0.0.1:${bad.port}`, `smtp://127.0.0.1:${good.port}`];
    const limits = { messagesPerSession: 1, avoidMs: 60_000 };
    const b = await bench(t, { routes: [{ via }], limits });
    for (let i = 0; i < 3; i++) assert.deepEqual(fates(await b.send(to)), delivered);
    assert.equal(bad.sessions, 3);
    const [trouble] = b.delivery.tend();
    assert.equal(trouble?.kind, 'host');
    assert.match(trouble.because, /^451 |^421 /);
    await b.send(to);
    assert.equal(bad.sessions, 3, 'avoided');
    b.clock.advance(60_000);
    await b.send(to);
    assert.equal(bad.sessions, 4, 'tried again');
    b.clock.advance(60_000);
    await b.send(to);
    assert.equal(bad.sessions, 4, 'avoided for longer');
    assert.equal(good.messages.length, 6);
  });
}

test('a host that takes the mail and drops behind the dot is asked again, and avoided in the end', async (t) => {
  const bad = await sinkFor(t, says('.', 'drop'));
  const good = await sinkFor(t);
  const via = [`smtp://127.0.0.1:${bad.port}`, `smtp://127.0.0.1:${good.port}`];
  const b = await bench(t, { routes: [{ via }] });
  for (let i = 0; i < 3; i++) assert.deepEqual(fates(await b.send(to)), ['pending 451 4.2']);
  assert.equal(good.sessions, 0);
  assert.deepEqual(fates(await b.send(to)), delivered);
  assert.equal(good.messages.length, 1);
});

test('4yz to recipients says nothing about the host', async (t) => {
  const picky = await sinkFor(t, says('RCPT', '450 4.2.1 greylisted'));
  const b = await bench(t, { routes: [{ via: `smtp://127.0.0.1:${picky.port}` }] });
  for (let i = 0; i < 5; i++) await b.send(to);
  assert.deepEqual(b.delivery.tend(), []);
});

test('a kept session is not used once its host is avoided', async (t) => {
  let isWell = true;
  const first = await sinkFor(t, {
    answer: (command) => (command.startsWith('MAIL') && !isWell ? '451 4.3.0 later' : undefined),
  });
  const second = await sinkFor(t);
  const via = [`smtp://127.0.0.1:${first.port}`, `smtp://127.0.0.1:${second.port}`];
  const b = await bench(t, { routes: [{ via }], limits: { messagesPerSession: 100, idlePerLane: 1 } });
  await b.send(to);
  isWell = false;
  for (let i = 0; i < 6; i++) assert.deepEqual(fates(await b.send(to)), delivered);
  assert.equal(second.messages.length, 6);
});

test('weights divide the messages, over new and over kept sessions, among the hosts that are well', async (t) => {
  const one = await sinkFor(t);
  const two = await sinkFor(t);
  const via = [`smtp://127.0.0.1:${one.port}`, `smtp://127.0.0.1:${two.port}`];
  const b = await bench(t, { routes: [{ via, balance: 'weighted', weights: [3, 1] }] });
  for (let i = 0; i < 40; i++) await b.send(to);
  assert.deepEqual([one.messages.length, two.messages.length], [30, 10]);
  assert.deepEqual([one.sessions, two.sessions], [1, 1]);
  await one[Symbol.asyncDispose]();
  for (let i = 0; i < 8; i++) assert.deepEqual(fates(await b.send(to)), delivered);
  assert.equal(two.messages.length, 18);
});

test('the fallback is for when all hosts failed, and again only then', async (t) => {
  const port = await deadPort();
  const spare = await sinkFor(t);
  const routes = [{ via: `smtp://127.0.0.1:${port}`, fallback: `smtp://127.0.0.1:${spare.port}` }];
  const b = await bench(t, { routes, limits: { avoidMs: 60_000 } });
  for (let i = 0; i < 2; i++) assert.deepEqual(fates(await b.send(to)), delivered);
  assert.equal(spare.messages.length, 2);
  assert.equal(spare.sessions, 1, 'its session is kept while the host is down');
  const first = await sinkFor(t, { port });
  b.clock.advance(60_000);
  for (let i = 0; i < 2; i++) await b.send(to);
  assert.deepEqual([first.messages.length, spare.messages.length], [2, 2]);
});

test('the fallback of a domain takes what its exchangers deferred or the DNS could not say, not what they refused', async (t) => {
  const spare = await sinkFor(t);
  const mx = await sinkFor(t, {
    answer: (command) =>
      command.includes('<later@') ? '451 4.2.1 later' : command.includes('<no@') ? '550 5.1.1 no' : undefined,
  });
  const routes = [{ via: 'mx', fallback: `smtp://127.0.0.1:${spare.port}` }];
  const names = { 'dest.test': { A: ['127.0.0.1'] }, 'broken.test': { fault: 'servfail' } } as const;
  const b = await bench(t, { routes, mxPort: mx.port }, names);
  const result = await b.send(['later@dest.test', 'no@dest.test', 'yes@dest.test']);
  assert.deepEqual(fates(result), ['delivered 250 0.0', 'failed 550 1.1', 'delivered 250 0.0']);
  assert.deepEqual(spare.messages[0]?.rcpts, ['later@dest.test']);
  assert.deepEqual(fates(await b.send(['a@broken.test'])), delivered);
  assert.deepEqual(fates(await b.send(['a@gone.test'])), ['failed 550 1.2']);
});

test('when the fallback fails too the mail waits, with the last reply', async (t) => {
  const routes = [
    { via: `smtp://127.0.0.1:${await deadPort()}`, fallback: `smtp://127.0.0.1:${await deadPort()}` },
  ];
  const b = await bench(t, { routes });
  const result = await b.send(to);
  assert.deepEqual(fates(result), ['pending 451 4.1']);
  assert.equal(result.health.kind, 'unavailable');
});

test('each host has its own password, and no session is shared between credentials', async (t) => {
  const keywords = ['PIPELINING', 'AUTH PLAIN'];
  const one = await sinkFor(t, { ...says('MAIL', '451 4.3.0 busy'), tls: 'implicit', keywords });
  const two = await sinkFor(t, { tls: 'implicit', keywords });
  const ca = sinkCertificate;
  const verify = false;
  const via = [`smtps://me@one.test:${one.port}`, `smtps://me@two.test:${two.port}`];
  const other = { to: 'other.test', via: `smtps://you@two.test:${two.port}`, password: 'three', ca, verify };
  const same = { to: 'same.test', via: `smtps://me@two.test:${two.port}`, password: 'four', ca, verify };
  const routes = [other, same, { via, password: 'two', passwords: { 'one.test': 'one' }, ca, verify }];
  const b = await bench(t, { routes }, zone);
  const plain = (user: string, password: string) => Buffer.from(`\0${user}\0${password}`).toString('base64');
  for (const address of ['a@dest.test', 'a@other.test', 'a@same.test', 'a@dest.test'])
    assert.deepEqual(fates(await b.send([address])), delivered);
  assert.ok(one.commands.includes(`1 AUTH PLAIN ${plain('me', 'one')}`));
  const logins = two.commands.filter((line) => line.includes('AUTH PLAIN'));
  assert.deepEqual(
    logins.map((line) => line.slice(2)),
    [plain('me', 'two'), plain('you', 'three'), plain('me', 'four')].map((each) => `AUTH PLAIN ${each}`),
  );
  assert.deepEqual(
    two.messages.map(({ session }) => session),
    [1, 2, 3, 1],
  );
  assert.ok(two.commands.every((line) => !line.includes('MAIL FROM') || line.includes(' AUTH=<>')));
});

test('a pinned certificate is enough, and the only one', async (t) => {
  const sink = await sinkFor(t, { tls: 'starttls', keywords: ['AUTH PLAIN'] });
  const via = `smtp://me@127.0.0.1:${sink.port}`;
  const pin = `SHA256:${new X509Certificate(sinkCertificate).fingerprint256}`;
  const right = await bench(t, { routes: [{ via, password: 'x', fingerprint: pin }] });
  assert.deepEqual(fates(await right.send(to)), delivered);
  const wrong = await bench(t, { routes: [{ via, password: 'x', fingerprint: `sha256:${'0'.repeat(64)}` }] });
  const status = only(await wrong.send(to));
  assert.equal(status.reply.detail, '7.5');
  assert.equal(sink.commands.filter((line) => line.includes('AUTH PLAIN')).length, 1);
});

test('a token logs in; one that the server has revoked is replaced in the same attempt', async (t) => {
  const endpoint = await tokenEndpoint(t);
  let valid = 't1';
  const sink = await sinkFor(t, {
    tls: 'starttls',
    keywords: ['AUTH PLAIN OAUTHBEARER'],
    answer: (command) =>
      command.startsWith('AUTH') && tokenIn(command) !== valid ? '535 5.7.8 expired' : undefined,
  });
  const oauth = {
    tokenUrl: endpoint.url,
    grant: 'client-credentials',
    clientId: 'relay',
    clientSecret: 'hush',
    mechanism: 'auto',
  } as const;
  const via = `smtp://me@sink.test:${sink.port}`;
  const routes = [{ via, oauth, ca: sinkCertificate }];
  const b = await bench(t, { routes, limits: { messagesPerSession: 1 } }, zone);
  for (let i = 0; i < 2; i++) assert.deepEqual(fates(await b.send(to)), delivered);
  assert.equal(endpoint.asked.length, 1);
  valid = 't2';
  b.clock.advance(60_000);
  assert.deepEqual(fates(await b.send(to)), delivered);
  assert.equal(endpoint.asked.length, 2);
  assert.deepEqual(b.delivery.tend(), []);
  // Refused although it is new: that is for an operator, and not to be asked for again and again.
  valid = 'none';
  for (let i = 0; i < 3; i++) assert.deepEqual(fates(await b.send(to)), ['pending 454 7.8']);
  assert.equal(endpoint.asked.length, 2);
  assert.equal(b.delivery.tend()[0]?.kind, 'token-expired');
});

test('without a token the mail waits, and nothing is dialled for it', async (t) => {
  const endpoint = await tokenEndpoint(t);
  endpoint.refusal = { status: 400, body: { error: 'invalid_client' } };
  const sink = await sinkFor(t, { tls: 'starttls', keywords: ['AUTH OAUTHBEARER'] });
  const oauth = {
    tokenUrl: endpoint.url,
    grant: 'client-credentials',
    clientId: 'relay',
    clientSecret: 'hush',
    mechanism: 'auto',
  } as const;
  const b = await bench(t, { routes: [{ via: `smtp://me@127.0.0.1:${sink.port}`, oauth }] });
  const status = only(await b.send(to));
  assert.equal(status.reply.detail, '7.4');
  assert.match(status.reply.lines[0] ?? '', /invalid_client/);
  assert.equal(sink.sessions, 0);
});
