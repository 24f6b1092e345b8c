import assert from 'node:assert/strict';
import { test } from 'node:test';
import { recoverLane } from '../spool/index.ts';
import { type Bench, gate, openBench, result, unavailable } from './testing.ts';

const minute = 60_000;

function lanesOf(bench: Bench): readonly string[] {
  return bench.attempts.map(({ lane, recipients }) => `${lane} ${recipients.join(',')}`).toSorted();
}

test('when the routes have changed recipients go where they go now, once each', async () => {
  const bench = await openBench();
  bench.laneOf = ({ domain }) => (domain === 'new.test' ? 'smtp:new' : 'smtp:old');
  await bench.spooled({ to: ['a@1.test', 'b@2.test', 'c@new.test'] });
  bench.reroute(({ domain }) => (domain === 'new.test' ? 'smtp:new' : `mx:${domain}`));
  await bench.queue.start();
  await bench.settle();
  assert.deepEqual(lanesOf(bench), ['mx:1.test 0', 'mx:2.test 1', 'smtp:new 2']);
  assert.equal(bench.spool.count(), 0);
});

test('a changed route counts although others still lead to the old lane', async () => {
  const bench = await openBench({
    laneOf: () => 'smtp:old',
    deliver: (attempt) => result(attempt, 'pending'),
  });
  await bench.send({ to: 'stays@x.test' });
  await bench.send({ to: 'moves@y.test' });
  await bench.settle();
  bench.reroute(({ domain }) => (domain === 'y.test' ? 'smtp:new' : 'smtp:old'));
  bench.attempts.length = 0;
  bench.deliver = (attempt) => result(attempt);
  await bench.pass(5 * minute);
  assert.deepEqual(lanesOf(bench), ['smtp:new 0', 'smtp:old 0']);
  assert.deepEqual(bench.events('rerouted'), [
    {
      queueId: bench.attempts.find(({ lane }) => lane === 'smtp:new')?.id,
      relay: 'smtp:old',
      lanes: ['smtp:new'],
    },
  ]);
});

test('of an entry that is routed to several lanes now, what stays keeps its count of attempts', async () => {
  const bench = await openBench({ laneOf: () => 'smtp:old' });
  bench.deliver = (attempt) => result(attempt, ['pending', 'delivered', 'pending']);
  await bench.send({ to: ['a@stays.test', 'b@stays.test', 'c@moves.test'] });
  await bench.settle();
  bench.reroute(({ domain }) => (domain === 'moves.test' ? 'smtp:new' : 'smtp:old'));
  bench.attempts.length = 0;
  bench.deliver = (attempt) => result(attempt);
  await bench.pass(5 * minute);
  assert.deepEqual(lanesOf(bench), ['smtp:new 2', 'smtp:old 0']);
  assert.deepEqual(bench.attempts.map(({ lane, number }) => [lane, number]).toSorted(), [
    ['smtp:new', 1],
    ['smtp:old', 2],
  ]);
  assert.equal(bench.spool.count(), 0);
});

test('a new route takes what still waits in line for the old one', async () => {
  const { deliver, end } = gate();
  const bench = await openBench({ deliver, lanes: { concurrency: 1 } });
  await bench.send({ to: 'first@x.test' });
  await bench.send({ to: 'second@x.test' });
  await bench.settle();
  bench.reroute(() => 'smtp:new');
  end();
  await bench.settle();
  end();
  await bench.settle();
  assert.deepEqual(lanesOf(bench), ['mx:x.test 0', 'smtp:new 0']);
  assert.equal(bench.spool.count(), 0);
});

test('a flush after a change of routes moves what waits for a suspended lane', async () => {
  const bench = await openBench({ deliver: unavailable });
  for (let i = 0; i < 20; i++) await bench.send({ to: `u${i}@x.test` });
  await bench.settle();
  bench.deliver = (attempt) => (attempt.lane === 'smtp:new' ? result(attempt) : unavailable(attempt));
  bench.reroute(() => 'smtp:new');
  bench.clock.advance(1);
  bench.operator.flushLane();
  await bench.pass(10_000, 1000);
  assert.equal(bench.spool.count(), 0);
});

test('what a new message is assigned to is not looked up twice', async () => {
  const bench = await openBench();
  let count = 0;
  bench.laneOf = ({ domain }) => `mx:${domain}:${count++ > 0}`;
  await bench.send({ to: 'a@x.test' });
  await bench.settle();
  assert.equal(count, 1);
});

test('two lanes of a message that are routed anew at once lose none of their recipients', async () => {
  const bench = await openBench();
  const to = Array.from({ length: 6 }, (_, i) => `u${i}@${i}.test`);
  await bench.spooled({ to });
  bench.reroute(({ domain }) => `smtp:${domain}`);
  await bench.queue.start();
  await bench.pass(10_000, 1000);
  assert.deepEqual(bench.dialled.toSorted(), to);
  assert.equal(bench.spool.count(), 0);
});

test('recipients whose lane was lost are routed again', async () => {
  const bench = await openBench({ laneOf: () => recoverLane });
  await bench.spooled({ to: 'a@x.test' });
  bench.reroute(({ domain }) => `mx:${domain}`);
  await bench.queue.start();
  await bench.settle();
  assert.deepEqual(lanesOf(bench), ['mx:x.test 0']);
});
