import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type SinkOptions, startSink } from '../src/delivery/testing.ts';
import { endings, openRelay } from './support/relay.ts';

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
