import assert from 'node:assert/strict';
import { test } from 'node:test';
import { laneName } from '../mail/index.ts';
import { retryDelay } from './entry.ts';
import { defaultRetry } from './options.ts';
import { gate, openBench, result } from './testing.ts';

const minute = 60_000;

test('the wait doubles from the shortest to the longest', () => {
  const delays = [1, 2, 3, 4, 5, 6, 100].map((attempts) => retryDelay(attempts, defaultRetry, () => 0.5));
  assert.deepEqual(delays, [300_000, 600_000, 1_200_000, 2_400_000, 4_000_000, 4_000_000, 4_000_000]);
});

test('the wait is spread by 15 % to both sides, in whole milliseconds', () => {
  assert.equal(
    retryDelay(1, defaultRetry, () => 0),
    255_000,
  );
  assert.equal(
    retryDelay(1, defaultRetry, () => 1 - Number.EPSILON),
    345_000,
  );
  for (let i = 0; i < 100; i++) {
    const delay = retryDelay(1 + (i % 7), defaultRetry, Math.random);
    assert.ok(Number.isInteger(delay) && delay >= 255_000 && delay <= 4_600_000, String(delay));
  }
});

test('a deferred message is tried again when it is due and not before, and longer apart each time', async () => {
  const bench = await openBench({ deliver: (attempt) => result(attempt, 'pending') });
  await bench.send({ to: 'a@x.test' });
  await bench.settle();
  assert.deepEqual(numbers(bench), [1]);
  await bench.pass(5 * minute - 1);
  assert.deepEqual(numbers(bench), [1]);
  await bench.pass(1);
  assert.deepEqual(numbers(bench), [1, 2]);
  await bench.pass(10 * minute - 1);
  assert.deepEqual(numbers(bench), [1, 2]);
  await bench.pass(1);
  assert.deepEqual(numbers(bench), [1, 2, 3]);
  assert.equal(bench.spool.count(), 1);
});

test('the last attempt is when the time runs out, and ends the message with what it was told', async () => {
  const retry = { maxAgeMs: 7 * minute, bounceMaxAgeMs: 6 * minute };
  const bench = await openBench({ deliver: (attempt) => result(attempt, ['pending', 'delivered']), retry });
  await bench.send({ to: ['a@x.test', 'b@x.test'] });
  await bench.send({ to: 'c@x.test', from: null });
  await bench.settle();
  await bench.pass(5 * minute);
  await bench.pass(minute);
  assert.deepEqual(
    bench.notified.map(({ envelope }) => envelope.reversePath),
    [null],
  );
  await bench.pass(minute - 1);
  assert.equal(bench.spool.count(), 1);
  await bench.pass(1);
  assert.equal(bench.spool.count(), 0);
  assert.deepEqual(numbers(bench), [1, 1, 2, 2, 3, 3]);
  const [, { statuses } = assert.fail()] = bench.notified;
  const status = statuses.get(0);
  assert.ok(status?.status === 'failed' && status.expired === true);
  assert.deepEqual([status.reply.code, statuses.size], [451, 1]);
  assert.equal(bench.events('expired').length, 2);
});

test('a message whose time runs out is not expired while it is held, nor by our own end', async () => {
  const { deliver, end } = gate();
  const bench = await openBench({ deliver, retry: { maxAgeMs: 7 * minute } });
  const held = await bench.send({ to: 'held@x.test' });
  const cut = await bench.send({ to: 'cut@x.test' });
  await bench.pass(8 * minute);
  await bench.operator.hold(held, 'why');
  end('pending');
  await bench.settle();
  assert.equal(bench.spool.entries(held)[0]?.held, 'why');
  await bench.queue.drain(AbortSignal.abort());
  await bench.background.drain();
  assert.equal(bench.spool.entries(cut)[0]?.dueAt, bench.clock.now());
  assert.equal(bench.notified.length, 0);
});

test('a message deferred later does not put off one that is due earlier in the same lane', async () => {
  const bench = await openBench({ deliver: (attempt) => result(attempt, 'pending') });
  await bench.send({ to: 'early@x.test' });
  await bench.settle();
  await bench.pass(4 * minute);
  await bench.send({ to: 'late@x.test' });
  await bench.pass(minute);
  assert.deepEqual(bench.dialled, ['early@x.test', 'late@x.test', 'early@x.test']);
});

test('what was deferred is delivered in the end and leaves nothing behind', async () => {
  let tries = 0;
  const bench = await openBench({
    deliver: (attempt) => result(attempt, ++tries < 3 ? 'pending' : 'delivered'),
  });
  const id = await bench.send({ to: 'a@x.test' });
  await bench.pass(20 * minute, minute);
  assert.equal(tries, 3);
  assert.equal(bench.spool.count(), 0);
  assert.deepEqual(
    bench.log.lines.filter(({ fields }) => fields.queueId === id).map(({ event }) => event),
    ['deferred', 'deferred', 'delivered', 'removed'],
  );
});

test('only the recipients that are still pending are tried again', async () => {
  const bench = await openBench();
  bench.deliver = (attempt) => result(attempt, ['delivered', 'pending', 'failed']);
  await bench.send({ to: ['a@x.test', 'b@x.test', 'c@x.test'] });
  await bench.settle();
  bench.deliver = (attempt) => result(attempt);
  await bench.pass(5 * minute);
  assert.deepEqual(bench.dialled, ['a@x.test b@x.test c@x.test', 'b@x.test']);
  assert.equal(bench.spool.count(), 0);
});

test('an attempt that takes longer than its lease is not begun a second time, and costs no time', async () => {
  const { deliver, end } = gate();
  const bench = await openBench({ deliver });
  await bench.send({ to: 'slow@x.test' });
  await bench.settle();
  await bench.pass(6 * minute, minute);
  let timers = 0;
  const after = bench.clock.after.bind(bench.clock);
  Object.assign(bench.clock, {
    after: (ms: number, callback: () => void) => {
      timers++;
      return after(ms, callback);
    },
  });
  bench.queue.wake(laneName('mx:x.test'), { all: false });
  await bench.pass(100, 1);
  assert.equal(bench.attempts.length, 1);
  assert.ok(timers < 5, `${timers} timers`);
  end();
  await bench.settle();
  assert.equal(bench.spool.count(), 0);
});

test('a restart keeps the schedule', async () => {
  const first = await openBench({ deliver: (attempt) => result(attempt, 'pending') });
  await first.send({ to: 'a@x.test' });
  await first.settle();
  await first.pass(minute);
  const second = await openBench({ after: first });
  await second.pass(4 * minute - 1);
  assert.deepEqual(second.dialled, []);
  await second.pass(1);
  assert.deepEqual(second.dialled, ['a@x.test']);
  assert.equal(second.attempts[0]?.number, 2);
});

test('an attempt that was under way when the process died is due at once', async () => {
  const first = await openBench({ deliver: gate().deliver });
  await first.send({ to: 'a@x.test' });
  await first.settle();
  const second = await openBench({ after: first });
  await second.settle();
  assert.deepEqual(second.dialled, ['a@x.test']);
  assert.deepEqual(second.events('attempts-interrupted'), [{ count: 1 }]);
});

test('a message whose third attempt was cut off too waits for its lease', async () => {
  let last = await openBench({ deliver: gate().deliver });
  await last.send({ to: 'a@x.test' });
  await last.settle();
  for (const expected of [2, 3]) {
    last = await openBench({ deliver: gate().deliver, after: last });
    await last.settle();
    assert.deepEqual(numbers(last), [expected]);
  }
  last = await openBench({ after: last });
  await last.pass(20 * minute - 1);
  assert.deepEqual(last.dialled, []);
  await last.pass(1);
  assert.deepEqual(numbers(last), [4]);
});

test('mail that is taken in while the start still looks for interrupted attempts is attempted once', async () => {
  const first = await openBench({ deliver: gate().deliver });
  await first.send({ to: 'old@x.test' });
  await first.settle();
  const second = await openBench({ after: first });
  second.deliver = gate().deliver;
  const starting = second.queue.start();
  await second.send({ to: 'new@x.test' });
  await starting;
  await second.settle();
  assert.equal(second.dialled.filter((to) => to === 'new@x.test').length, 1);
});

test('new retry times count from the next attempt on', async () => {
  const bench = await openBench({ deliver: (attempt) => result(attempt, 'pending') });
  const { options } = bench.queue;
  bench.queue.reload({ ...options, retry: { ...options.retry, minMs: 1000 } });
  await bench.send({ to: 'a@x.test' });
  await bench.settle();
  await bench.pass(1000);
  assert.equal(bench.attempts.length, 2);
});

function numbers(bench: Awaited<ReturnType<typeof openBench>>): readonly number[] {
  return bench.attempts.map(({ number }) => number);
}
