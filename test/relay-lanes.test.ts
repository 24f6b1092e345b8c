import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type SinkOptions, startSink } from '../src/delivery/testing.ts';
import type { Changed } from '../src/operation/commands.ts';
import { endings, openRelay } from './support/relay.ts';
import { until } from './support/server.ts';

const pipelining = ['PIPELINING', '8BITMIME', 'ENHANCEDSTATUSCODES'];

const servers: readonly (readonly [string, Partial<SinkOptions>])[] = [
  ['with PIPELINING', { keywords: pipelining }],
  ['with CHUNKING', { keywords: [...pipelining, 'CHUNKING'] }],
  ['without PIPELINING', { keywords: ['8BITMIME'] }],
];
for (const [name, options] of servers) {
  test(`a server ${name} that breaks off at some recipients gets the mail for the others at once`, async (t) => {
    const sink = await startSink({
      ...options,
      answer: (command) => (command.startsWith('RCPT TO:<bad') ? 'drop' : undefined),
    });
    endings(t).use(sink);
    const relay = await openRelay(t, { routes: { via: `smtp://127.0.0.1:${sink.port}`, tls: 'none' } });
    const to = Array.from({ length: 120 }, (_, i) => `${i < 60 || i % 2 === 0 ? 'bad' : 'good'}${i}@x.test`);
    for (let at = 0; at < to.length; at += 20) {
      await Promise.all(to.slice(at, at + 20).map((address) => relay.send({ to: address })));
    }
    const good = to.filter((address) => address.startsWith('good'));
    await relay.log.logged('delivered', {}, good.length);
    await relay.log.logged('deferred', {}, to.length - good.length);
    assert.deepEqual(sink.messages.flatMap(({ rcpts }) => rcpts).toSorted(), good.toSorted());
    assert.deepEqual(
      relay.log.lines.filter(({ event }) => event === 'lane-suspended'),
      [],
    );
  });
}

test('mail for a destination that is down says so in the list, and in what a flush tells', async (t) => {
  const relay = await openRelay(t, { routes: { via: 'smtp://127.0.0.1:1', tls: 'none' } });
  const control = relay.control;
  for (let i = 0; i < 4; i++) await relay.send({ to: `u${i}@x.test` });
  await relay.log.logged('lane-suspended');
  const why = /^451 4\.4\.1 /;
  const waiting = [];
  for await (const { id, recipients } of control.list({ selector: { match: {} } })) {
    waiting.push(id);
    assert.ok((recipients[0]?.suspended?.until ?? 0) > Date.now());
    assert.match(recipients[0]?.suspended?.reply ?? '', why);
  }
  assert.equal(waiting.length, 4);
  for (const selector of [{ match: {} }, { match: { to: 'x.test' } }]) {
    let told: Changed[] = [];
    // The result of the last attempt may not be in the queue yet; a message is skipped until then.
    await until(async () => {
      told = [];
      for await (const changed of control.change({ change: { verb: 'flush' }, selector })) told.push(changed);
      return told.length > waiting.length;
    });
    assert.deepEqual(told.slice(0, 4), waiting);
    const [note, ...more] = told.slice(4);
    assert.ok(typeof note === 'object' && more.length === 0, JSON.stringify(told));
    assert.ok(note.lane.startsWith('smtp:127.0.0.1:1'));
    assert.match(note.reply, why);
    assert.ok(note.until > Date.now());
  }
});
