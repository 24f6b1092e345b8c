import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Sink, type SinkOptions, startSink } from '../src/delivery/testing.ts';
import { type FakeZone, startFakeDns } from '../src/dns/testing.ts';
import { endings, openRelay, testFolder } from './support/relay.ts';

async function sinkFor(t: TestContext, options: SinkOptions = {}): Promise<Sink> {
  const sink = await startSink(options);
  endings(t).use(sink);
  return sink;
}

/** Keys with which MX records of the zone lead to a sink. */
async function internet(t: TestContext, zone: FakeZone, sink: Sink) {
  const dns = await startFakeDns(zone);
  endings(t).use(dns);
  return {
    dns: { servers: [dns.address], refusePrivateMx: false },
    delivery: { mxPort: sink.port, ownAddresses: '192.0.2.99' },
  };
}

test('mail goes to the mail exchanger of its domain, with a trace and otherwise as it came', async (t) => {
  const sink = await sinkFor(t);
  const zone = { 'x.test': { MX: [[10, 'mx.x.test']] as const }, 'mx.x.test': { A: ['127.0.0.1'] } };
  const relay = await openRelay(t, await internet(t, zone, sink));
  const content = 'Subject: dots\r\n\r\n..one dot\r\nlast line\r\n';
  assert.match(await relay.send({ to: 'ann@x.test', content }), /^250 2\.0\.0 queued as /);
  await relay.log.logged('removed');
  const [message] = sink.messages;
  assert.deepEqual([message?.mail, message?.rcpts], ['<sender@origin.test>', ['ann@x.test']]);
  const text = message?.octets.toString() ?? '';
  assert.match(
    text,
    /^Received: from client\.test \(.*127\.0\.0\.1.*\)[\s\S]*by relay\.test[\s\S]*for <ann@x\.test>/,
  );
  assert.ok(text.endsWith('Subject: dots\r\n\r\n.one dot\r\nlast line\r\n'), text);
});

test('a domain without MX is reached at its own address', async (t) => {
  const sink = await sinkFor(t);
  const relay = await openRelay(t, await internet(t, { 'x.test': { A: ['127.0.0.1'] } }, sink));
  await relay.send({ to: 'ann@x.test' });
  await relay.log.logged('removed');
  assert.equal(sink.messages.length, 1);
});

test('a null MX bounces at once, without a connection', async (t) => {
  const sink = await sinkFor(t);
  const zone = {
    'x.test': { MX: [[0, '']] as const, A: ['127.0.0.1'] },
    'origin.test': { A: ['127.0.0.1'] },
  };
  const relay = await openRelay(t, await internet(t, zone, sink));
  await relay.send({ to: 'ann@x.test' });
  const [bounced] = await relay.log.logged('bounced');
  assert.match(String(bounced?.reply), /^55\d 5\.1\.10 /);
  await relay.log.logged('removed', {}, 2);
  assert.deepEqual(
    sink.messages.map(({ mail, rcpts }) => [mail, rcpts]),
    [['<>', ['sender@origin.test']]],
  );
});

test('the second exchanger takes what the first does not', async (t) => {
  const sink = await sinkFor(t);
  const zone = {
    'x.test': {
      MX: [
        [10, 'dead.x.test'],
        [20, 'mx.x.test'],
      ] as const,
    },
    'dead.x.test': { A: ['127.0.0.9'] },
    'mx.x.test': { A: ['127.0.0.1'] },
  };
  const relay = await openRelay(t, await internet(t, zone, sink));
  await relay.send({ to: 'ann@x.test' });
  const [delivered] = await relay.log.logged('delivered');
  assert.match(String(delivered?.relay), /^mx\.x\.test/);
});

test('a smart host that is down is replaced by the next one', async (t) => {
  const sink = await sinkFor(t);
  const down = await startSink();
  const { port } = down;
  await down[Symbol.asyncDispose]();
  const via = [`smtp://127.0.0.1:${port}`, `smtp://127.0.0.1:${sink.port}`];
  const relay = await openRelay(t, { routes: { via, tls: 'none' } });
  await relay.send({ to: ['ann@x.test', 'bob@y.test'] });
  await relay.log.logged('removed');
  assert.deepEqual(sink.messages[0]?.rcpts, ['ann@x.test', 'bob@y.test']);
});

test('LMTP answers for each recipient; one fails and the other has its mail', async (t) => {
  const sink = await sinkFor(t, {
    protocol: 'lmtp',
    answer: (command) => (command === '. <bob@ours.test>' ? '550 5.2.1 no more' : undefined),
  });
  const relay = await openRelay(t, {
    domains: { name: 'ours.test', deliver: `lmtp://127.0.0.1:${sink.port}` },
    routes: { to: '*', via: 'capture' },
  });
  await relay.send({ to: ['ann@ours.test', 'bob@ours.test'] });
  await relay.log.logged('delivered', { to: 'ann@ours.test' });
  await relay.log.logged('bounced', { to: 'bob@ours.test' });
  await relay.log.logged('bounce-sent');
});

test('a Maildir gets its mail, under the name without tag', async (t) => {
  const home = await testFolder(t);
  const relay = await openRelay(t, {
    domains: { name: 'ours.test', deliver: `maildir:${home}/{local}` },
  });
  await relay.send({ to: 'ann+shop@ours.test' });
  await relay.log.logged('delivered');
  const [file = ''] = await readdir(join(home, 'ann', 'new'));
  assert.match(await readFile(join(home, 'ann', 'new', file), 'utf8'), /^Return-Path: <sender@origin\.test>/);
});

test('what is captured stays here', async (t) => {
  const relay = await openRelay(t, { routes: { to: '*', via: 'capture' } });
  await relay.send({ to: ['ann@x.test', 'bob@y.test'] });
  const [delivered] = await relay.log.logged('delivered', {}, 2);
  const files = await readdir(join(relay.folder, 'capture'));
  assert.ok(files.includes(`${delivered?.queueId}.eml`), files.join());
});

test('a message that has come by too often is a loop, and nobody is told', async (t) => {
  const relay = await openRelay(t, { routes: { to: '*', via: 'capture' }, limits: { hops: 12 } });
  const hops = (count: number) => 'Received: by other.test; now\r\n'.repeat(count);
  const content = (count: number) => `${hops(count)}Subject: round\r\n\r\nand round\r\n`;
  assert.match(await relay.send({ to: 'ann@x.test', content: content(13) }), /^554 5\.4\.6 /);
  assert.match(await relay.send({ to: 'ann@x.test', content: content(11) }), /^250 /);
  await relay.log.logged('removed');
  assert.deepEqual(await relay.log.logged('bounce-sent', {}, 0), []);
});

test('a relay that is its own smart host ends the loop by itself', async (t) => {
  const folder = await testFolder(t);
  const first = await openRelay(t, { routes: { to: '*', via: 'capture' } }, { folder });
  const { port } = first;
  await first.stop();
  const relay = await openRelay(
    t,
    {
      listeners: { role: 'mx', address: `127.0.0.1:${port}` },
      routes: [
        { to: 'origin.test', via: 'capture' },
        { via: `smtp://127.0.0.1:${port}`, tls: 'none' },
      ],
      limits: { hops: 10 },
    },
    { folder },
  );
  await relay.send({ to: 'ann@x.test' });
  const [bounced] = await relay.log.logged('bounced');
  assert.match(String(bounced?.reply), /^554 5\.4\.6 /);
  await relay.log.logged('delivered', { to: 'sender@origin.test' });
});

test('mail to wide tags of an alias goes on by SMTP and LMTP, and leaves no connection behind', async (t) => {
  const aliases = join(await testFolder(t), 'aliases');
  await writeFile(aliases, 'info: ann\n');
  for (const protocol of ['smtp', 'lmtp'] as const) {
    const sink = await sinkFor(t, { protocol });
    const deliver = `${protocol}://127.0.0.1:${sink.port}`;
    const relay = await openRelay(t, {
      domains: [
        {
          name: 'ours.test',
          deliver,
          recipients: ['ann'],
          aliases,
          catchAll: 'ann@ours.test',
        },
      ],
    });
    for (const to of [
      'postmaster+ž1@ours.test',
      'info+ž2@ours.test',
      'nobodyž@ours.test',
      'ann+ž3@ours.test',
    ])
      assert.match(await relay.send({ to, mailParameters: ' SMTPUTF8' }), /^250 /);
    await relay.log.logged('removed', {}, 4);
    assert.equal(relay.log.lines.filter(({ event }) => event === 'deferred').length, 0);
    const rcpts = sink.commands.filter((line) => line.includes('RCPT'));
    assert.ok(
      rcpts.includes('1 RCPT TO:<ann@ours.test> ORCPT=utf-8;info\\x{2B}\\x{17E}2@ours.test'),
      rcpts.join(),
    );
    await relay.stop();
    await sink.empty();
  }
});
