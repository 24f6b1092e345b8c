import assert from 'node:assert/strict';
import { test } from 'node:test';
import { laneName } from '../mail/index.ts';
import { SpoolError } from '../spool/index.ts';
import {
  type Bench,
  corruptError,
  fullError,
  gate,
  ioError,
  openBench,
  result,
  statuses,
} from './testing.ts';

const minute = 60_000;

/** Every order of the numbers below `count`. */
function orders(count: number): number[][] {
  if (count === 0) return [[]];
  return orders(count - 1).flatMap((order) =>
    Array.from({ length: count }, (_, place) => order.toSpliced(place, 0, count - 1)),
  );
}

test('the lanes of a message end in every order, together or apart, and it is removed exactly once', async () => {
  for (const order of orders(4)) {
    for (const isTogether of [true, false]) {
      const { deliver, waiting } = gate();
      const bench = await openBench({ deliver });
      await bench.send({ to: ['a@1.test', 'b@2.test', 'c@3.test', 'd@4.test'] });
      await bench.settle();
      const all = waiting.splice(0);
      assert.equal(all.length, 4);
      for (const place of order) {
        const attempt = all[place];
        assert.ok(attempt !== undefined);
        attempt.end(result(attempt.attempt));
        if (!isTogether) await bench.settle();
      }
      await bench.settle();
      assert.equal(bench.spool.count(), 0, `${order} ${isTogether}`);
      assert.equal(bench.events('removed').length, 1, `${order} ${isTogether}`);
      assert.equal(bench.attempts.length, 4);
    }
  }
});

test('a message with one lane deferred stays until that has ended too', async () => {
  const bench = await openBench({
    deliver: (attempt) => result(attempt, attempt.lane === 'mx:late.test' ? 'pending' : 'delivered'),
  });
  const id = await bench.send({ to: ['a@1.test', 'b@late.test', 'c@3.test'] });
  await bench.settle();
  assert.deepEqual(
    bench.spool.entries(id).map(({ lane }) => lane),
    ['mx:late.test'],
  );
  bench.deliver = (attempt) => result(attempt);
  await bench.pass(5 * minute);
  assert.equal(bench.spool.count(), 0);
  assert.deepEqual(
    bench.dialled.filter((to) => to !== 'b@late.test'),
    ['a@1.test', 'c@3.test'],
  );
});

test('failures are told before the message is removed, and successes when they were asked for', async () => {
  const bench = await openBench({ deliver: (attempt) => result(attempt, ['failed', 'delivered']) });
  let atNotice = 0;
  bench.notify = async () => {
    atNotice = bench.spool.count();
  };
  await bench.send({ to: ['a@x.test', 'b@x.test'] });
  await bench.settle();
  assert.equal(atNotice, 1);
  assert.equal(bench.spool.count(), 0);
  assert.deepEqual([...(bench.notified[0]?.statuses.keys() ?? [])], [0, 1]);
  bench.deliver = (attempt) => result(attempt);
  await bench.send({ to: 'a@x.test' });
  await bench.send({ to: 'a@x.test', notify: ['success'] });
  await bench.settle();
  assert.equal(bench.notified.length, 2);
});

for (const error of [ioError, fullError]) {
  test(`a delivery that cannot be recorded (${error.code}) is not made again, but recorded when that works`, async () => {
    const bench = await openBench();
    bench.deliver = (attempt) => {
      bench.faults.set('update', error);
      return result(attempt);
    };
    const id = await bench.send({ to: 'a@x.test' });
    await bench.pass(3600_000, 10_000);
    assert.equal(bench.attempts.length, 1);
    assert.equal(bench.spool.count(), 1);
    assert.deepEqual(bench.events('end-not-recorded'), [{ queueId: id, because: error.message }]);
    bench.faults.clear();
    await bench.pass(60_000, 1000);
    assert.equal(bench.attempts.length, 1);
    assert.equal(bench.spool.count(), 0);
  });
}

test('a deferral that cannot be recorded is recorded later, and tried again after that', async () => {
  const bench = await openBench();
  bench.deliver = (attempt) => {
    bench.faults.set('update', fullError);
    return result(attempt, 'pending');
  };
  const id = await bench.send({ to: 'a@x.test' });
  await bench.pass(10_000, 1000);
  bench.faults.clear();
  bench.deliver = (attempt) => result(attempt);
  await bench.pass(60_000, 1000);
  assert.deepEqual(bench.spool.statuses(id).get(0), statuses.pending);
  assert.equal(bench.spool.entries(id)[0]?.begun, undefined);
  await bench.pass(5 * minute, minute);
  assert.equal(bench.spool.count(), 0);
});

test('while the spool takes no writes nothing is begun, and it goes on by itself', async () => {
  const { deliver, waiting, end } = gate();
  const bench = await openBench({ deliver, lanes: { concurrency: 1 } });
  for (let i = 0; i < 5; i++) await bench.send({ to: `u${i}@x.test` });
  await bench.settle();
  bench.faults.set('update', ioError);
  end();
  await bench.pass(60_000, 1000);
  assert.equal(bench.attempts.length, 1);
  bench.faults.clear();
  bench.deliver = (attempt) => result(attempt);
  await bench.pass(60_000, 1000);
  assert.equal(waiting.length, 0);
  assert.equal(bench.attempts.length, 5);
  assert.equal(bench.spool.count(), 0);
});

test('a claim that cannot be written is not dialled, is tried once a second, and nothing is lost', async () => {
  const bench = await openBench();
  for (let i = 0; i < 300; i++) await bench.spooled({ to: `u${i}@x.test` });
  bench.faults.set('update', fullError);
  bench.queue.wake(laneName('mx:x.test'), { all: false });
  await bench.pass(10_000, 1000);
  assert.equal(bench.attempts.length, 0);
  assert.ok(bench.events('claim-failed').length <= 11, String(bench.events('claim-failed').length));
  bench.faults.clear();
  await bench.pass(2000, 1000);
  assert.equal(bench.attempts.length, 300);
  assert.equal(bench.spool.count(), 0);
});

test('a spool that cannot be read when an alarm rings is read again later', async () => {
  const bench = await openBench();
  await bench.spooled({ to: 'a@x.test' }, { dueAt: bench.clock.now() + minute });
  await bench.queue.start();
  bench.faults.set('due', ioError);
  await bench.pass(minute);
  assert.equal(bench.events('claim-failed').length, 1);
  bench.faults.clear();
  await bench.pass(1000);
  assert.deepEqual(bench.dialled, ['a@x.test']);
});

test('a message that cannot be accepted was not, and its lane goes on', async () => {
  const bench = await openBench({ lanes: { claimsPerLane: 1 } });
  bench.faults.set('commit', fullError);
  for (let i = 0; i < 3; i++) await assert.rejects(bench.send({ to: 'a@x.test' }), { code: 'full' });
  bench.faults.clear();
  await bench.send({ to: 'b@x.test' });
  await bench.settle();
  assert.deepEqual(bench.dialled, ['b@x.test']);
});

test('a failure whose notice cannot be spooled now waits for it, and other mail goes on', async () => {
  const bench = await openBench({
    lanes: { concurrency: 1 },
    deliver: (attempt) => result(attempt, attempt.number === 1 ? 'failed' : 'delivered'),
  });
  let isFull = true;
  bench.notify = async () => {
    if (isFull) throw fullError;
  };
  await bench.send({ to: 'bad@x.test' });
  await bench.settle();
  bench.deliver = (attempt) => result(attempt);
  await bench.send({ to: 'good@x.test' });
  await bench.settle();
  assert.deepEqual(bench.dialled, ['bad@x.test', 'good@x.test']);
  assert.equal(bench.spool.count(), 1);
  isFull = false;
  await bench.pass(minute, 1000);
  assert.equal(bench.notified.length, 1);
  assert.equal(bench.attempts.length, 2);
  assert.equal(bench.spool.count(), 0);
});

test('a notice that cannot be made leaves its recipient pending, and what was delivered delivered', async () => {
  const bench = await openBench({ deliver: (attempt) => result(attempt, ['failed', 'delivered']) });
  bench.notify = async () => {
    throw new Error('no such thing');
  };
  await bench.send({ to: ['a@x.test', 'b@x.test'] });
  await bench.settle();
  assert.equal(bench.events('notification-failed').length, 1);
  await bench.pass(5 * minute);
  assert.deepEqual(bench.dialled, ['a@x.test b@x.test', 'a@x.test']);
});

test('octets that cannot be read hold the message loudly; a busy disk does not', async () => {
  for (const error of [corruptError, new SpoolError('missing', 'no octets')]) {
    const bench = await openBench();
    bench.faults.set('octets', error);
    const id = await bench.send({ to: 'a@x.test' });
    await bench.settle();
    assert.match(bench.spool.entries(id)[0]?.held ?? '', /^unreadable: /);
    assert.equal(
      bench.log.lines.filter(({ level, event }) => level === 'error' && event === 'held').length,
      1,
    );
    assert.equal(bench.attempts.length, 0);
  }
  const bench = await openBench();
  bench.faults.set('octets', ioError);
  const id = await bench.send({ to: 'a@x.test' });
  await bench.settle();
  assert.equal(bench.spool.entries(id)[0]?.held, undefined);
  bench.faults.clear();
  await bench.pass(1000);
  assert.deepEqual([bench.dialled, bench.attempts[0]?.number], [['a@x.test'], 1]);
});

test('an envelope that cannot be read is held and does not keep others from their turn', async () => {
  const bench = await openBench();
  const bad = await bench.spooled({ to: 'bad@x.test' });
  for (let i = 0; i < 20; i++) await bench.spooled({ to: `u${i}@x.test` });
  const { envelope } = bench.parts.spool;
  Object.assign(bench.parts.spool, {
    envelope: (id: typeof bad) => {
      if (id === bad) throw corruptError;
      return envelope(id);
    },
  });
  bench.queue.wake(laneName('mx:x.test'), { all: false });
  await bench.settle();
  assert.equal(bench.attempts.length, 20);
  assert.match(bench.spool.entries(bad)[0]?.held ?? '', /^unreadable: /);
  assert.equal(bench.spool.count(), 1);
});

test('octets found damaged while they are sent hold the message', async () => {
  const bench = await openBench();
  const { octets } = bench.parts.spool;
  Object.assign(bench.parts.spool, {
    octets: (id: Parameters<typeof octets>[0]) => {
      const stored = octets(id);
      return (
        stored && {
          size: stored.size,
          whole: undefined,
          chunks: () => broken(corruptError),
        }
      );
    },
  });
  bench.deliver = async (attempt) => {
    await assert.rejects(attempt.octets.chunks()[Symbol.asyncIterator]().next(), corruptError);
    return result(attempt, 'pending');
  };
  const id = await bench.send({ to: 'a@x.test' });
  await bench.settle();
  assert.match(bench.spool.entries(id)[0]?.held ?? '', /^unreadable: /);
});

async function drain(bench: Bench, signal: AbortSignal): Promise<void> {
  await bench.queue.drain(signal);
  await bench.background.drain();
}

test('a drain waits for attempts under way and gives the others back, due at once', async () => {
  const { deliver, waiting, end } = gate();
  const bench = await openBench({ deliver, lanes: { concurrency: 1 } });
  for (let i = 0; i < 10; i++) await bench.send({ to: `u${i}@x.test` });
  await bench.settle();
  const drained = drain(bench, new AbortController().signal);
  await bench.settle();
  end();
  await drained;
  assert.equal(waiting.length, 0);
  assert.equal(bench.spool.count(), 9);
  for (const id of bench.spool.walk()) {
    const [entry] = bench.spool.entries(id);
    assert.deepEqual([entry?.attempts, entry?.begun, entry?.dueAt], [0, undefined, bench.clock.now()]);
  }
  const second = await openBench({ after: bench });
  await second.settle();
  assert.equal(second.attempts.length, 9);
});

test('a drain in a hurry cuts attempts off; they are due at once when the relay is back', async () => {
  const bench = await openBench({ deliver: gate().deliver });
  await bench.send({ to: 'a@x.test' });
  await bench.settle();
  await drain(bench, AbortSignal.abort());
  const second = await openBench({ after: bench });
  await second.settle();
  assert.deepEqual(second.dialled, ['a@x.test']);
});

test('a drain does not wait for a spool that takes no writes', async () => {
  const bench = await openBench();
  bench.deliver = (attempt) => {
    bench.faults.set('update', ioError);
    return result(attempt);
  };
  await bench.send({ to: 'a@x.test' });
  await bench.settle();
  await drain(bench, AbortSignal.abort());
  assert.equal(bench.spool.count(), 1);
});

test('mail accepted during a drain stays on disk', async () => {
  const bench = await openBench();
  await drain(bench, new AbortController().signal);
  await bench.send({ to: 'a@x.test' });
  await bench.pass(minute);
  assert.equal(bench.attempts.length, 0);
  assert.equal(bench.spool.count(), 1);
});

// biome-ignore lint/correctness/useYield: it fails before there is anything to yield.
async function* broken(error: Error): AsyncGenerator<Buffer> {
  throw error;
}
