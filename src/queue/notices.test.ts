import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gatherMs } from './notices.ts';
import { type Bench, fullError, gate, type Mail, openBench, result, statuses } from './testing.ts';

function recipients(bench: Bench): readonly number[] {
  return bench.notified.map(({ statuses }) => statuses.size);
}

/** A message whose attempts are all under way, and wait to be ended. */
async function underWay(mail: Mail) {
  const { deliver, end } = gate();
  const bench = await openBench({ deliver });
  const id = await bench.send(mail);
  await bench.settle();
  return { bench, id, end };
}

test('a thousand destinations that fail at about the same time make one notification', async () => {
  const bench = await openBench();
  bench.deliver = async (attempt) => {
    await new Promise<void>((resolve) => setImmediate(resolve));
    return result(attempt, 'failed');
  };
  await bench.send({ to: Array.from({ length: 1000 }, (_, i) => `u@d${i}.test`) });
  for (let i = 0; i < 40 && bench.spool.count() > 0; i++) await bench.settle();
  assert.deepEqual(recipients(bench), [1000]);
  assert.equal(bench.spool.count(), 0);
  assert.equal(bench.events('removed').length, 1);
});

test('the sender waits no longer than five seconds for a destination that takes its time', async () => {
  const { bench, end } = await underWay({ to: ['a@1.test', 'b@2.test', 'c@slow.test'] });
  end('failed');
  await bench.settle();
  await bench.pass(gatherMs - 1);
  end('failed');
  await bench.settle();
  assert.deepEqual(recipients(bench), []);
  await bench.pass(1);
  assert.deepEqual(recipients(bench), [2]);
  end('failed');
  await bench.settle();
  assert.deepEqual(recipients(bench), [2, 1]);
  assert.equal(bench.spool.count(), 0);
});

test('the sender is told as soon as nothing else of the message is on its way', async () => {
  const { bench, end } = await underWay({ to: ['a@1.test', 'b@2.test', 'c@3.test'] });
  end('failed');
  end('delivered');
  await bench.settle();
  assert.deepEqual(recipients(bench), []);
  end('pending');
  await bench.settle();
  assert.deepEqual(recipients(bench), [1]);
});

test('a crash while ends are gathered loses no notification', async () => {
  const { bench, end } = await underWay({ to: ['a@1.test', 'b@2.test'] });
  end('failed');
  await bench.settle();
  assert.deepEqual(recipients(bench), []);
  const second = await openBench({ after: bench, deliver: (attempt) => result(attempt, 'failed') });
  await second.settle();
  assert.deepEqual(recipients(second), [2]);
  assert.equal(second.spool.count(), 0);
});

test('what was delivered is on disk at once, also where a failure beside it waits to be told', async () => {
  const { bench, id, end } = await underWay({ to: ['ok@1.test', 'bad@1.test', 'slow@2.test'] });
  end(['delivered', 'failed']);
  await bench.settle();
  assert.deepEqual(recipients(bench), []);
  assert.deepEqual([...bench.spool.statuses(id)], [[0, statuses.delivered]]);
  const second = await openBench({ after: bench });
  await second.settle();
  assert.deepEqual(
    second.attempts.map((attempt) => attempt.recipients),
    [[1], [2]],
  );
});

test('a success that was asked for is told at once', async () => {
  const { bench, end } = await underWay({ to: ['ok@1.test', 'slow@2.test'], notify: ['success'] });
  end('delivered');
  await bench.settle();
  assert.deepEqual(recipients(bench), [1]);
});

test('a drain does not wait for more', async () => {
  const { bench, end } = await underWay({ to: ['a@1.test', 'b@2.test'] });
  end('failed');
  await bench.settle();
  await bench.queue.drain(AbortSignal.abort());
  await bench.background.drain();
  assert.deepEqual(recipients(bench), [1]);
  assert.equal([...bench.spool.lanes()].length, 1);
});

test('a notification that cannot be spooled now is waited for by all that it tells of', async () => {
  const bench = await openBench({ deliver: (attempt) => result(attempt, 'failed') });
  let faults = 2;
  bench.notify = async () => {
    if (faults-- > 0) throw fullError;
  };
  await bench.send({ to: ['a@1.test', 'b@2.test'] });
  await bench.pass(10_000, 1000);
  assert.deepEqual(recipients(bench), [2]);
  assert.equal(bench.attempts.length, 2);
  assert.equal(bench.spool.count(), 0);
});

test('who was told of before a crash is not tried again, nor told of again', async () => {
  const bench = await openBench({ deliver: gate().deliver });
  const id = await bench.send({ to: ['a@1.test', 'b@2.test'] });
  await bench.settle();
  await bench.spool.update([{ kind: 'status', id, recipient: 0, status: statuses.failed }]);
  const second = await openBench({ after: bench });
  await second.settle();
  assert.deepEqual(second.dialled, ['b@2.test']);
  assert.deepEqual(recipients(second), []);
  assert.equal(second.spool.count(), 0);
});
