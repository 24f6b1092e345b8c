import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type ManualClock, manualClock } from '../src/base/index.ts';
import { type Sink, type SinkOptions, startSink } from '../src/delivery/testing.ts';
import { type ParsedDsn, parseDsn } from '../src/dsn/index.ts';
import { isSevenBit } from '../src/mail/index.ts';
import { endings, openRelay, type TestRelay } from './support/relay.ts';

/** A relay whose mail to `x.test` goes to one sink, and that to anybody else to another. */
async function openPair(
  t: TestContext,
  options: SinkOptions & {
    readonly keys?: object;
    readonly clock?: ManualClock;
    readonly sender?: SinkOptions;
  } = {},
) {
  const { keys, clock, sender = {}, ...sinkOptions } = options;
  const [theirs, senders] = [await startSink(sinkOptions), await startSink(sender)];
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

const mime = 'MIME-Version: 1.0\r\nContent-Type:';
const undeliverable = {
  'a raw 8-bit Subject': 'Subject: caf\u00e9\r\n\r\nbody\r\n',
  'an 8-bit body': `${mime} text/plain; charset=utf-8\r\n\r\nthe caf\u00e9 is open\r\n`,
  'an 8-bit body that is signed': `${mime} multipart/signed; boundary=b\r\n\r\n--b\r\n\r\ncaf\u00e9\r\n--b--\r\n`,
  'an 8-bit body in an unknown encoding': `${mime} text/plain\r\nContent-Transfer-Encoding: x-mine\r\n\r\ncaf\u00e9\r\n`,
  'a part with an 8-bit header': `${mime} multipart/mixed; boundary=b\r\n\r\n--b\r\nX: \u00e9\r\n\r\nx\r\n--b--\r\n`,
  'over-long lines': `Subject: ${'x'.repeat(2000)}\r\n\r\n${'y'.repeat(3000)}\r\n`,
  'an over-long 8-bit Subject': `Subject: ${'\u00e9'.repeat(900)}\r\n\r\n${'y'.repeat(3000)}\r\n`,
  'no header at all': '\r\ncaf\u00e9\r\n',
  'more than comes back, with an 8-bit header': `Subject: caf\u00e9\r\n\r\n${`${'y'.repeat(70)}\r\n`.repeat(1000)}`,
};

for (const [what, content] of Object.entries(undeliverable)) {
  test(`the sender of ${what} hears of its failure behind a server without 8BITMIME`, async (t) => {
    const sender = { keywords: ['PIPELINING', 'SIZE 60000'] };
    const { relay, senders } = await openPair(t, { answer: refusal, sender });
    await relay.send({ to: 'bad@x.test', content });
    const dsn = await notice(relay, senders);
    assert.deepEqual(
      dsn.recipients.map(({ finalRecipient, action }) => [finalRecipient, action]),
      [['bad@x.test', 'failed']],
    );
    assert.ok(isSevenBit(senders.messages[0]?.octets ?? Buffer.from('\0')));
    assert.equal(senders.messages.length, 1);
  });
}

test('a success of 8-bit mail is told to a sender behind a server without 8BITMIME', async (t) => {
  const sender = { keywords: ['PIPELINING'] };
  const { relay, senders } = await openPair(t, { keywords: ['PIPELINING', '8BITMIME'], sender });
  const content = 'Subject: caf\u00e9\r\n\r\nbody\r\n';
  await relay.send({ to: 'ann@x.test', rcptParameters: ' NOTIFY=SUCCESS', content });
  const dsn = await notice(relay, senders);
  assert.equal(dsn.recipients[0]?.action, 'relayed');
  assert.match(dsn.text, /^Subject: caf=C3=A9$/m);
});

test('a sender of SMTPUTF8 mail with an ASCII address hears of it behind a server without SMTPUTF8', async (t) => {
  const sender = { keywords: ['PIPELINING'] };
  const { relay, senders } = await openPair(t, { answer: refusal, sender });
  await relay.send({
    to: 'bad+\u017e@x.test',
    mailParameters: ' SMTPUTF8',
    content: 'Subject: caf\u00e9\r\n\r\nbody\r\n',
  });
  const dsn = await notice(relay, senders);
  assert.equal(dsn.recipients[0]?.finalRecipient, 'bad+\u017e@x.test');
  assert.match(dsn.text, /message\/global-delivery-status/);
  assert.ok(isSevenBit(senders.messages[0]?.octets ?? Buffer.from('\0')));
});

test('a notice that is larger than the next hop takes goes without what it encloses', async (t) => {
  let refused = 0;
  const refusesOne = (command: string) =>
    command === '.' && refused++ === 0 ? '552 5.3.4 too big' : undefined;
  for (const sender of [{ keywords: ['PIPELINING', 'SIZE 4000'] }, { answer: refusesOne }]) {
    const { relay, senders } = await openPair(t, { answer: refusal, sender });
    await relay.send({ to: 'bad@x.test', content: `Subject: big\r\n\r\n${'y'.repeat(70)}\r\n`.repeat(100) });
    await relay.log.logged('bounce-shortened');
    await relay.log.logged('removed', {}, 3);
    assert.equal(senders.messages.length, 1);
    const text = senders.messages[0]?.octets.toString() ?? '';
    assert.equal(parseDsn(Buffer.from(text))?.recipients[0]?.finalRecipient, 'bad@x.test');
    assert.match(text, /^Subject: big$/m);
    assert.doesNotMatch(text, /yyyy/);
    assert.deepEqual(await relay.log.logged('bounce-dropped', {}, 0), []);
  }
});

test('a notice without anything to leave out that is still too large ends with the postmaster', async (t) => {
  const { relay } = await openPair(t, {
    answer: refusal,
    sender: { keywords: ['PIPELINING', 'SIZE 100'] },
  });
  await relay.send({ to: 'bad@x.test' });
  await relay.log.logged('bounce-dropped');
});

test('what a server said in UTF-8 is readable in the log and in the notice, in whichever form', async (t) => {
  const said = '550 5.1.1 Пользователь gelöscht';
  const { relay, senders } = await openPair(t, {
    answer: (command) => (command.startsWith('RCPT') ? said : undefined),
  });
  await relay.send({ to: 'bad@x.test' });
  const plain = await notice(relay, senders);
  const [bounced] = await relay.log.logged('bounced');
  assert.equal(bounced?.reply, said);
  assert.match(plain.text, /Content-Type: message\/delivery-status\r\n/);
  assert.match(plain.text, /Diagnostic-Code: smtp; 550 5\.1\.1 \\x\{41F\}.* gel\\x\{F6\}scht\r\n/);
  await relay.send({ to: 'bad@x.test', mailParameters: ' SMTPUTF8' });
  const global = await notice(relay, senders, 2);
  assert.match(global.text, /Content-Type: message\/global-delivery-status\r\n/);
  // Quoted-printable, for a notice is of 7-bit lines.
  assert.match(global.text, /Diagnostic-Code: smtp; 550 5\.1\.1 =D0=9F/);
});
