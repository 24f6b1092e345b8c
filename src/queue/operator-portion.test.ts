import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { QueueId } from '../mail/index.ts';
import type { Operated } from './operator.ts';
import { address, type Bench, fullError, gate, ioError, openBench, result, statuses } from './testing.ts';

const minute = 60_000;
const both = ['grey@x.test', 'z@y.test'];
/** The same two recipients in two lanes, and in one. */
const layouts: Readonly<Record<string, (bench: Bench) => void>> = {
  'two lanes': () => {},
  'one lane': (bench) => {
    bench.laneOf = () => 'smtp:smart';
  },
};

async function waiting(layout: string): Promise<{ bench: Bench; id: QueueId }> {
  const bench = await openBench({ deliver: (attempt) => result(attempt, 'pending') });
  layouts[layout]?.(bench);
  const id = await bench.send({ to: both });
  await bench.settle();
  bench.attempts.length = 0;
  return { bench, id };
}

const z = new Set([1]);
const operations: Readonly<Record<string, (bench: Bench, id: QueueId) => Promise<Operated>>> = {
  hold: ({ operator }, id) => operator.hold(id, 'why', z),
  flush: ({ operator }, id) => operator.flush(id, z),
  remove: ({ operator }, id) => operator.remove(id, z),
  bounce: ({ operator }, id) => operator.bounce(id, 'no', z),
  redirect: ({ operator }, id) => operator.redirect(id, [{ address: address('ok@w.test') }], z),
};
/** Recipients that are tried within an hour, or at once. */
const triedAfter: Readonly<Record<string, readonly string[]>> = {
  hold: ['grey@x.test'],
  flush: both,
  remove: ['grey@x.test'],
  bounce: ['grey@x.test'],
  redirect: ['grey@x.test', 'ok@w.test'],
};
const triedAtOnce: Readonly<Record<string, readonly string[]>> = {
  hold: [],
  flush: ['z@y.test'],
  remove: [],
  bounce: [],
  redirect: ['ok@w.test'],
};

function dialled(bench: Bench): readonly string[] {
  return bench.dialled.flatMap((names) => names.split(' ')).sort();
}

for (const layout of Object.keys(layouts)) {
  for (const [verb, operate] of Object.entries(operations)) {
    test(`${verb} of one recipient leaves the other to be delivered, in ${layout}`, async () => {
      const { bench, id } = await waiting(layout);
      bench.deliver = (attempt) => result(attempt);
      assert.equal(await operate(bench, id), 'done');
      await bench.settle();
      assert.deepEqual(dialled(bench), triedAtOnce[verb]);
      await bench.pass(60 * minute, minute);
      assert.deepEqual(dialled(bench), triedAfter[verb]);
      assert.equal(bench.spool.count(), verb === 'hold' ? 1 : 0);
      assert.deepEqual(
        bench.notified.map(({ statuses: told }) => [...told.keys()]),
        verb === 'bounce' ? [[1]] : [],
        'only the sender of a bounced recipient is told, and of that one only',
      );
    });

    test(`${verb} of one recipient is what the next process finds, in ${layout}`, async () => {
      const before = await waiting(layout);
      assert.equal(await operate(before.bench, before.id), 'done');
      const bench = await openBench({ after: before.bench });
      layouts[layout]?.(bench);
      await bench.pass(60 * minute, minute);
      assert.deepEqual(dialled(bench), triedAfter[verb]);
    });

    test(`${verb} of one recipient that cannot be written changes nothing, in ${layout}`, async () => {
      for (const fault of [fullError, ioError]) {
        const { bench, id } = await waiting(layout);
        const { spool } = bench;
        const read = () => [spool.entries(id), [...spool.statuses(id)], spool.envelope(id)];
        const before = read();
        bench.faults.set('update', fault);
        if (verb === 'bounce') bench.notify = () => Promise.reject(fault);
        await assert.rejects(operate(bench, id), { code: fault.code });
        assert.deepEqual(read(), before);
      }
    });
  }

  test(`a release of one recipient leaves the other held, in ${layout}`, async () => {
    const { bench, id } = await waiting(layout);
    await bench.operator.hold(id, 'why');
    bench.deliver = (attempt) => result(attempt);
    assert.equal(await bench.operator.release(id, z), 'done');
    await bench.pass(60 * minute, minute);
    assert.deepEqual(dialled(bench), ['z@y.test']);
    assert.deepEqual(
      bench.spool.entries(id).map(({ held }) => held),
      ['why'],
    );
    assert.equal(await bench.operator.release(id), 'done');
    await bench.settle();
    assert.deepEqual(dialled(bench), both);
    assert.equal(bench.spool.count(), 0);
  });
}

test('to bounce, remove or redirect one recipient whose attempt is under way is refused; the other goes', async () => {
  for (const verb of ['remove', 'bounce', 'redirect']) {
    const { deliver, end } = gate();
    const bench = await openBench();
    bench.deliver = (attempt) =>
      attempt.lane === 'mx:y.test' ? deliver(attempt, AbortSignal.any([])) : result(attempt, 'pending');
    const id = await bench.send({ to: both });
    await bench.settle();
    const on = (index: number) => {
      const portion = new Set([index]);
      if (verb === 'remove') return bench.operator.remove(id, portion);
      if (verb === 'bounce') return bench.operator.bounce(id, '', portion);
      return bench.operator.redirect(id, [{ address: address('ok@w.test') }], portion);
    };
    assert.equal(await on(1), 'under-way');
    assert.equal(await on(0), 'done');
    end();
    bench.deliver = (attempt) => result(attempt);
    await bench.settle();
    assert.deepEqual(
      bench.dialled,
      verb === 'redirect' ? [...both, 'ok@w.test'] : both,
      'who was replaced is not tried again, and who replaces is tried with an envelope that has the address',
    );
    assert.equal(bench.spool.count(), 0);
  }
});

test('a hold of one recipient during the attempt holds that one after it, and not the other', async () => {
  for (const isReleased of [false, true]) {
    const { deliver, end } = gate();
    const bench = await openBench({ deliver, laneOf: () => 'smtp:smart' });
    const id = await bench.send({ to: ['a@x.test', 'b@x.test', 'c@x.test'] });
    await bench.settle();
    assert.equal(await bench.operator.hold(id, 'first', new Set([0])), 'done');
    assert.equal(await bench.operator.hold(id, 'second', new Set([1, 2])), 'done');
    if (isReleased) await bench.operator.release(id, new Set([1]));
    end(['pending', 'pending', 'delivered']);
    await bench.settle();
    assert.deepEqual(
      bench.spool.entries(id).map(({ recipients, held }) => [recipients, held]),
      [
        [[0], 'first'],
        [[1], isReleased ? undefined : 'second'],
      ],
    );
    assert.equal(bench.events('held').length, isReleased ? 1 : 2);
  }
});

test('a hold of one recipient while the end of the attempt is on its way to disk counts', async () => {
  const { deliver, end } = gate();
  const bench = await openBench({ deliver, laneOf: () => 'smtp:smart' });
  const id = await bench.send({ to: both });
  await bench.settle();
  bench.faults.set('update', fullError);
  end('pending');
  await bench.settle();
  assert.equal(await bench.operator.hold(id, 'why', z), 'done');
  bench.faults.clear();
  await bench.pass(2000, 1000);
  assert.deepEqual(
    bench.spool.entries(id).map(({ recipients, held }) => [recipients, held]),
    [
      [[0], undefined],
      [[1], 'why'],
    ],
  );
});

test('who is held does not expire with those of the same attempt who are not', async () => {
  const { deliver, end } = gate();
  const bench = await openBench({ deliver, laneOf: () => 'smtp:smart', retry: { maxAgeMs: minute } });
  const id = await bench.send({ to: both });
  await bench.settle();
  await bench.operator.hold(id, 'why', z);
  bench.clock.advance(2 * minute);
  end('pending');
  await bench.settle();
  assert.deepEqual(
    [...(bench.notified[0]?.statuses ?? [])].map(([, { status }]) => status),
    ['failed', 'pending'],
  );
  assert.deepEqual(
    bench.spool.entries(id).map(({ held }) => held),
    ['why'],
  );
});

test('a redirect to somebody who gets the message already does not send it twice', async () => {
  for (const other of ['pending', 'delivered'] as const) {
    const bench = await openBench({
      deliver: (attempt) => result(attempt, attempt.lane === 'mx:x.test' ? other : 'pending'),
    });
    const id = await bench.send({ to: both });
    await bench.settle();
    bench.attempts.length = 0;
    bench.deliver = (attempt) => result(attempt);
    assert.equal(await bench.operator.redirect(id, [{ address: address('grey@x.test') }], z), 'done');
    await bench.pass(60 * minute, minute);
    assert.deepEqual(dialled(bench), other === 'pending' ? ['grey@x.test'] : []);
    assert.equal(bench.spool.count(), 0);
  }
});

test('a redirect to the same mailbox in other case does not send it twice', async () => {
  const { bench, id } = await waiting('two lanes');
  bench.deliver = (attempt) => result(attempt);
  assert.equal(await bench.operator.redirect(id, [{ address: address('GREY@x.test') }], z), 'done');
  await bench.pass(60 * minute, minute);
  assert.deepEqual(dialled(bench), ['grey@x.test']);
});

test('a redirect back to somebody whose place another took reaches him', async () => {
  const { bench, id } = await waiting('two lanes');
  const to = (text: string) => [{ address: address(text) }];
  await bench.operator.redirect(id, to('new@w.test'), z);
  await bench.settle();
  bench.deliver = (attempt) => result(attempt);
  bench.attempts.length = 0;
  assert.equal(await bench.operator.redirect(id, to('z@y.test'), new Set([2])), 'done');
  await bench.settle();
  assert.deepEqual(bench.dialled, ['z@y.test']);
  await bench.operator.remove(id, new Set([0]));
  assert.equal(bench.spool.count(), 0);
});

test('a redirect can name several, and each gets it', async () => {
  const { bench, id } = await waiting('two lanes');
  bench.deliver = (attempt) => result(attempt);
  const to = ['a@w.test', 'b@w.test', 'a@w.test'].map((text) => ({ address: address(text) }));
  assert.equal(await bench.operator.redirect(id, to, z), 'done');
  await bench.settle();
  assert.deepEqual(bench.dialled, ['a@w.test b@w.test']);
  assert.equal(
    bench.spool.statuses(id).get(1)?.reply.lines[0],
    'goes to a@w.test, b@w.test, a@w.test instead',
  );
});

test('an operation on recipients who do not wait any more does nothing', async () => {
  const bench = await openBench({ deliver: (attempt) => result(attempt, ['delivered', 'pending']) });
  bench.laneOf = () => 'smtp:smart';
  const id = await bench.send({ to: both });
  await bench.settle();
  const before = bench.spool.entries(id);
  const { operator } = bench;
  const done = new Set([0]);
  for (const operated of [
    await operator.hold(id, 'why', done),
    await operator.release(id, done),
    await operator.flush(id, done),
    await operator.remove(id, done),
    await operator.bounce(id, '', done),
    await operator.redirect(id, [{ address: address('b@x.test') }], done),
  ])
    assert.equal(operated, 'nothing-to-do');
  assert.deepEqual(bench.spool.entries(id), before);
});

test('removing the last recipients who wait removes the message', async () => {
  const { bench, id } = await waiting('two lanes');
  assert.equal(await bench.operator.remove(id, new Set([0])), 'done');
  assert.equal(bench.spool.count(), 1);
  assert.equal(bench.spool.statuses(id).get(0)?.status, 'failed');
  assert.equal(await bench.operator.remove(id, z), 'done');
  assert.equal(bench.spool.count(), 0);
  assert.deepEqual(bench.notified, []);
});

test('a recipient that is put in the place of others while a second lane is under way is delivered', async () => {
  const { deliver, end } = gate();
  const bench = await openBench({ lanes: { concurrency: 1 } });
  bench.deliver = (attempt) =>
    attempt.lane === 'mx:x.test' ? deliver(attempt, AbortSignal.any([])) : result(attempt, 'pending');
  const id = await bench.send({ to: both });
  await bench.settle();
  bench.deliver = (attempt) => result(attempt);
  await bench.operator.redirect(id, [{ address: address('new@w.test') }], z);
  await bench.settle();
  assert.equal(bench.dialled.at(-1), 'new@w.test', 'the envelope of the sibling that is claimed is older');
  end();
  await bench.settle();
  assert.equal(bench.spool.count(), 0);
});

test('what an attempt replaces goes on to the others, and the rest is settled as it fared', async () => {
  for (const rest of ['none', 'delivered', 'pending', 'failed'] as const) {
    const bench = await openBench({
      laneOf: ({ domain }) => (domain === 'ask.test' ? 'policy:' : `mx:${domain}`),
    });
    bench.deliver = (attempt) => {
      if (attempt.lane !== 'policy:') return result(attempt);
      const [first = 0, ...others] = attempt.recipients;
      return {
        health: { kind: 'alive' },
        statuses: new Map(others.map((index) => [index, statuses[rest === 'none' ? 'pending' : rest]])),
        replacements: new Map([
          [first, [{ address: address('a@w.test') }, { address: address('b@v.test') }]],
        ]),
      };
    };
    const id = await bench.send({
      to: rest === 'none' ? 'sales@ask.test' : ['sales@ask.test', 'x@ask.test'],
    });
    await bench.settle();
    assert.deepEqual(
      dialled(bench).slice(-2),
      rest === 'none' ? ['b@v.test', 'sales@ask.test'] : ['sales@ask.test', 'x@ask.test'],
    );
    assert.ok(bench.dialled.includes('a@w.test') && bench.dialled.includes('b@v.test'));
    assert.equal(bench.notified.length, rest === 'failed' ? 1 : 0);
    if (rest === 'pending') {
      assert.deepEqual(
        bench.spool.entries(id).map(({ lane, recipients }) => [lane, recipients]),
        [['policy:', [1]]],
      );
      assert.deepEqual([...bench.spool.statuses(id)].map(([index, { status }]) => [index, status]).sort(), [
        [0, 'delivered'],
        [1, 'pending'],
        [2, 'delivered'],
        [3, 'delivered'],
      ]);
    } else assert.equal(bench.spool.count(), 0);
  }
});

test('lanes that end one right after the other leave no message without recipients behind', async () => {
  let isBusy = true;
  const bench = await openBench({
    deliver: async (attempt) => result(attempt, isBusy ? 'pending' : 'delivered'),
  });
  const id = await bench.send({ to: ['a@x.test', 'b@x.test', 'c@y.test', 'd@z.test'] });
  await bench.settle();
  await bench.operator.flush(id, new Set([0]));
  await bench.settle();
  await bench.operator.hold(id, 'why', new Set([3]));
  isBusy = false;
  await bench.operator.release(id);
  await bench.pass(60 * minute, 10 * minute);
  assert.equal(bench.events('delivered').length, 4);
  assert.equal(bench.spool.count(), 0);
});
