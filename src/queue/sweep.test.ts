import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Sweep } from './sweep.ts';
import { type Bench, corruptError, fullError, gate, openBench, result } from './testing.ts';

const hour = 3_600_000;
const day = 24 * hour;

async function deferring(retry: { warnAfterMs?: number; bounceMaxAgeMs?: number } = {}): Promise<Bench> {
  return await openBench({ deliver: (attempt) => result(attempt, 'pending'), retry });
}

async function sweeps(bench: Bench): Promise<void> {
  await new Sweep(bench.queue, bench.parts).run();
  await bench.settle();
}

test('a message expires after the longest time, with what was said about it last, and not before', async () => {
  const bench = await deferring();
  await bench.send({ to: ['a@x.test', 'b@x.test'] });
  await bench.pass(5 * day - 1, hour);
  await sweeps(bench);
  assert.equal(bench.spool.count(), 1);
  bench.clock.advance(1);
  await sweeps(bench);
  assert.equal(bench.spool.count(), 0);
  assert.equal(bench.notified.length, 1);
  const status = bench.notified[0]?.statuses.get(1);
  assert.ok(status?.status === 'failed' && status.expired === true);
  assert.deepEqual([status.reply.code, status.reply.lines], [451, ['later']]);
  assert.equal(bench.events('expired').length, 2);
});

test('a notification expires in its own time', async () => {
  const bench = await deferring({ bounceMaxAgeMs: day });
  await bench.send({ to: 'a@x.test', from: null });
  await bench.send({ to: 'b@x.test' });
  await bench.pass(day, hour);
  await sweeps(bench);
  assert.equal(bench.spool.count(), 1);
  assert.equal(bench.notified[0]?.envelope.reversePath, null);
});

test('held mail does not expire', async () => {
  const bench = await deferring();
  const id = await bench.send({ to: 'a@x.test' });
  await bench.settle();
  await bench.operator.hold(id, 'why');
  bench.clock.advance(30 * day);
  await sweeps(bench);
  assert.equal(bench.spool.count(), 1);
});

test('what is under way does not expire', async () => {
  const { deliver, end } = gate();
  const bench = await openBench({ deliver });
  await bench.send({ to: 'a@x.test' });
  await bench.settle();
  bench.clock.advance(6 * day);
  await sweeps(bench);
  assert.equal(bench.notified.length, 0);
  end();
  await bench.settle();
  assert.equal(bench.spool.count(), 0);
});

test('the sender is told of a delay once', async () => {
  const bench = await deferring({ warnAfterMs: 4 * hour });
  await bench.send({ to: ['a@x.test', 'b@y.test'] });
  await bench.pass(4 * hour - 1, hour);
  await sweeps(bench);
  assert.equal(bench.notified.length, 0);
  bench.clock.advance(1);
  for (let i = 0; i < 5; i++) {
    await sweeps(bench);
    await bench.pass(hour, hour);
  }
  assert.equal(bench.notified.length, 1);
  const event = bench.notified.at(0);
  assert.equal(event?.kind, 'delayed');
  assert.deepEqual(
    [...(event?.statuses.values() ?? [])].map(({ status }) => status),
    ['pending', 'pending'],
  );
  assert.equal(event?.retryUntil, (event?.envelope.receivedAt ?? 0) + 5 * day);
});

test('nobody is told of delays when that is turned off', async () => {
  const bench = await deferring({ warnAfterMs: 0 });
  await bench.send({ to: 'a@x.test' });
  await bench.pass(4 * day, hour);
  await sweeps(bench);
  assert.equal(bench.notified.length, 0);
});

test('what falls due while its sender is told of the delay is tried after that', async () => {
  const bench = await deferring({ warnAfterMs: 60_000 });
  const id = await bench.send({ to: 'a@x.test' });
  await bench.settle();
  bench.clock.advance(60_000);
  const told = Promise.withResolvers<void>();
  bench.notify = () => told.promise;
  const swept = new Sweep(bench.queue, bench.parts).run();
  await bench.pass(600_000, 60_000);
  assert.equal(bench.attempts.length, 1);
  told.resolve();
  await swept;
  await bench.settle();
  assert.equal(bench.attempts.length, 2);
  const [entry] = bench.spool.entries(id);
  assert.deepEqual([entry?.warned, entry?.attempts], [true, 2]);
});

test('two sweeps at once and an operator tell the sender once', async () => {
  const bench = await deferring();
  const id = await bench.send({ to: 'a@x.test' });
  await bench.settle();
  bench.clock.advance(6 * day);
  const sweep = new Sweep(bench.queue, bench.parts);
  await Promise.all([sweep.run(), sweep.run(), bench.operator.bounce(id)]);
  assert.equal(bench.notified.length, 1);
  assert.equal(bench.spool.count(), 0);
});

test('a damaged message does not keep the others from expiring', async () => {
  const bench = await deferring();
  const bad = await bench.send({ to: 'bad@x.test' });
  for (let i = 0; i < 3; i++) await bench.send({ to: `u${i}@x.test` });
  await bench.settle();
  // Attempts would end them too.
  await bench.queue.drain(new AbortController().signal);
  bench.clock.advance(6 * day);
  const { octets } = bench.parts.spool;
  Object.assign(bench.parts.spool, {
    octets: (id: typeof bad) => {
      if (id === bad) throw corruptError;
      return octets(id);
    },
  });
  await sweeps(bench);
  assert.deepEqual([...bench.spool.walk()], [bad]);
  assert.equal(bench.events('sweep-failed')[0]?.queueId, bad);
});

test('what was told of a delay is not walked again; what was under way is, and is told once', async () => {
  const { deliver, end } = gate();
  const bench = await deferring({ warnAfterMs: hour });
  for (let i = 0; i < 5; i++) await bench.send({ to: `u${i}@x.test` });
  await bench.settle();
  bench.deliver = deliver;
  const slow = await bench.send({ to: 'slow@y.test' });
  bench.clock.advance(1);
  await bench.settle();
  const sweep = new Sweep(bench.queue, bench.parts);
  const walked: unknown[] = [];
  const { entries } = bench.parts.spool;
  Object.assign(bench.parts.spool, {
    entries: (id: typeof slow) => {
      walked.push(id);
      return entries(id);
    },
  });
  const drained = bench.queue.drain(new AbortController().signal);
  bench.clock.advance(hour);
  await sweep.run();
  assert.equal(bench.notified.length, 5);
  walked.length = 0;
  await sweep.run();
  assert.deepEqual(walked, [slow]);
  end('pending');
  await drained;
  await bench.settle();
  for (let i = 0; i < 3; i++) await sweep.run();
  assert.equal(bench.notified.length, 6);
  walked.length = 0;
  await sweep.run();
  assert.deepEqual(walked, []);
});

test('a message that is due to be told of later is told of later', async () => {
  const bench = await deferring({ warnAfterMs: hour });
  const sweep = new Sweep(bench.queue, bench.parts);
  await bench.send({ to: 'a@x.test' });
  await bench.pass(hour, hour);
  await sweep.run();
  await bench.send({ to: 'b@x.test' });
  await sweep.run();
  assert.equal(bench.notified.length, 1);
  await bench.pass(hour, hour);
  await sweep.run();
  assert.equal(bench.notified.length, 2);
});

test('a sender who cannot be told of a delay now is told later', async () => {
  const bench = await deferring({ warnAfterMs: hour });
  const sweep = new Sweep(bench.queue, bench.parts);
  await bench.send({ to: 'a@x.test' });
  await bench.pass(hour, hour);
  bench.notify = () => Promise.reject(fullError);
  await sweep.run();
  assert.equal(bench.events('sweep-failed').length, 1);
  bench.notify = async () => {};
  await sweep.run();
  await sweep.run();
  assert.equal(bench.notified.length, 1);
});

test('a sweep comes a tenth of the shortest time later, a minute at most and a second at least', async () => {
  const seconds = async (retry: { maxAgeMs?: number; warnAfterMs?: number }) => {
    const bench = await openBench({ retry });
    return new Sweep(bench.queue, bench.parts).intervalMs / 1000;
  };
  assert.deepEqual(
    [await seconds({}), await seconds({ maxAgeMs: 60_000 }), await seconds({ warnAfterMs: 5000 })],
    [60, 6, 1],
  );
});

test('a sweep that is stopped ends after the message that it is at', async () => {
  const bench = await deferring({ warnAfterMs: hour });
  for (let i = 0; i < 5; i++) await bench.send({ to: `a${i}@x.test` });
  await bench.pass(hour + 1, 60_000);
  const sweep = new Sweep(bench.queue, bench.parts);
  bench.notify = async () => sweep.stop();
  await sweep.run();
  await bench.settle();
  assert.equal(bench.notified.length, 1);
});
