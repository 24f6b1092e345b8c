import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { manualClock } from '../src/base/index.ts';
import { startSink } from '../src/delivery/testing.ts';
import { dropMail } from '../src/maildrop/index.ts';
import type { QueueItem } from '../src/operation/commands.ts';
import type { Control } from '../src/relay/testing.ts';
import { endings, openRelay, recorded, type TestRelay, testConfig, testFolder } from './support/relay.ts';
import { until } from './support/server.ts';

const everything = { match: {} };

function controlOf(relay: TestRelay): Control {
  return relay.control;
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** A destination that defers until it is told otherwise, and a relay with messages for it. */
async function withQueue(t: TestContext, count: number) {
  let isBusy = true;
  const sink = await startSink({
    answer: (command) => (isBusy && command.startsWith('RCPT') ? '451 4.2.1 busy' : undefined),
  });
  endings(t).use(sink);
  const relay = await openRelay(t, { routes: { via: `smtp://127.0.0.1:${sink.port}`, tls: 'none' } });
  for (let i = 0; i < count; i++) await relay.send({ to: `u${i}@x.test`, from: `s${i}@origin.test` });
  await relay.log.logged('deferred', {}, count);
  await recorded(relay);
  return { relay, sink, control: controlOf(relay), wake: () => (isBusy = false) };
}

test('the queue is listed, shown, held, released and flushed over the control socket', async (t) => {
  const { relay, sink, control, wake } = await withQueue(t, 3);
  const items = await all(control.list({ selector: everything }));
  assert.deepEqual(
    items.map(({ from, recipients }) => [from, recipients[0]?.to, recipients[0]?.status]),
    [0, 1, 2].map((i) => [`s${i}@origin.test`, `u${i}@x.test`, 'deferred']),
  );
  const [first, second] = items.map(({ id }) => id);
  assert.ok(first !== undefined && second !== undefined);
  const octets = Buffer.concat(await all(control.octets({ id: first })));
  assert.match(octets.toString(), /^Received: [\s\S]*Subject: hello\r\n\r\nhello\r\n$/);
  assert.deepEqual(
    await all(control.change({ change: { verb: 'hold', because: 'odd' }, selector: { ids: [first] } })),
    [first],
  );
  const held = await all(control.list({ selector: { match: { held: true } } }));
  assert.deepEqual(held.map(statusOf), [[first, 'held']]);
  wake();
  const flushed = await all(control.change({ change: { verb: 'flush' }, selector: everything }));
  assert.equal(flushed.length, 2);
  await relay.log.logged('removed', {}, 2);
  assert.equal(sink.messages.length, 2);
  await all(control.change({ change: { verb: 'release' }, selector: { match: { from: 's0@origin.test' } } }));
  await relay.log.logged('removed', { queueId: first });
  assert.deepEqual(await all(control.list({ selector: everything })), []);
});

test('messages are removed, bounced and redirected over the control socket', async (t) => {
  const { relay, sink, control, wake } = await withQueue(t, 3);
  const change = (verb: 'remove' | 'bounce', to: string) =>
    all(
      control.change({
        change: verb === 'remove' ? { verb } : { verb, because: 'no' },
        selector: { match: { to } },
      }),
    );
  await until(async () => (await change('remove', 'u0@x.test')).length === 1);
  wake();
  await until(async () => (await change('bounce', 'u1@x.test')).length === 1);
  await relay.log.logged('bounce-sent');
  await relay.log.logged('removed', {}, 3);
  assert.deepEqual(
    sink.messages.map(({ rcpts }) => rcpts),
    [['s1@origin.test']],
  );
  const redirect = () =>
    all(
      control.change({
        change: { verb: 'redirect', to: 'new@y.test' },
        selector: { match: { to: 'x.test' } },
      }),
    );
  await until(async () => (await redirect()).length === 1);
  await relay.log.logged('delivered', { to: 'new@y.test' });
  await until(async () => (await control.status()).messages === 0);
});

test('a submitted message is followed until each recipient has its fate', async (t) => {
  await using sink = await startSink({
    answer: (command) => (command.startsWith('RCPT TO:<bad') ? '550 5.1.1 no' : undefined),
  });
  const relay = await openRelay(t, { routes: { via: `smtp://127.0.0.1:${sink.port}`, tls: 'none' } });
  const to = ['good@x.test', 'bad@x.test'];
  const octets = (async function* () {
    yield Buffer.from('Subject: hi\r\n\r\nhi\r\n');
  })();
  const submission = { from: 'me@origin.test', to, follow: true };
  const events = await all(controlOf(relay).submit(submission, octets, AbortSignal.timeout(10_000)));
  assert.deepEqual(
    events.map((event) => (event.event === 'fate' ? [event.to, event.status] : event.event)),
    ['accepted', ['good@x.test', 'delivered'], ['bad@x.test', 'bounced']],
  );
});

test('a message in the maildrop is sent', async (t) => {
  const relay = await openRelay(t, { routes: { to: '*', via: 'capture' } });
  const envelope = { version: 1, from: 'me@origin.test', body: '7bit' } as const;
  await dropMail(join(relay.folder, 'maildrop'), { ...envelope, to: [{ address: 'ann@x.test' }] }, [
    Buffer.from('Subject: dropped\r\n\r\n.\r\n'),
  ]);
  await relay.log.logged('delivered', { to: 'ann@x.test' });
});

test('a reload changes at once who may send what to whom; name, keys and limits are for new sessions', async (t) => {
  const keys = { routes: { to: '*', via: 'capture' }, relay: { networks: [] } };
  const relay = await openRelay(t, { ...keys, domains: { name: 'old.test' } });
  await using before = await relay.session();
  relay.next = testConfig(relay.folder, { ...keys, domains: { name: 'new.test' }, hostname: 'renamed.test' });
  const outcome = await controlOf(relay).reload();
  assert.equal(outcome.outcome, 'reloaded');
  assert.ok(outcome.outcome === 'reloaded' && outcome.changes.some((change) => change.includes('hostname')));
  assert.match(await relay.send({ to: 'ann@old.test' }), /^550 5\.7\.1 /);
  assert.match(await relay.send({ to: 'ann@new.test' }), /^250 /);
  before.send('EHLO c.test\r\n');
  assert.doesNotMatch(await before.reply(), /renamed/);
  await before.expect(
    ['MAIL FROM:<a@b.test>', 250],
    ['RCPT TO:<ann@old.test>', 550],
    ['RCPT TO:<ann@new.test>', 250],
  );
  await using after = await relay.session();
  after.send('EHLO c.test\r\n');
  assert.match(await after.line(), /^250-renamed\.test/);
});

test('a reload that cannot be loaded or built changes nothing', async (t) => {
  const keys = { domains: { name: 'ours.test', deliver: 'capture' }, relay: { networks: [] } };
  const relay = await openRelay(t, keys);
  relay.next = new Error('line 1: no\nline 2: no');
  assert.deepEqual(await controlOf(relay).reload(), {
    outcome: 'refused',
    problems: ['line 1: no', 'line 2: no'],
  });
  const config = testConfig(relay.folder, {
    ...keys,
    domains: { name: 'other.test', deliver: 'capture' },
    hostname: 'other.test',
  });
  relay.next = { ...config, tls: { cert: 'no', key: 'no', minVersion: 'TLSv1.2', sessionTickets: true } };
  assert.equal((await controlOf(relay).reload()).outcome, 'refused');
  relay.next = { ...config, routes: [{ to: ['*'], via: ['nonsense'] }] } as never;
  assert.equal((await controlOf(relay).reload()).outcome, 'refused');
  assert.equal((await controlOf(relay).status()).hostname, 'relay.test');
  assert.match(await relay.send({ to: 'ann@ours.test' }), /^250 /);
  assert.match(await relay.send({ to: 'ann@other.test' }), /^550 /);
});

test('new routes take what is in the queue when it is next tried', async (t) => {
  const { relay, control } = await withQueue(t, 2);
  relay.next = testConfig(relay.folder, { routes: { to: '*', via: 'capture' } });
  await control.reload();
  await all(control.change({ change: { verb: 'flush' }, selector: everything }));
  await relay.log.logged('removed', {}, 2);
  assert.equal((await relay.log.logged('delivered', {}, 2)).length, 2);
});

test('a renewed certificate is shown to new sessions', async (t) => {
  const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');
  const folder = await testFolder(t);
  const withTls = (cert: string, key: string) => {
    const config = testConfig(folder, { routes: { to: '*', via: 'capture' } });
    const listeners = config.listeners.map((listener) => ({ ...listener, tls: 'starttls' as const }));
    const tls = { cert: read(cert), key: read(key), minVersion: 'TLSv1.2' as const, sessionTickets: true };
    return { ...config, listeners, tls };
  };
  const path = '../src/client/testdata';
  const relay = await openRelay(t, {}, { folder, config: withTls(`${path}/cert.pem`, `${path}/key.pem`) });
  const nameOf = async () => {
    await using peer = await relay.session();
    await peer.expect(['EHLO c.test', 250], ['STARTTLS', 220]);
    await peer.startTls();
    return peer.tls.getPeerCertificate().subject.CN;
  };
  const before = await nameOf();
  relay.next = withTls('support/testdata/renewed-cert.pem', 'support/testdata/renewed-key.pem');
  assert.equal((await controlOf(relay).reload()).outcome, 'reloaded');
  assert.notEqual(await nameOf(), before);
});

test('a disk that runs full is 452 before it is full, and by itself 250 again', async (t) => {
  const clock = manualClock();
  let freeBytes = 10_000_000;
  const keys = { routes: { to: '*', via: 'capture' }, spool: { floor: '1MB' } };
  const relay = await openRelay(t, keys, { clock, freeBytes: () => freeBytes });
  assert.match(await relay.send({ to: 'ann@x.test' }), /^250 /);
  freeBytes = 900_000;
  clock.advance(10_000);
  assert.match(await relay.send({ to: 'ann@x.test' }), /^452 4\.3\.1 /);
  assert.match((await controlOf(relay).status()).spool, /low/);
  freeBytes = 10_000_000;
  clock.advance(10_000);
  assert.match(await relay.send({ to: 'ann@x.test' }), /^250 /);
});

test('a drain lets the session end, delivers what is under way and leaves the rest for the next start', async (t) => {
  const { relay, sink, wake } = await withQueue(t, 20);
  await using idle = await relay.session();
  await relay.stop();
  assert.match(await idle.reply(), /^421 /);
  await assert.rejects(controlOf(relay).status(), { code: 'unavailable' });
  wake();
  const keys = { routes: { via: `smtp://127.0.0.1:${sink.port}`, tls: 'none' } };
  const second = await openRelay(t, keys, { folder: relay.folder });
  const { messages } = await controlOf(second).status();
  assert.equal(messages, 20);
  await all(controlOf(second).change({ change: { verb: 'flush' }, selector: everything }));
  await second.log.logged('removed', {}, 20);
  assert.equal(sink.messages.length, 20);
  assert.equal(new Set(sink.messages.map(({ rcpts }) => rcpts.join())).size, 20);
});

function statusOf({ id, recipients }: QueueItem) {
  return [id, recipients[0]?.status];
}

test('a relay that shuts down takes over no other configuration', async (t) => {
  const relay = await openRelay(t, {});
  await relay.stop();
  assert.deepEqual(await relay.relay.reload(), {
    outcome: 'refused',
    problems: ['the relay is shutting down'],
  });
});
