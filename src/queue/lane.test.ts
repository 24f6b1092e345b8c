import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Bench, brokenOff, gate, openBench, result, throttled, unavailable } from './testing.ts';

const minute = 60_000;

async function sendMany(bench: Bench, count: number, domain = 'x.test') {
  await Promise.all(Array.from({ length: count }, (_, i) => bench.send({ to: `u${i}@${domain}` })));
}

function lane(bench: Bench, name = 'mx:x.test') {
  const found = [...bench.queue.lanes].find((known) => known.name === name);
  assert.ok(found !== undefined, name);
  return found;
}

test('a destination is begun with five attempts at once and opened by one with each success', async () => {
  const { deliver, waiting, end } = gate();
  const bench = await openBench({ deliver });
  await sendMany(bench, 50);
  await bench.settle();
  assert.equal(waiting.length, 5);
  end();
  await bench.settle();
  assert.equal(waiting.length, 6);
  for (let i = 0; i < 30; i++) {
    end();
    await bench.settle();
  }
  assert.equal(bench.maxActive, 20);
});

test('the concurrency is never above the cap, and a cap below five is kept from the start', async () => {
  for (const concurrency of [1, 3, 7]) {
    const bench = await openBench({ lanes: { concurrency } });
    bench.deliver = async (attempt) => {
      await new Promise<void>((resolve) => setImmediate(resolve));
      return result(attempt);
    };
    await sendMany(bench, 60);
    for (let i = 0; i < 40; i++) await bench.settle();
    assert.equal(bench.maxActive, concurrency);
    assert.equal(bench.spool.count(), 0);
  }
});

test('all lanes together have a limit too', async () => {
  const { deliver, waiting, end } = gate();
  const bench = await openBench({ deliver, lanes: { total: 8 } });
  for (const name of ['a', 'b', 'c', 'd']) await sendMany(bench, 5, `${name}.test`);
  await bench.settle();
  assert.equal(waiting.length, 8);
  while (waiting.length > 0) {
    end();
    await bench.settle();
    assert.ok(waiting.length <= 8);
  }
  assert.equal(bench.spool.count(), 0);
});

test('the concurrency halves when the destination asks for less, down to one and no lower', async () => {
  const { deliver, waiting } = gate();
  const bench = await openBench({ deliver });
  await sendMany(bench, 20);
  await bench.settle();
  const values: number[] = [];
  for (let i = 0; i < 4; i++) {
    const [next] = waiting.splice(0, 1);
    assert.ok(next !== undefined);
    next.end(throttled(next.attempt));
    await bench.settle();
    values.push(lane(bench).concurrency);
  }
  assert.deepEqual(values, [2, 1, 1, 1]);
  assert.equal(lane(bench).health.kind, 'alive');
});

test('sessions lost to messages narrow a lane to its first concurrency, and never suspend it', async () => {
  const { deliver, waiting, end } = gate();
  const bench = await openBench({ deliver });
  await sendMany(bench, 80);
  await bench.settle();
  for (let i = 0; i < 30; i++) {
    end();
    await bench.settle();
  }
  assert.equal(lane(bench).concurrency, 20);
  const values: number[] = [];
  for (let i = 0; i < 8; i++) {
    const [next] = waiting.splice(0, 1);
    assert.ok(next !== undefined);
    next.end(brokenOff(next.attempt));
    await bench.settle();
    values.push(lane(bench).concurrency);
  }
  assert.deepEqual(values, [10, 5, 5, 5, 5, 5, 5, 5]);
  assert.equal(lane(bench).health.kind, 'alive');
});

test('a session lost by the probe of a lane neither opens nor suspends it', async () => {
  const bench = await openBench({ deliver: unavailable });
  await sendMany(bench, 10);
  await bench.settle();
  bench.deliver = (attempt) =>
    attempt.envelope.recipients[0]?.address.text === 'good@x.test' ? result(attempt) : brokenOff(attempt);
  await bench.spooled({ to: 'good@x.test' });
  await bench.pass(5 * minute, minute);
  assert.deepEqual(bench.events('lane-suspended').length, 1);
  assert.equal(bench.spool.count(), 10);
});

test('three failures in a row suspend a destination; nothing is dialled while it is suspended', async () => {
  const bench = await openBench({ deliver: unavailable, lanes: { concurrency: 1 } });
  await sendMany(bench, 10);
  await bench.settle();
  assert.equal(bench.attempts.length, 3);
  const [suspended] = bench.events('lane-suspended');
  assert.deepEqual([suspended?.relay, suspended?.untilMs], ['mx:x.test', 5 * minute]);
  await bench.send({ to: 'new@x.test' });
  await bench.pass(5 * minute - 1, minute);
  assert.equal(bench.attempts.length, 3);
  assert.equal(bench.spool.count(), 11);
  const [deferred] = bench.events('deferred').filter(({ to }) => to === 'new@x.test');
  assert.match(String(deferred?.reply), /^451 4\.4\.1 delivery suspended: .*connection refused/);
});

test('a suspended destination is probed with one message, and given up for longer when that fails', async () => {
  const bench = await openBench({ deliver: unavailable });
  await sendMany(bench, 50);
  await bench.settle();
  const before = bench.attempts.length;
  assert.equal(before, 5);
  await bench.pass(5 * minute, minute);
  assert.equal(bench.attempts.length, before + 1);
  await bench.pass(10 * minute - 1, minute);
  assert.equal(bench.attempts.length, before + 1);
  await bench.pass(1);
  assert.equal(bench.attempts.length, before + 2);
  assert.deepEqual(
    bench.events('lane-suspended').map(({ untilMs }) => untilMs),
    [5 * minute, 10 * minute, 20 * minute],
  );
});

test('a success between failures keeps a destination alive', async () => {
  let attempts = 0;
  const bench = await openBench({
    lanes: { concurrency: 1 },
    deliver: (attempt) => (++attempts % 3 === 0 ? result(attempt) : unavailable(attempt)),
  });
  await sendMany(bench, 30);
  await bench.settle();
  assert.equal(bench.attempts.length, 30);
  assert.deepEqual(bench.events('lane-suspended'), []);
});

test('when the destination is back everything for it is delivered, once each', async () => {
  const bench = await openBench({ deliver: unavailable, lanes: { claimsPerLane: 50 } });
  await sendMany(bench, 1000);
  await bench.settle();
  assert.ok(bench.attempts.length <= 5);
  bench.attempts.length = 0;
  bench.deliver = (attempt) => result(attempt);
  await bench.pass(5 * minute, minute);
  assert.equal(bench.spool.count(), 0);
  assert.equal(new Set(bench.dialled).size, 1000);
  assert.equal(bench.attempts.length, 1000);
});

test('a probe under way is alone until it has succeeded', async () => {
  const bench = await openBench({ deliver: unavailable });
  await sendMany(bench, 50);
  await bench.settle();
  const { deliver, waiting, end } = gate();
  bench.deliver = deliver;
  await bench.pass(5 * minute, minute);
  assert.equal(waiting.length, 1);
  end();
  await bench.settle();
  assert.equal(waiting.length, 2);
});

test('a claim on its way to disk when its destination is suspended is not dialled', async () => {
  const { deliver, waiting } = gate();
  const bench = await openBench({ deliver, lanes: { concurrency: 1 } });
  await sendMany(bench, 3);
  await bench.settle();
  for (let i = 0; i < 3; i++) {
    const [next] = waiting.splice(0, 1);
    assert.ok(next !== undefined);
    const accepted = i === 2 ? bench.send({ to: 'late@x.test' }) : undefined;
    next.end(unavailable(next.attempt));
    await accepted;
    await bench.settle();
  }
  assert.equal(waiting.length, 0);
  await bench.pass(5 * minute, minute);
  assert.equal(waiting.length, 1);
});

test('other destinations go on while one is suspended', async () => {
  const bench = await openBench({
    deliver: (attempt) => (attempt.lane === 'mx:dead.test' ? unavailable(attempt) : result(attempt)),
  });
  await sendMany(bench, 20, 'dead.test');
  await sendMany(bench, 20, 'alive.test');
  await bench.settle();
  assert.equal(bench.spool.count(), 20);
});
