import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../base/index.ts';
import { type FaultPlan, faulty } from '../base/testing.ts';
import type { Resolver } from '../dns/index.ts';
import { createDelivery, type DeliveryOptions } from './index.ts';
import { attemptFor, recipientOf, type Sink, type SinkOptions } from './testing.ts';
import { fates, never, sinkFor } from './testing-bench.ts';

/** The exchangers of every domain. */
const resolver: Resolver = {
  lookup: async (_name, type) => {
    if (type === 'MX') return { kind: 'found', records: [{ preference: 10, exchange: 'a.test' }] } as never;
    if (type === 'A') return { kind: 'found', records: ['127.0.0.1'] } as never;
    return { kind: 'none', reason: 'nodata' };
  },
} as Resolver;

/** An 8-bit message to two recipients, one with an original recipient beyond ASCII. */
function attemptTo(lane: string) {
  const attempt = attemptFor(
    'Subject: x\r\nContent-Type: text/plain\r\n\r\n\xe4\r\n',
    ['a@d.test', 'b@d.test'],
    {
      lane,
      envelope: {
        recipients: [
          {
            ...recipientOf('a@d.test'),
            originalRecipient: { type: 'rfc822', address: 'postmaster+ž1@d.test' },
          },
          recipientOf('b@d.test'),
        ],
      },
    },
  );
  return attempt;
}

/** Sockets of the sink are counted after the pool has let go of its own: any that are left are lost. */
async function tryAtEachStep(sink: Sink, options: Partial<DeliveryOptions>, lane: string): Promise<number> {
  for (let at = 0; ; at++) {
    const plan: FaultPlan = { at, steps: 0 };
    const delivery = createDelivery(
      { hostname: 'relay.test', ownAddresses: [], refusePrivateMx: false, ...options },
      {
        resolver: faulty(resolver, plan),
        random: faulty(Math.random, plan),
        clock: faulty(systemClock, plan),
      },
    );
    const attempt = attemptTo(lane);
    const envelope = faulty(attempt.envelope, plan);
    const octets = faulty(attempt.octets, plan);
    const result = await delivery.deliver({ ...attempt, envelope, octets }, never);
    assert.equal(result.statuses.size, 2);
    const hasFailed = plan.steps > at;
    plan.at = -1;
    // After any fault, the lane is good for the next message.
    assert.deepEqual(fates(await delivery.deliver(attemptTo(lane), never)), [
      'delivered 250 0.0',
      'delivered 250 0.0',
    ]);
    await delivery[Symbol.asyncDispose]();
    await sink.empty();
    if (!hasFailed) return at;
  }
}

const sinks: readonly (SinkOptions & { readonly name: string })[] = [
  { name: 'a good server' },
  { name: 'a server without 8BITMIME and PIPELINING', keywords: ['DSN'] },
  { name: 'a server with CHUNKING', keywords: ['PIPELINING', 'CHUNKING', '8BITMIME', 'DSN'] },
];

for (const { name, ...options } of sinks) {
  test(`a fault at any step of an attempt loses no socket and no lane: ${name}`, async (t) => {
    const sink = await sinkFor(t, options);
    const route = { routes: [{ via: `smtp://127.0.0.1:${sink.port}` }] };
    assert.ok((await tryAtEachStep(sink, route, `smtp:127.0.0.1:${sink.port}`)) > 20);
    assert.ok((await tryAtEachStep(sink, { mxPort: sink.port }, 'mx:d.test')) > 20);
  });
}

test('an alias with a wide tag does not keep a message back, nor its connection open', async (t) => {
  const sink = await sinkFor(t);
  const delivery = createDelivery(
    { hostname: 'relay.test', routes: [{ via: `smtp://127.0.0.1:${sink.port}` }] },
    { resolver },
  );
  t.after(() => delivery[Symbol.asyncDispose]());
  const result = await delivery.deliver(attemptTo(`smtp:127.0.0.1:${sink.port}`), never);
  assert.deepEqual(fates(result), ['delivered 250 0.0', 'delivered 250 0.0']);
  assert.ok(
    sink.commands.includes('1 RCPT TO:<a@d.test> ORCPT=utf-8;postmaster\\x{2B}\\x{17E}1@d.test'),
    sink.commands.join('\n'),
  );
});

test('an envelope of the spool with a line end in it waits with a reason, and nothing of it is said', async (t) => {
  const sink = await sinkFor(t);
  const lane = `smtp:127.0.0.1:${sink.port}`;
  const delivery = createDelivery(
    { hostname: 'relay.test', routes: [{ via: `smtp://127.0.0.1:${sink.port}` }] },
    { resolver },
  );
  t.after(() => delivery[Symbol.asyncDispose]());
  const { address } = recipientOf('a@d.test');
  const bad = { ...address, text: 'a@d.test>\r\nRSET\r\nMAIL FROM:<evil@d.test' };
  const recipients = [{ address: bad }];
  const result = await delivery.deliver(
    attemptFor('x: y\r\n', ['a@d.test'], { lane, envelope: { recipients } }),
    never,
  );
  assert.deepEqual(fates(result), ['pending 451 3.0']);
  assert.match(result.statuses.get(0)?.reply.lines[0] ?? '', /RCPT would hold a control character/);
  assert.deepEqual(result.health, { kind: 'alive' });
  assert.deepEqual(sink.commands, ['1 EHLO relay.test']);
});
