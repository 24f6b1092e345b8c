/** Tests of attempts that begin behind the content of another and share its place. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Bench, gate, ioError, openBench, result, throttled, unavailable } from './testing.ts';

async function sendMany(bench: Bench, names: readonly string[], from?: string) {
  for (const name of names) await bench.send({ to: `${name}@x.test`, ...(from !== undefined && { from }) });
  await bench.settle();
}

/** A queue with one attempt at a time and this mail, of which the first is under way. */
async function benchWith(names: readonly string[], lanes = {}) {
  const { deliver, waiting, end } = gate();
  const bench = await openBench({ deliver, lanes: { concurrency: 1, ...lanes } });
  await sendMany(bench, names);
  return { bench, waiting, end };
}

const dialled = ({ dialled: all }: Bench) => all.map((text) => text.split('@')[0]);

test('the next attempt of the lane begins within the call, and has the place when the first ends', async () => {
  const { bench, waiting, end } = await benchWith(['a', 'b', 'c', 'd']);
  assert.deepEqual(dialled(bench), ['a']);
  waiting[0]?.attempt.follow?.();
  assert.deepEqual(dialled(bench), ['a', 'b']);
  end();
  await bench.settle();
  assert.deepEqual(dialled(bench), ['a', 'b'], 'its place is taken');
  waiting[0]?.attempt.follow?.();
  assert.deepEqual(dialled(bench), ['a', 'b', 'c']);
  end();
  end();
  await bench.settle();
  assert.deepEqual(dialled(bench), ['a', 'b', 'c', 'd'], 'the place is free');
  end();
  await bench.settle();
  assert.equal(bench.spool.count(), 0);
});

test('one that ends before the one that it follows frees no place', async () => {
  const { bench, waiting, end } = await benchWith(['a', 'b', 'c']);
  waiting[0]?.attempt.follow?.();
  end('delivered', 1);
  await bench.settle();
  assert.deepEqual(dialled(bench), ['a', 'b']);
  end();
  await bench.settle();
  assert.deepEqual(dialled(bench), ['a', 'b', 'c']);
});

test('concurrency counts places: each of them may have one that follows', async () => {
  const { bench, waiting, end } = await benchWith(['a', 'b', 'c', 'd', 'e', 'f', 'g'], { concurrency: 3 });
  assert.equal(waiting.length, 3);
  for (const { attempt } of [...waiting]) attempt.follow?.();
  assert.equal(bench.maxActive, 6);
  for (let i = 0; i < 3; i++) end();
  await bench.settle();
  assert.equal(waiting.length, 3, 'those that followed have the places');
  end();
  await bench.settle();
  assert.equal(waiting.length, 3);
  assert.equal(bench.attempts.length, 7);
});

test('a message that was removed meanwhile does not follow, and the one behind it does', async () => {
  const { bench, waiting } = await benchWith(['a']);
  const id = await bench.send({ to: 'b@x.test' });
  await sendMany(bench, ['c']);
  await bench.operator.remove(id);
  waiting[0]?.attempt.follow?.();
  assert.deepEqual(dialled(bench), ['a', 'c']);
});

test('one that follows is held after its attempt, and never removed under way, as any other', async () => {
  const { bench, waiting, end } = await benchWith(['a']);
  const id = await bench.send({ to: 'b@x.test' });
  await bench.settle();
  waiting[0]?.attempt.follow?.();
  assert.equal(bench.queue.claims.isUnderWay(id, 0), true);
  assert.equal(bench.queue.claims.holdAfterAttempt(id, 0, { because: 'wait', portion: undefined }), true);
  end();
  end('pending');
  await bench.settle();
  assert.deepEqual(
    bench.spool.entries(id).map(({ held }) => held),
    ['wait'],
  );
});

const nothing: readonly (readonly [string, (bench: Bench) => void | Promise<void>])[] = [
  ['the relay drains', (bench) => void bench.queue.drain(new AbortController().signal)],
  [
    'the spool takes no writes',
    (bench) => {
      bench.faults.set('update', ioError);
    },
  ],
];

for (const [name, arrange] of nothing) {
  test(`nothing follows while ${name}`, async () => {
    const { bench, waiting } = await benchWith(['a', 'b', 'c']);
    await arrange(bench);
    await bench.settle();
    waiting[0]?.attempt.follow?.();
    await bench.settle();
    assert.deepEqual(dialled(bench), ['a']);
  });
}

test('nothing follows to a destination that asked for less, until its places are no more than it bears', async () => {
  const { deliver, waiting, end } = gate();
  const bench = await openBench({ deliver, lanes: { concurrency: 4 } });
  await sendMany(bench, ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']);
  const [first] = waiting.splice(0, 1);
  first?.end(throttled(first.attempt));
  await bench.settle();
  // Three have places, and two is what it bears now.
  waiting[0]?.attempt.follow?.();
  assert.equal(bench.attempts.length, 4);
  // The success opens it to three.
  end();
  await bench.settle();
  assert.equal(bench.attempts.length, 5);
  waiting[0]?.attempt.follow?.();
  assert.equal(bench.attempts.length, 6);
});

test('nothing follows where nothing waits', async () => {
  const { bench, waiting, end } = await benchWith(['a']);
  waiting[0]?.attempt.follow?.();
  end();
  await bench.settle();
  assert.deepEqual([dialled(bench), bench.spool.count()], [['a'], 0]);
});

test('nothing follows in a lane that was suspended meanwhile', async () => {
  const { deliver, waiting } = gate();
  const bench = await openBench({ deliver, lanes: { concurrency: 4 } });
  await sendMany(bench, ['a', 'b', 'c', 'd', 'e', 'f']);
  const [last, ...others] = waiting.splice(0, 4);
  for (const { attempt, end } of others) end(unavailable(attempt));
  await bench.settle();
  assert.equal(bench.events('lane-suspended').length, 1);
  const before = bench.attempts.length;
  last?.attempt.follow?.();
  assert.equal(bench.attempts.length, before);
  last?.end(result(last.attempt));
  await bench.settle();
});

test('where attempts are scarce none follows, so that the place goes to the lane whose turn it is', async () => {
  const { bench, waiting, end } = await benchWith(['a', 'b', 'c'], { total: 2 });
  await bench.send({ to: 'z@y.test' });
  await bench.send({ to: 'y@w.test' });
  await bench.settle();
  assert.deepEqual(dialled(bench), ['a', 'z']);
  waiting[0]?.attempt.follow?.();
  assert.equal(bench.attempts.length, 2);
  end();
  await bench.settle();
  assert.deepEqual(dialled(bench), ['a', 'z', 'y']);
});

test('ordinary mail follows before a mailing, which has every fourth turn', async () => {
  const { bench, waiting, end } = await benchWith(['a']);
  const many = Array.from({ length: 200 }, (_, i) => `m${i}`);
  await sendMany(bench, many, 'mailing@origin.test');
  await sendMany(bench, ['b', 'c', 'd', 'e', 'f', 'g', 'h'], 'other@origin.test');
  for (let i = 0; i < 160; i++) {
    waiting.at(-1)?.attempt.follow?.();
    end();
    await bench.settle();
  }
  // The first hundred and one of a sender are no mailing yet.
  const kinds = dialled(bench)
    .slice(1)
    .map((name) => (/^m(\d+)/.exec(name ?? '') && Number(name?.slice(1)) > 100 ? 'mailing' : 'ordinary'));
  const first = kinds.indexOf('mailing');
  assert.ok(first >= 0 && first < 5, `the first of the mailing at ${first}`);
  const both = kinds.slice(0, kinds.lastIndexOf('ordinary'));
  const share = both.filter((kind) => kind === 'mailing').length / both.length;
  assert.ok(share > 0.2 && share <= 0.26, `${share} of the turns`);
});

test('a drain waits for the one that follows, and for the one that it followed', async () => {
  const { bench, waiting, end } = await benchWith(['a', 'b', 'c']);
  waiting[0]?.attempt.follow?.();
  let isOver = false;
  const drained = bench.queue.drain(new AbortController().signal).then(() => {
    isOver = true;
  });
  end('delivered', 1);
  await bench.settle();
  assert.equal(isOver, false);
  end();
  await drained;
  await bench.settle();
  assert.deepEqual(dialled(bench), ['a', 'b']);
  assert.equal(bench.spool.count(), 1);
});
