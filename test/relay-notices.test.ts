import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type ManualClock, manualClock } from '../src/base/index.ts';
import { type Sink, type SinkOptions, startSink } from '../src/delivery/testing.ts';
import { type ParsedDsn, parseDsn } from '../src/dsn/index.ts';
import { endings, openRelay, type TestRelay } from './support/relay.ts';

/** A relay whose mail to `x.test` goes to one sink, and that to anybody else to another. */
async function openPair(
  t: TestContext,
  options: SinkOptions & { readonly keys?: object; readonly clock?: ManualClock } = {},
) {
  const { keys, clock, ...sinkOptions } = options;
  const [theirs, senders] = [await startSink(sinkOptions), await startSink()];
  for (const sink of [theirs, senders]) endings(t).use(sink);
  const routes = [
    { to: 'x.test', via: `smtp://127.0.0.1:${theirs.port}`, tls: 'none' },
    { via: `smtp://127.0.0.1:${senders.port}`, tls: 'none' },
  ];
  const relay = await openRelay(t, { routes, ...keys }, clock === undefined ? {} : { clock });
  return { relay, theirs, senders };
}

/** The notice that arrived at the sink. */
async function notice(
  relay: TestRelay,
  sink: Sink,
  count = 1,
): Promise<ParsedDsn & { readonly text: string }> {
  await relay.log.logged('bounce-sent', {}, count);
  const queueId = (await relay.log.logged('bounce-sent', {}, count))[count - 1]?.queueId;
  await relay.log.logged('removed', { queueId });
  const octets = sink.messages[count - 1]?.octets ?? Buffer.alloc(0);
  const parsed = parseDsn(octets);
  assert.ok(parsed !== undefined, octets.toString());
  return { ...parsed, text: octets.toString() };
}

/** Lets time pass little by little: a step must not be longer than what a disk may take. */
async function passUntil(relay: TestRelay, clock: ManualClock, event: string): Promise<void> {
  for (let i = 0; i < 10_000 && !relay.log.lines.some((line) => line.event === event); i++) {
    clock.advance(100);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  await relay.log.logged(event);
}

const refusal = (command: string) =>
  command.startsWith('RCPT TO:<bad') ? '550 5.1.1 no such user' : undefined;

test('a permanent refusal comes back to the sender as a report of the one that failed', async (t) => {
  const { relay, theirs, senders } = await openPair(t, { answer: refusal });
  await relay.send({
    to: ['bad@x.test', 'good@x.test'],
    mailParameters: ' ENVID=abc RET=HDRS',
    content: 'Subject: original\r\n\r\nsecret body\r\n',
  });
  const dsn = await notice(relay, senders);
  assert.equal(theirs.messages.length, 1);
  assert.deepEqual([senders.messages[0]?.mail, senders.messages[0]?.rcpts], ['<>', ['sender@origin.test']]);
  assert.equal(dsn.envid, 'abc');
  assert.equal(dsn.reportingMta, 'relay.test');
  assert.equal(dsn.recipients.length, 1);
  const [failed] = dsn.recipients;
  assert.deepEqual(
    [failed?.finalRecipient, failed?.action, failed?.status],
    ['bad@x.test', 'failed', '5.1.1'],
  );
  assert.match(failed?.diagnostic ?? '', /550 5\.1\.1 no such user/);
  assert.match(dsn.text, /multipart\/report/);
  assert.match(dsn.text, /Subject: original/);
  assert.doesNotMatch(dsn.text, /secret body/);
});

test('a success that was asked for is relayed when the next hop knows no DSN, and silent when it does', async (t) => {
  const plain = await openPair(t, { keywords: ['PIPELINING', '8BITMIME'] });
  await plain.relay.send({ to: 'ann@x.test', rcptParameters: ' NOTIFY=SUCCESS ORCPT=rfc822;anna@y.test' });
  const dsn = await notice(plain.relay, plain.senders);
  const [relayed] = dsn.recipients;
  assert.deepEqual([relayed?.action, relayed?.originalRecipient], ['relayed', 'anna@y.test']);
  const able = await openPair(t);
  await able.relay.send({ to: 'ann@x.test', rcptParameters: ' NOTIFY=SUCCESS' });
  await able.relay.log.logged('removed');
  assert.ok(able.theirs.commands.some((line) => /RCPT TO:<ann@x\.test>.* NOTIFY=SUCCESS/.test(line)));
  assert.deepEqual(await able.relay.log.logged('bounce-sent', {}, 0), []);
});

test('a delay is told once, when its time has come, and not to those who do not want it', async (t) => {
  const clock = manualClock();
  const keys = { queue: { retry: { warnAfter: '2m', maxAge: '1h' } } };
  const answer = (command: string) => (command.startsWith('RCPT') ? '451 4.2.1 busy' : undefined);
  const { relay, senders } = await openPair(t, { answer, keys, clock });
  const startedAt = clock.now();
  await relay.send({ to: 'ann@x.test' });
  await relay.send({ to: 'quiet@x.test', rcptParameters: ' NOTIFY=FAILURE' });
  await relay.log.logged('deferred', {}, 2);
  await passUntil(relay, clock, 'bounce-sent');
  const dsn = await notice(relay, senders);
  assert.deepEqual(
    dsn.recipients.map(({ finalRecipient, action }) => [finalRecipient, action]),
    [['ann@x.test', 'delayed']],
  );
  assert.match(dsn.text, /Will-Retry-Until: /i);
  assert.ok(clock.now() >= startedAt + 120_000);
});

test('what has waited too long expires, and the sender hears what was said last', async (t) => {
  const clock = manualClock();
  const keys = { queue: { retry: { maxAge: '3m' } } };
  const answer = (command: string) => (command.startsWith('RCPT') ? '451 4.2.1 busy' : undefined);
  const { relay, senders } = await openPair(t, { answer, keys, clock });
  await relay.send({ to: 'ann@x.test' });
  await relay.log.logged('deferred');
  await passUntil(relay, clock, 'expired');
  const dsn = await notice(relay, senders);
  assert.equal(dsn.recipients[0]?.action, 'failed');
  assert.match(dsn.text, /busy/);
});

test('a notice that cannot be delivered goes to the postmaster, and one to the postmaster nowhere', async (t) => {
  const isDown = (command: string) => command.startsWith('RCPT');
  const { relay, senders } = await openPair(t, {
    answer: (command) => (isDown(command) ? '550 5.1.1 no' : undefined),
    keys: { postmaster: 'keeper@home.test' },
  });
  await relay.send({ from: 'gone@x.test', to: 'ann@x.test' });
  const [, second] = await relay.log.logged('bounce-sent', {}, 2);
  assert.equal(second?.to, 'keeper@home.test');
  await relay.log.logged('removed', {}, 3);
  assert.deepEqual(senders.messages[0]?.rcpts, ['keeper@home.test']);
  assert.equal(senders.messages[0]?.mail, '<>');

  const hopeless = await openPair(t, {
    answer: (command) => (isDown(command) ? '550 5.1.1 no' : undefined),
    keys: { postmaster: 'keeper@x.test' },
  });
  await hopeless.relay.send({ from: 'gone@x.test', to: 'ann@x.test' });
  await hopeless.relay.log.logged('bounce-dropped');
  await hopeless.relay.log.logged('removed', {}, 3);
});

test('what is refused in the session is nobody’s notice', async (t) => {
  const { relay, senders, theirs } = await openPair(t, {
    keys: {
      relay: { networks: [] },
      domains: { name: 'x.test', recipients: ['ann'] },
      limits: { messageSize: '64KB' },
    },
  });
  assert.match(await relay.send({ to: 'nobody@x.test' }), /^550 5\.1\.1 /);
  assert.match(await relay.send({ to: 'ann@elsewhere.test' }), /^550 5\.7\.1 /);
  const content = `Subject: big\r\n\r\n${'x'.repeat(70)}\r\n`.padEnd(100_000, `${'y'.repeat(70)}\r\n`);
  assert.match(await relay.send({ to: 'ann@x.test', content: `${content}\r\n` }), /^552 5\.3\.4 /);
  await relay.send({ to: 'ann@x.test' });
  await relay.log.logged('removed');
  assert.deepEqual([theirs.messages.length, senders.messages.length], [1, 0]);
});

test('NOTIFY=NEVER is silence, but not in the log', async (t) => {
  const { relay, senders } = await openPair(t, { answer: refusal });
  await relay.send({ to: 'bad@x.test', rcptParameters: ' NOTIFY=NEVER' });
  await relay.log.logged('bounced');
  await relay.log.logged('bounce-dropped');
  await relay.log.logged('removed');
  assert.equal(senders.messages.length, 0);
});
