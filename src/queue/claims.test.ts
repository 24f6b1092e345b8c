import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualClock, silentLog } from '../base/index.ts';
import { laneName } from '../mail/index.ts';
import { openMemorySpool } from '../spool/index.ts';
import { gate, openBench, result } from './testing.ts';
import { WakeUps } from './wake-up.ts';

test('one lane claims no more than its limit, however many wait on disk', async () => {
  const { deliver, waiting, end } = gate();
  const bench = await openBench({ deliver, lanes: { claimsPerLane: 150 } });
  for (let i = 0; i < 100_000; i++) await bench.spooled({ to: `u${i}@x.test` });
  const begun = () =>
    bench.spool
      .due(laneName('mx:x.test'), { until: Number.MAX_SAFE_INTEGER, limit: 200_000 })
      .filter((entry) => entry.begun === true).length;
  await bench.queue.start();
  await bench.settle();
  assert.ok(begun() <= 150, String(begun()));
  for (let i = 0; i < 500; i++) {
    if (waiting.length === 0) await bench.settle();
    end();
  }
  await bench.settle();
  assert.ok(begun() <= 150, String(begun()));
  assert.equal(bench.spool.count(), 99_500);
});

test('all lanes together claim no more than their limit, and every lane has its turn', async () => {
  const bench = await openBench({ lanes: { claims: 100, claimsPerLane: 10 } });
  for (let i = 0; i < 3000; i++) await bench.spooled({ to: `u@d${i}.test` });
  let most = 0;
  bench.deliver = async (attempt) => {
    const begun = [...bench.spool.lanes()].filter(({ dueAt }) => dueAt > bench.clock.now()).length;
    most = Math.max(most, begun);
    await new Promise<void>((resolve) => setImmediate(resolve));
    return result(attempt);
  };
  await bench.queue.start();
  for (let i = 0; i < 500 && bench.spool.count() > 0; i++) await bench.settle();
  assert.equal(bench.spool.count(), 0);
  assert.equal(new Set(bench.dialled).size, 3000);
  assert.equal(bench.attempts.length, 3000);
  assert.ok(most <= 100, String(most));
});

test('a lane that finds no room is woken when there is some, also when nothing of its own ends', async () => {
  const { deliver, waiting, end } = gate();
  const bench = await openBench({ deliver, lanes: { claims: 4, claimsPerLane: 4 } });
  for (let i = 0; i < 4; i++) await bench.send({ to: `u${i}@busy.test`, from: 'list@origin.test' });
  const to = Array.from({ length: 30 }, (_, i) => `u${i}@late.test`);
  await bench.send({ to, from: 'list@origin.test' });
  await bench.pass(10_000, 1000);
  assert.equal(waiting.length, 4);
  end();
  await bench.settle();
  assert.equal(bench.attempts.at(-1)?.lane, 'mx:late.test');
});

test('entries of one message share its envelope in memory', async () => {
  const bench = await openBench({ deliver: gate().deliver });
  await bench.spooled({ to: Array.from({ length: 100 }, (_, i) => `u@d${i}.test`) });
  await bench.queue.start();
  await bench.settle();
  assert.equal(bench.attempts.length, 100);
  assert.equal(new Set(bench.attempts.map(({ envelope }) => envelope)).size, 1);
});

test('more lanes than the alarm remembers are all woken in their time', async () => {
  const bench = await openBench();
  const now = bench.clock.now();
  for (let i = 0; i < 12_000; i++) {
    await bench.spooled({ to: `u@d${i}.test` }, { dueAt: now + 3_600_000 + i });
  }
  for (let i = 0; i < 50; i++) await bench.spooled({ to: `soon@s${i}.test` }, { dueAt: now + 1000 });
  await bench.queue.start();
  await bench.pass(12_000, 1000);
  assert.equal(bench.dialled.filter((to) => to.startsWith('soon')).length, 50);
  assert.equal(bench.attempts.length, 50);
  await bench.pass(3_600_000, 300_000);
  for (let i = 0; i < 20; i++) await bench.pass(10_000);
  assert.equal(bench.spool.count(), 0);
  assert.equal(bench.attempts.length, 12_050);
});

test('lanes that were left out do not make the alarm read the spool again and again', async () => {
  const clock = manualClock();
  await using spool = await openMemorySpool({ clock });
  let scans = 0;
  const lanes = Array.from({ length: 20_000 }, (_, i) => ({ lane: `l${i}`, dueAt: clock.now() + 1000 + i }));
  const counting = Object.assign(Object.create(spool), {
    *lanes() {
      scans++;
      yield* lanes;
    },
  });
  const parts = { clock, spool: counting, log: silentLog, hasRoom: () => true, wake: () => {} };
  const alarm = new WakeUps(parts);
  alarm.scan();
  for (let i = 0; i < 60; i++) clock.advance(1000);
  assert.ok(scans >= 2 && scans <= 8, String(scans));
  alarm.stop();
});

test('an alarm without room waits until it is told, without a timer', () => {
  const clock = manualClock();
  const rung: string[] = [];
  let room = 0;
  const parts = { clock, log: silentLog, hasRoom: () => room > 0 };
  const spool = { lanes: () => [] } as never;
  const alarm = new WakeUps({ ...parts, spool, wake: (lane) => rung.push(lane) && room-- });
  for (const lane of ['a', 'b', 'c'] as const)
    alarm.set(laneName(lane), clock.now() + { a: 2, b: 1, c: 3 }[lane]);
  clock.advance(100);
  assert.deepEqual(rung, []);
  room = 2;
  alarm.poke();
  assert.deepEqual(rung, ['b', 'a']);
  clock.advance(100);
  room = 1;
  alarm.poke();
  assert.deepEqual(rung, ['b', 'a', 'c']);
});

test('lanes that have nothing to do are forgotten', async () => {
  const bench = await openBench();
  for (let i = 0; i < 25_000; i++) await bench.send({ to: `u@d${i}.test` });
  await bench.settle();
  assert.ok([...bench.queue.lanes].length <= 10_001);
});
