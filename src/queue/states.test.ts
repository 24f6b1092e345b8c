/** Tests of the tables at the head of `queue.ts`: each pair of states is tried. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { laneName, reply } from '../mail/index.ts';
import { openMemorySpool } from '../spool/index.ts';
import { Lane, Task, type TaskState } from './lane.ts';
import { openBench } from './testing.ts';

const states: readonly TaskState[] = ['claiming', 'waiting', 'under-way', 'dropped'];
const legal = ['claiming>waiting', 'claiming>dropped', 'waiting>under-way', 'waiting>dropped'];
const ways: Readonly<Record<TaskState, readonly TaskState[]>> = {
  claiming: [],
  waiting: ['waiting'],
  'under-way': ['waiting', 'under-way'],
  dropped: ['dropped'],
};

async function makeTask(): Promise<Task> {
  const bench = await openBench();
  const id = (await openMemorySpool()).begin().id;
  const lane = new Lane(laneName('mx:x.test'), 20);
  const entry = { id, number: 0, lane: lane.name, recipients: 'all', attempts: 1, dueAt: 1 } as const;
  const envelope = bench.envelope({ to: 'a@x.test' });
  return new Task({ lane, entry, envelope, isMailing: false, routes: 0 });
}

for (const from of states) {
  for (const to of states) {
    const isLegal = legal.includes(`${from}>${to}`);
    test(`a task that is ${from} ${isLegal ? 'becomes' : 'never becomes'} ${to}`, async () => {
      const task = await makeTask();
      for (const state of ways[from]) task.become(state);
      assert.equal(task.state, from);
      if (isLegal) task.become(to);
      else assert.throws(() => task.become(to), new RegExp(`/0 is ${from} and cannot become ${to}`));
      assert.equal(task.state, isLegal ? to : from);
    });
  }
  test(`a task that is ${from} is ${from === 'under-way' ? '' : 'not '}divided or held after its attempt`, async () => {
    const task = await makeTask();
    for (const state of ways[from]) task.become(state);
    const change = () => {
      task.narrow({ ...task.entry, recipients: [0] });
      task.holds = new Map([[0, 'why']]);
    };
    if (from === 'under-way') {
      change();
      assert.deepEqual([task.entry.recipients, task.holds?.get(0)], [[0], 'why']);
    } else assert.throws(change, /cannot be divided/);
  });
}

const because = reply(451, '4.1', 'no answer');

/** The calls of a lane, and whether one that is alive, or suspended, allows them. */
const asked: readonly (readonly [
  string,
  (lane: Lane, task: Task) => void,
  alive: boolean,
  suspended: boolean,
])[] = [
  ['be suspended', (lane) => lane.suspend(10, because), true, false],
  ['begin an attempt', (lane, task) => lane.begin(task), true, false],
  ['be woken', (lane) => lane.resume(), true, true],
  ['end an attempt that never began', (lane, task) => lane.end(task), false, false],
  ['give back room that it does not keep', (lane) => lane.unreserve(1), false, false],
  ['end what it has not begun to load', (lane) => lane.endLoading(0), false, false],
];

for (const [what, ask, alive, suspended] of asked) {
  for (const [state, isLegal] of [['alive', alive] as const, ['suspended', suspended] as const]) {
    test(`a lane that is ${state} may ${isLegal ? '' : 'not '}${what}`, async () => {
      const lane = new Lane(laneName('mx:x.test'), 20);
      const task = await makeTask();
      if (state === 'suspended') lane.suspend(5, because);
      if (isLegal) ask(lane, task);
      else {
        assert.throws(() => ask(lane, task), new RegExp(`^Error: the lane mx:x.test is ${state} `));
        assert.equal(lane.health.kind, state);
        assert.equal(lane.claimed, 0);
      }
    });
  }
}

test('a lane does not load twice at a time, and loads again when it has ended', () => {
  const lane = new Lane(laneName('mx:x.test'), 20);
  lane.beginLoading(2);
  assert.throws(() => lane.beginLoading(1), /cannot load twice/);
  assert.equal(lane.claimed, 2);
  lane.endLoading(2);
  lane.beginLoading(1);
  assert.equal(lane.claimed, 1);
});
