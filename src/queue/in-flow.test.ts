import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Bench, gate, openBench, unavailable } from './testing.ts';

const lanes = { claimsPerLane: 10, patienceMs: 50 };

/** Sends this many at once; the result counts the accepted ones. */
function flood(bench: Bench, count: number, domain = 'x.test') {
  const flow = { accepted: 0, all: Promise.resolve<unknown>(undefined) };
  const sent = Array.from({ length: count }, async (_, i) => {
    await bench.send({ to: `u${i}@${domain}` });
    flow.accepted++;
  });
  flow.all = Promise.all(sent);
  return flow;
}

test('a message that finds its lane full is accepted as soon as there is room, and never read from disk', async () => {
  const { deliver, waiting, end } = gate();
  const bench = await openBench({ deliver, lanes });
  bench.faults.set('due', new Error('nothing may be looked for on disk') as never);
  const flow = flood(bench, 30);
  await bench.settle();
  assert.equal(flow.accepted, 10);
  end();
  await bench.settle();
  assert.equal(flow.accepted, 11);
  while (waiting.length > 0) {
    end();
    await bench.settle();
  }
  await flow.all;
  assert.equal(bench.spool.count(), 0);
  assert.deepEqual(bench.events('claim-failed'), []);
});

test('when waiting does not help, all that wait are accepted, and later ones do not wait', async () => {
  const { deliver, waiting, end } = gate();
  const bench = await openBench({ deliver, lanes });
  const flow = flood(bench, 30);
  await bench.settle();
  await bench.pass(49);
  assert.equal(flow.accepted, 10);
  await bench.pass(1);
  assert.equal(flow.accepted, 30);
  assert.equal(bench.spool.count(), 30);
  const later = flood(bench, 5);
  await bench.settle();
  assert.equal(later.accepted, 5);
  while (waiting.length > 0) {
    end();
    await bench.settle();
  }
  assert.equal(bench.attempts.length, 35);
  assert.equal(bench.spool.count(), 0);
});

test('each message waits for its own time, whoever was there before it', async () => {
  const { deliver, end, waiting } = gate();
  const bench = await openBench({ deliver, lanes });
  const first = flood(bench, 12);
  await bench.settle();
  await bench.pass(30);
  const second = flood(bench, 5);
  await bench.settle();
  await bench.pass(19);
  assert.deepEqual([first.accepted, second.accepted], [10, 0]);
  await bench.pass(1);
  assert.deepEqual([first.accepted, second.accepted], [12, 0]);
  await bench.pass(29);
  assert.equal(second.accepted, 0);
  await bench.pass(1);
  assert.equal(second.accepted, 5);
  while (waiting.length > 0) {
    end();
    await bench.settle();
  }
  assert.equal(bench.spool.count(), 0);
});

test('mail for other destinations does not wait', async () => {
  const { deliver } = gate();
  const bench = await openBench({ deliver, lanes });
  flood(bench, 30);
  await bench.settle();
  const other = flood(bench, 5, 'y.test');
  await bench.settle();
  assert.equal(other.accepted, 5);
  await bench.pass(50);
});

test('nothing waits for a destination that is left alone', async () => {
  const { deliver, waiting } = gate();
  const bench = await openBench({ deliver, lanes });
  const flow = flood(bench, 12);
  await bench.settle();
  while (waiting.length > 0) {
    const next = waiting.shift();
    next?.end(unavailable(next.attempt));
    await bench.settle();
  }
  await bench.pass(50);
  await flow.all;
  const later = flood(bench, 20);
  await bench.settle();
  assert.equal(later.accepted, 20);
});

test('a shutdown lets in what waits', async () => {
  const { deliver, waiting, end } = gate();
  const bench = await openBench({ deliver, lanes });
  const flow = flood(bench, 12);
  await bench.settle();
  const drained = bench.queue.drain(new AbortController().signal);
  await bench.pass(50);
  await flow.all;
  while (waiting.length > 0) {
    end();
    await bench.settle();
  }
  await drained;
  assert.equal(bench.spool.count() + bench.attempts.length, 12);
});
