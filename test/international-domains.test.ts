import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Sink, type SinkOptions, startSink } from '../src/delivery/testing.ts';
import { startFakeDns } from '../src/dns/testing.ts';
import { endings, type Keys, openRelay, testFolder } from './support/relay.ts';

/** Domains beyond ASCII (RFC 6531, RFC 5891) before servers that know nothing of them. */

const plain = ['PIPELINING', '8BITMIME'];
const smtputf8 = ' SMTPUTF8';

async function sinkFor(t: TestContext, options: SinkOptions = {}): Promise<Sink> {
  const sink = await startSink({ keywords: plain, ...options });
  endings(t).use(sink);
  return sink;
}

async function relayTo(t: TestContext, sink: Sink, keys: Keys = {}) {
  const routes = { to: '*', via: `smtp://127.0.0.1:${sink.port}`, tls: 'none' };
  return await openRelay(t, { routes, ...keys });
}

test('a recipient at a domain beyond ASCII is delivered by a server without SMTPUTF8, alone and with others', async (t) => {
  for (const to of [
    ['x@bücher.test'],
    ['x@BÜCHER.test'],
    ['x@bu\u0308cher.test'],
    ['x@XN--BCHER-KVA.test'],
    ['x@bücher.xn--p1ai'],
    ['x@bücher.test', 'y@bücher.test'],
  ]) {
    const sink = await sinkFor(t);
    const relay = await relayTo(t, sink);
    assert.match(await relay.send({ to, mailParameters: smtputf8 }), /^250 /, to.join());
    await relay.log.logged('removed');
    const [message] = sink.messages;
    assert.equal(message?.rcpts.length, to.length);
    assert.match(message?.rcpts[0] ?? '', /^x@xn--bcher-kva\.(?:test|xn--p1ai)$/i);
    assert.ok(!sink.commands.some((command) => command.includes('SMTPUTF8') || /[^ -~]/.test(command)));
    assert.doesNotMatch(message?.octets.toString() ?? '', /[^\0-~]/);
  }
});

test('a sender at a domain beyond ASCII is named by its A-label, and hears of failures there', async (t) => {
  const answer = (command: string) => (command.startsWith('RCPT TO:<no') ? '550 5.1.1 no' : undefined);
  const sink = await sinkFor(t, { answer });
  const relay = await relayTo(t, sink);
  await relay.send({ from: 'anna@bücher.test', to: 'no@x.test', mailParameters: smtputf8 });
  await relay.log.logged('removed', {}, 2);
  assert.ok(sink.commands.some((command) => command.includes('MAIL FROM:<anna@xn--bcher-kva.test>')));
  assert.deepEqual(sink.messages[0]?.rcpts, ['anna@xn--bcher-kva.test']);
  assert.match(sink.messages[0]?.octets.toString() ?? '', /^To: <anna@xn--bcher-kva\.test>$/m);
});

test('an alias beyond ASCII leads to a server without SMTPUTF8, though it is the only recipient', async (t) => {
  const sink = await sinkFor(t);
  const folder = await testFolder(t);
  const aliases = join(folder, 'aliases');
  await writeFile(aliases, 'ju\u0308rgen: juergen@x.test\n');
  const domains = { name: 'bücher.test', deliver: 'capture', recipients: [], aliases };
  const relay = await relayTo(t, sink, { domains });
  for (const to of ['jürgen@bücher.test', 'ju\u0308rgen@xn--bcher-kva.test'])
    assert.match(await relay.send({ to, mailParameters: smtputf8 }), /^250 /, to);
  await relay.log.logged('removed', {}, 2);
  assert.deepEqual(
    sink.messages.map(({ rcpts }) => rcpts),
    [['juergen@x.test'], ['juergen@x.test']],
  );
  assert.doesNotMatch(sink.messages[0]?.octets.toString() ?? '', /[^\0-~]/);
});

test('a list knows its names in whatever form they come', async (t) => {
  const sink = await sinkFor(t);
  const domains = { name: 'xn--bcher-kva.test', deliver: 'capture', recipients: ['zo\u0308e'] };
  const relay = await relayTo(t, sink, { domains, relay: { networks: [] } });
  for (const to of ['zöe@bücher.test', 'ZÖE@BÜCHER.test', 'zo\u0308e@xn--bcher-kva.test'])
    assert.match(await relay.send({ to, mailParameters: smtputf8 }), /^250 /, to);
  assert.match(await relay.send({ to: 'zoe@bücher.test', mailParameters: smtputf8 }), /^550 5\.1\.1 /);
});

test('a callout asks once for an address, whichever labels it came with, and by its A-labels', async (t) => {
  const sink = await sinkFor(t);
  const domains = {
    name: 'bücher.test',
    deliver: `smtp://127.0.0.1:${sink.port}`,
    recipients: 'verify',
  };
  const relay = await openRelay(t, { domains, relay: { networks: [] }, routes: { to: '*', via: 'capture' } });
  for (const to of ['ann@bücher.test', 'ann@xn--bcher-kva.test', 'ann@BÜCHER.test'])
    assert.match(await relay.send({ to, mailParameters: smtputf8 }), /^250 /, to);
  await relay.log.logged('removed', {}, 3);
  const asked = sink.commands.filter((command) => /MAIL FROM:<>/.test(command));
  assert.equal(asked.length, 1);
  assert.equal(sink.messages.length, 3);
});

test('routes and senders are of one domain, whichever labels they are written with', async (t) => {
  const sink = await sinkFor(t);
  const routes = [
    { to: 'bücher.test', via: `smtp://127.0.0.1:${sink.port}`, tls: 'none' },
    { from: '*@xn--bcher-kva.test', via: `smtp://127.0.0.1:${sink.port}`, tls: 'none' },
    { to: '*', via: 'capture' },
  ];
  const relay = await openRelay(t, { routes });
  await relay.send({ to: 'a@xn--bcher-kva.test' });
  await relay.send({ to: 'b@bücher.test', mailParameters: smtputf8 });
  await relay.send({ from: 'c@bücher.test', to: 'd@x.test', mailParameters: smtputf8 });
  await relay.log.logged('removed', {}, 3);
  assert.equal(sink.messages.length, 3);
});

test('the operator finds mail by either label', async (t) => {
  const sink = await sinkFor(t, {
    answer: (command) => (command.startsWith('RCPT') ? '451 later' : undefined),
  });
  const relay = await relayTo(t, sink);
  await relay.send({ to: 'a@bücher.test', mailParameters: smtputf8 });
  await relay.log.logged('deferred');
  for (const to of ['a@bücher.test', 'A@XN--BCHER-KVA.TEST', 'bücher.test', '@xn--bcher-kva.test']) {
    let count = 0;
    for await (const _ of relay.control.list({ selector: { match: { to } } })) count++;
    assert.equal(count, 1, to);
  }
});

test('what is beyond ASCII is still refused without SMTPUTF8', async (t) => {
  const sink = await sinkFor(t);
  const relay = await relayTo(t, sink);
  assert.match(await relay.send({ to: 'a@bücher.test' }), /^553 5\.6\.7 /);
  assert.match(await relay.send({ from: 'a@bücher.test', to: 'b@x.test' }), /^55\d 5\.6\.7 /);
});

test('a smart host may be named beyond ASCII, and is looked up by its A-label', async (t) => {
  const sink = await sinkFor(t);
  const dns = await startFakeDns({ 'xn--bcher-kva.test': { A: ['127.0.0.1'] } });
  endings(t).use(dns);
  const relay = await openRelay(t, {
    dns: { servers: [dns.address], refusePrivateMx: false },
    routes: { to: '*', via: `smtp://Bücher.test:${sink.port}`, tls: 'none' },
  });
  await relay.send({ to: 'a@x.test' });
  await relay.log.logged('removed');
  assert.equal(sink.messages.length, 1);
});
