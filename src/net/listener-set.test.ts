/** From the listeners of one configuration to those of the next, all of them or none. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualClock } from '../base/index.ts';
import { type Listener, ListenerSet } from './index.ts';

interface Options {
  readonly at: string;
  readonly greeting?: string;
}

/** A set of listeners that only record their calls. */
function bench({ hasGuests = false } = {}) {
  const happened: string[] = [];
  const bind = async ({ at }: Options): Promise<Listener<Options>> => {
    if (at === 'taken') throw new Error('it is taken');
    happened.push(`bind ${at}`);
    return {
      serve: ({ greeting = '-' }) => happened.push(`serve ${at} ${greeting}`),
      async drain(signal) {
        happened.push(`drain ${at}`);
        if (hasGuests && !signal.aborted)
          await new Promise((resolve) => signal.addEventListener('abort', resolve));
        happened.push(`end ${at}`);
      },
    };
  };
  const clock = manualClock();
  const set = new ListenerSet<Options, Listener<Options>>({ keyOf: ({ at }) => at, bind, clock });
  return { set, happened: () => happened.splice(0), clock };
}

test('what is new is bound at once and serves at the commit; what stays has its new options then', async () => {
  const { set, happened } = bench();
  (await set.prepare([{ at: 'a' }])).commit();
  assert.deepEqual(happened(), ['bind a', 'serve a -']);
  const prepared = await set.prepare([{ at: 'a', greeting: 'new' }, { at: 'b' }]);
  assert.deepEqual(happened(), ['bind b']);
  prepared.commit();
  assert.deepEqual(happened(), ['serve a new', 'serve b -']);
  assert.equal(set.open.length, 2);
});

test('what is not wanted any more drains, and is cut off in the end', async () => {
  const { set, happened, clock } = bench({ hasGuests: true });
  (await set.prepare([{ at: 'a' }, { at: 'b' }])).commit();
  happened();
  (await set.prepare([{ at: 'b' }])).commit();
  assert.deepEqual(happened(), ['serve b -', 'drain a']);
  assert.deepEqual([set.open.length, [...set.all()].length], [1, 2]);
  clock.advance(30_000);
  assert.deepEqual(happened(), []);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(happened(), ['end a']);
  assert.equal([...set.all()].length, 1);
});

test('when one cannot be bound the others that are new are closed, and nothing else happens', async () => {
  const { set, happened } = bench();
  (await set.prepare([{ at: 'a' }])).commit();
  happened();
  await assert.rejects(set.prepare([{ at: 'b' }, { at: 'taken' }]), /it is taken/);
  assert.deepEqual(happened(), ['bind b', 'drain b', 'end b']);
  assert.equal(set.open.length, 1);
});

test('what was prepared in vain is closed', async () => {
  const { set, happened } = bench();
  const prepared = await set.prepare([{ at: 'a' }]);
  await prepared.abandon();
  assert.deepEqual(happened(), ['bind a', 'drain a', 'end a']);
  assert.deepEqual(set.open, []);
});

test('a drain takes what is open, what leaves and what is only bound, and lets nobody serve afterwards', async () => {
  const { set, happened } = bench({ hasGuests: true });
  (await set.prepare([{ at: 'a' }, { at: 'b' }])).commit();
  (await set.prepare([{ at: 'b' }])).commit();
  const prepared = await set.prepare([{ at: 'b' }, { at: 'c' }]);
  happened();
  await set.drain(AbortSignal.abort());
  assert.deepEqual(
    happened()
      .filter((each) => each.startsWith('end'))
      .toSorted(),
    ['end a', 'end b', 'end c'],
  );
  prepared.commit();
  assert.deepEqual(happened(), []);
});
