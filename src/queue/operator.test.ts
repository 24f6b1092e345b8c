import assert from 'node:assert/strict';
import { test } from 'node:test';
import { laneName } from '../mail/index.ts';
import { address, type Bench, fullError, gate, openBench, result, unavailable } from './testing.ts';

const minute = 60_000;

/** A bench whose first attempts are deferred, so that messages wait on disk. */
async function deferring(): Promise<Bench> {
  return await openBench({ deliver: (attempt) => result(attempt, 'pending') });
}

test('flushing a lane tries everything in it once, whatever its due time', async () => {
  const bench = await deferring();
  for (let i = 0; i < 500; i++) await bench.send({ to: `u${i}@x.test` });
  await bench.send({ to: 'u@other.test' });
  await bench.settle();
  bench.clock.advance(1000);
  bench.attempts.length = 0;
  bench.operator.flushLane(laneName('mx:x.test'));
  await bench.pass(minute, 1000);
  assert.equal(bench.attempts.length, 500);
  assert.equal(new Set(bench.dialled).size, 500);
});

test('flushing everything tries every lane once, and what comes meanwhile too', async () => {
  const bench = await deferring();
  for (let i = 0; i < 50; i++) await bench.send({ to: `u@d${i}.test` });
  await bench.settle();
  bench.clock.advance(1000);
  bench.attempts.length = 0;
  bench.operator.flushLane();
  await bench.send({ to: 'new@d0.test' });
  await bench.pass(minute, 1000);
  assert.equal(bench.attempts.length, 51);
  assert.equal(new Set(bench.dialled).size, 51);
});

test('flushing a suspended lane probes it, and gives up again when the probe fails', async () => {
  const bench = await openBench({ deliver: unavailable });
  for (let i = 0; i < 20; i++) await bench.send({ to: `u${i}@x.test` });
  await bench.settle();
  bench.attempts.length = 0;
  bench.clock.advance(1000);
  bench.operator.flushLane(laneName('mx:x.test'));
  await bench.pass(minute, 1000);
  assert.equal(bench.attempts.length, 1);
  bench.deliver = (attempt) => result(attempt);
  bench.operator.flushLane(laneName('mx:x.test'));
  await bench.pass(minute, 1000);
  assert.equal(bench.spool.count(), 0);
});

test('a flush says which destinations turned out to take nothing, as soon as that is known', async () => {
  const { deliver, waiting } = gate();
  const bench = await openBench({ deliver: unavailable });
  for (let i = 0; i < 20; i++) await bench.send({ to: `u${i}@down.test` });
  await bench.send({ to: 'a@up.test' });
  await bench.settle();
  assert.equal(bench.operator.suspension(laneName('mx:up.test')), undefined);
  assert.match(
    bench.operator.suspension(laneName('mx:down.test'))?.because.lines[0] ?? '',
    /connection refused/,
  );
  bench.deliver = deliver;
  bench.clock.advance(1000);
  bench.operator.flushLane();
  await bench.settle();
  assert.equal(bench.operator.suspension(laneName('mx:down.test')), undefined);
  assert.equal(bench.operator.flushed().isOver, false);
  for (const { attempt, end } of waiting.splice(0)) {
    end(attempt.lane === 'mx:up.test' ? result(attempt, 'pending') : unavailable(attempt));
  }
  await bench.settle();
  const { isOver, suspended } = bench.operator.flushed();
  assert.deepEqual([isOver, [...suspended.keys()]], [true, ['mx:down.test']]);
  assert.equal(bench.operator.flushed(new Set([laneName('mx:up.test')])).suspended.size, 0);
});

test('flushing one message tries that one now', async () => {
  const bench = await deferring();
  const id = await bench.send({ to: 'a@x.test' });
  await bench.send({ to: 'b@x.test' });
  await bench.settle();
  bench.attempts.length = 0;
  assert.equal(await bench.operator.flush(id), 'done');
  await bench.settle();
  assert.deepEqual(bench.dialled, ['a@x.test']);
});

test('a held message is tried only when it is released', async () => {
  const bench = await deferring();
  const id = await bench.send({ to: 'a@x.test' });
  await bench.settle();
  assert.equal(await bench.operator.hold(id, 'looks odd'), 'done');
  await bench.pass(60 * minute, minute);
  assert.equal(bench.attempts.length, 1);
  assert.equal(bench.spool.entries(id)[0]?.held, 'looks odd');
  bench.deliver = (attempt) => result(attempt);
  assert.equal(await bench.operator.release(id), 'done');
  await bench.settle();
  assert.equal(bench.spool.count(), 0);
});

test('a message held while it waits in its lane is not dialled, and the next one is', async () => {
  const { deliver, waiting, end } = gate();
  const bench = await openBench({ deliver, lanes: { concurrency: 1 } });
  await bench.send({ to: 'first@x.test' });
  const id = await bench.send({ to: 'held@x.test' });
  await bench.send({ to: 'third@x.test' });
  await bench.settle();
  assert.equal(await bench.operator.hold(id, 'why'), 'done');
  end();
  await bench.settle();
  assert.deepEqual(bench.dialled, ['first@x.test', 'third@x.test']);
  assert.equal(waiting.length, 1);
});

test('holding what is under way holds what is left of it; a release takes that back', async () => {
  for (const isReleased of [false, true]) {
    const { deliver, end } = gate();
    const bench = await openBench({ deliver });
    const id = await bench.send({ to: ['a@x.test', 'b@x.test'] });
    await bench.settle();
    assert.equal(await bench.operator.hold(id, 'why'), 'done');
    if (isReleased) await bench.operator.release(id);
    end(['delivered', 'pending']);
    await bench.settle();
    assert.equal(bench.spool.entries(id)[0]?.held, isReleased ? undefined : 'why');
    assert.equal(bench.events('held').length, isReleased ? 0 : 1);
    assert.equal(bench.spool.statuses(id).get(0)?.status, 'delivered');
  }
});

test('a hold while the end of the attempt is on its way to disk counts', async () => {
  const { deliver, end } = gate();
  const bench = await openBench({ deliver });
  const id = await bench.send({ to: 'a@x.test' });
  await bench.settle();
  bench.faults.set('update', fullError);
  end('pending');
  await bench.settle();
  assert.equal(await bench.operator.hold(id, 'why'), 'done');
  bench.faults.clear();
  await bench.pass(minute, 1000);
  assert.equal(bench.spool.entries(id)[0]?.held, 'why');
});

test('a hold while the claim is on its way to disk counts', async () => {
  const bench = await openBench();
  const id = await bench.spooled({ to: 'a@x.test' });
  bench.queue.wake(laneName('mx:x.test'), { all: false });
  assert.equal(await bench.operator.hold(id, 'why'), 'done');
  await bench.settle();
  assert.deepEqual(bench.dialled, []);
  assert.equal(bench.spool.entries(id)[0]?.held, 'why');
});

test('a due message that is being changed is not claimed meanwhile', async () => {
  const bench = await openBench();
  const id = await bench.spooled({ to: 'a@x.test' });
  const held = bench.operator.hold(id, 'why');
  bench.queue.wake(laneName('mx:x.test'), { all: false });
  await held;
  await bench.settle();
  assert.deepEqual(bench.dialled, []);
  assert.equal(bench.spool.entries(id)[0]?.held, 'why');
});

test('a removed message is gone without a notice', async () => {
  const bench = await deferring();
  const id = await bench.send({ to: 'a@x.test' });
  await bench.settle();
  assert.equal(await bench.operator.remove(id), 'done');
  assert.equal(bench.spool.count(), 0);
  assert.equal(bench.notified.length, 0);
  assert.equal(await bench.operator.remove(id), 'unknown');
});

test('remove and redirect leave a message alone whose attempt is under way, and its other lanes too', async () => {
  const { deliver, waiting, end } = gate();
  const bench = await openBench({ deliver, lanes: { concurrency: 1 } });
  await bench.send({ to: 'first@y.test' });
  const id = await bench.send({ to: ['a@x.test', 'b@y.test'] });
  await bench.settle();
  assert.equal(waiting.length, 2);
  assert.equal(await bench.operator.remove(id), 'under-way');
  assert.equal(await bench.operator.redirect(id, [{ address: address('c@z.test') }]), 'under-way');
  while (waiting.length > 0) {
    end();
    await bench.settle();
  }
  assert.equal(bench.spool.count(), 0);
  assert.deepEqual(bench.dialled, ['first@y.test', 'a@x.test', 'b@y.test']);
});

test('releasing one lane of a message leaves its others in line', async () => {
  const { deliver, end } = gate();
  const bench = await openBench({ deliver, lanes: { concurrency: 1 } });
  await bench.send({ to: 'first@y.test' });
  const id = await bench.send({ to: ['a@x.test', 'b@y.test'] });
  await bench.settle();
  await bench.operator.hold(id, 'why');
  end('pending', 1);
  await bench.settle();
  await bench.operator.release(id);
  await bench.operator.release(id);
  end();
  await bench.settle();
  assert.ok(bench.dialled.includes('b@y.test'));
});

test('a bounce tells the sender now, of everybody who still waits, also of what is held', async () => {
  const bench = await openBench({ deliver: (attempt) => result(attempt, ['delivered', 'pending']) });
  const id = await bench.send({ to: ['a@x.test', 'b@x.test'] });
  await bench.settle();
  await bench.operator.hold(id, 'why');
  assert.equal(await bench.operator.bounce(id), 'done');
  assert.deepEqual([...(bench.notified[0]?.statuses.keys() ?? [])], [1]);
  assert.equal(bench.notified[0]?.statuses.get(1)?.status, 'failed');
  assert.equal(bench.spool.count(), 0);
  assert.equal(await bench.operator.bounce(id), 'unknown');
});

test('the sender reads why, on one line', async () => {
  const bench = await deferring();
  for (const because of ['', ' no \r\n\tsuch\0 user\u2028', 'x'.repeat(2000)]) {
    const id = await bench.send({ to: 'a@x.test' });
    await bench.settle();
    await bench.operator.bounce(id, because);
  }
  assert.deepEqual(
    bench.notified.flatMap(({ statuses }) => [...statuses.values()].map(({ reply }) => reply.lines)),
    [
      ['returned by the postmaster'],
      ['returned by the postmaster: no such user'],
      [`returned by the postmaster: ${'x'.repeat(500)}`],
    ],
  );
});

test('a bounce whose notification cannot be spooled changes nothing, and says nothing of a bounce', async () => {
  const bench = await deferring();
  const id = await bench.send({ to: 'a@x.test' });
  await bench.settle();
  bench.notify = () => Promise.reject(fullError);
  await assert.rejects(bench.operator.bounce(id), { code: 'full' });
  assert.deepEqual(bench.events('bounced'), []);
  bench.deliver = (attempt) => result(attempt);
  await bench.pass(5 * minute, minute);
  assert.equal(bench.spool.count(), 0);
  assert.equal(bench.events('delivered').length, 1);
});

test('a bounce while one lane is under way ends the others, and the message with the attempt', async () => {
  for (const isLate of [false, true]) {
    const { deliver, end } = gate();
    const bench = await openBench({ deliver });
    bench.deliver = (attempt) =>
      attempt.lane === 'mx:x.test' ? deliver(attempt, AbortSignal.any([])) : result(attempt, 'pending');
    const id = await bench.send({ to: ['a@x.test', 'b@y.test'] });
    await bench.settle();
    const bounced = bench.operator.bounce(id);
    if (isLate) assert.equal(await bounced, 'under-way');
    end();
    await bounced;
    await bench.settle();
    assert.deepEqual([...(bench.notified[0]?.statuses.keys() ?? [])], [1]);
    assert.equal(bench.spool.count(), 0, 'no orphan is left');
    assert.equal(bench.events('removed').length, 1);
  }
});

test('two bounces at once tell the sender once', async () => {
  const bench = await deferring();
  const id = await bench.send({ to: 'a@x.test' });
  await bench.settle();
  await Promise.all([bench.operator.bounce(id), bench.operator.bounce(id), bench.operator.remove(id)]);
  assert.equal(bench.notified.length, 1);
  assert.equal(bench.spool.count(), 0);
});

test('what is delivered but not yet recorded cannot be bounced, flushed or redirected', async () => {
  const bench = await openBench();
  bench.deliver = (attempt) => {
    bench.faults.set('update', fullError);
    return result(attempt);
  };
  const id = await bench.send({ to: 'a@x.test' });
  await bench.settle();
  assert.equal(await bench.operator.bounce(id), 'under-way');
  assert.equal(await bench.operator.flush(id), 'under-way');
  assert.equal(await bench.operator.redirect(id, [{ address: address('b@x.test') }]), 'under-way');
  bench.clock.advance(1);
  bench.operator.flushLane();
  bench.faults.clear();
  await bench.pass(minute, 1000);
  assert.equal(bench.attempts.length, 1);
  assert.equal(bench.notified.length, 0);
  assert.equal(bench.spool.count(), 0);
});

test('a redirect replaces the recipients that wait, keeps what was delivered, and fails like any other', async () => {
  const bench = await openBench({
    deliver: (attempt) => result(attempt, ['delivered', 'pending', 'pending']),
  });
  const id = await bench.send({ to: ['a@x.test', 'b@x.test', 'c@x.test'], notify: ['failure'] });
  await bench.settle();
  assert.equal(await bench.operator.redirect(id, [{ address: address('new@z.test') }]), 'done');
  assert.deepEqual(
    [...bench.spool.statuses(id)].map(([index, { status }]) => [index, status]),
    [
      [0, 'delivered'],
      [1, 'delivered'],
      [2, 'delivered'],
    ],
    'nobody is left whom a restart would look for',
  );
  bench.deliver = (attempt) => result(attempt, 'failed');
  await bench.settle();
  assert.deepEqual(bench.dialled, ['a@x.test b@x.test c@x.test', 'new@z.test']);
  assert.deepEqual([...(bench.notified[0]?.statuses.keys() ?? [])], [3]);
  assert.deepEqual(bench.notified[0]?.envelope.recipients[3]?.notify, ['failure']);
  assert.equal(bench.spool.count(), 0);
});

test('a held message can be redirected', async () => {
  const bench = await deferring();
  const id = await bench.send({ to: ['a@x.test', 'b@y.test'] });
  await bench.settle();
  await bench.operator.hold(id, 'why');
  bench.deliver = (attempt) => result(attempt);
  assert.equal(await bench.operator.redirect(id, [{ address: address('new@z.test') }]), 'done');
  await bench.settle();
  assert.equal(bench.dialled.at(-1), 'new@z.test');
  assert.equal(bench.spool.count(), 0);
});

test('what is not in the queue is unknown to every operation', async () => {
  const bench = await openBench();
  const id = await bench.send({ to: 'a@x.test' });
  await bench.settle();
  const { operator } = bench;
  assert.deepEqual(
    [
      await operator.hold(id, 'why'),
      await operator.release(id),
      await operator.flush(id),
      await operator.remove(id),
      await operator.bounce(id),
      await operator.redirect(id, [{ address: address('b@x.test') }]),
    ],
    Array(6).fill('unknown'),
  );
});

test('an operation that cannot be written says so and changes nothing', async () => {
  const bench = await deferring();
  const id = await bench.send({ to: 'a@x.test' });
  await bench.settle();
  bench.faults.set('update', fullError);
  await assert.rejects(bench.operator.hold(id, 'why'), { code: 'full' });
  await assert.rejects(bench.operator.remove(id), { code: 'full' });
  bench.faults.clear();
  bench.deliver = (attempt) => result(attempt);
  await bench.pass(5 * minute, minute);
  assert.equal(bench.spool.count(), 0);
});
