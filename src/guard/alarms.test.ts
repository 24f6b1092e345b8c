import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualClock } from '../base/index.ts';
import { laneName, type RecipientStatus, reply } from '../mail/index.ts';
import { type AlarmEvent, Alarms, type Condition, calmMs } from './alarms.ts';
import { RouteWatch } from './watchdog-routes.ts';
import { SpoolWalk } from './watchdog-spool.ts';

const minute = 60_000;
const hour = 60 * minute;

const condition: Condition = { kind: 'route-failing', subject: 'smtp:a', since: 0, because: 'no' };
const inShort = (events: readonly AlarmEvent[]) =>
  events.map((told) => (told.event === 'alarm' && told.isNotice ? 'alarm, by letter' : told.event));

function dog() {
  const clock = manualClock();
  const alarms = new Alarms(clock, () => ({ repeatMs: 24 * hour }));
  return { clock, alarms, look: (...found: Condition[]) => inShort(alarms.look(found)) };
}

test('an alarm is told once, again after the repeat interval, and once when it is over', () => {
  const { clock, alarms, look } = dog();
  assert.deepEqual(look(condition), ['alarm, by letter']);
  for (let i = 0; i < 23; i++) {
    clock.advance(hour);
    assert.deepEqual(look(condition), []);
  }
  clock.advance(hour);
  assert.deepEqual(look(condition), ['alarm, by letter']);
  assert.equal(alarms.alarms.length, 1);
  clock.advance(calmMs - 1);
  assert.deepEqual(look(), []);
  clock.advance(1);
  assert.deepEqual(look(), ['alarm-over']);
  assert.deepEqual(alarms.alarms, []);
});

test('what comes and goes is one alarm, and writes one letter in the repeat interval', () => {
  const { clock, look } = dog();
  const told: string[] = [];
  for (let at = 0; at < 20 * hour; at += 10 * minute) {
    told.push(...look(...(at % (20 * minute) === 0 ? [condition] : [])));
    clock.advance(10 * minute);
  }
  assert.deepEqual(told, ['alarm, by letter']);
  clock.advance(calmMs);
  assert.deepEqual(look(), ['alarm-over']);
  assert.deepEqual(look(condition), ['alarm'], 'it is told again, but not by letter');
});

test('kinds and subjects are alarms of their own, the oldest first', () => {
  const { alarms, look } = dog();
  look(
    { ...condition, since: 5 },
    { ...condition, subject: 'smtp:b' },
    { ...condition, kind: 'stuck', since: 1 },
  );
  assert.deepEqual(
    alarms.alarms.map(({ kind, subject }) => `${kind} ${subject}`),
    ['route-failing smtp:b', 'stuck smtp:a', 'route-failing smtp:a'],
  );
});

function routes() {
  const clock = manualClock();
  const watch = new RouteWatch(clock);
  const note = (lane: string, code: number, { id = 'm1', isUnavailable = true } = {}) => {
    const status = code < 300 ? 'delivered' : code < 500 ? 'pending' : 'failed';
    const value = { status, at: 0, relay: 'r', reply: reply(code, '4.1', 'said') } satisfies RecipientStatus;
    watch.note({ id, lane: laneName(lane), statuses: new Map([[0, value]]), isUnavailable });
  };
  const failing = (lanes: readonly string[] = []) =>
    watch
      .failing(
        { failingMs: 30 * minute, isStatic: (lane) => !lane.startsWith('mx:'), waiting: String },
        (lane) => !lanes.includes(lane),
      )
      .map(({ subject }) => subject);
  return { clock, watch, note, failing };
}

test('a route that takes nothing for the time is failing, with its last reply, and not a moment before', () => {
  const { clock, watch, note, failing } = routes();
  note('smtp:a', 451);
  clock.advance(30 * minute - 1);
  note('smtp:a', 421);
  assert.deepEqual(failing(), []);
  clock.advance(1);
  const facts = { failingMs: 30 * minute, isStatic: () => true, waiting: () => '7' };
  const [found] = watch.failing(facts, () => true);
  assert.match(found?.because ?? '', /421 4\.4\.1 said/);
  assert.equal(found?.waiting, '7');
  note('smtp:a', 250);
  assert.deepEqual(failing(), []);
});

test('a refusal for good is no silence, and does not hide one', () => {
  const { clock, note, failing } = routes();
  note('smtp:a', 550);
  clock.advance(hour);
  assert.deepEqual(failing(), []);
  note('smtp:a', 451);
  note('smtp:a', 550);
  clock.advance(hour);
  assert.deepEqual(failing(), ['smtp:a']);
});

test('one message that a route defers is not blamed on the route, two are', () => {
  const { clock, note, failing } = routes();
  const talks = { isUnavailable: false };
  for (let i = 0; i < 5; i++) note('smtp:a', 450, talks);
  clock.advance(hour);
  assert.deepEqual(failing(), []);
  note('smtp:a', 450, { ...talks, id: 'm2' });
  assert.deepEqual(failing(), ['smtp:a']);
});

test('a route with nothing left to do is forgotten', () => {
  const { clock, watch, note, failing } = routes();
  note('smtp:a', 451);
  clock.advance(hour);
  assert.deepEqual(failing(['smtp:a']), []);
  assert.equal(watch.isFailing(laneName('smtp:a')), false);
});

test('one dead domain is its own affair; that all the world is dead is ours', () => {
  const { clock, note, failing } = routes();
  note('mx:a.test', 451);
  note('mx:b.test', 451);
  clock.advance(hour);
  assert.deepEqual(failing(), []);
  note('mx:c.test', 451);
  clock.advance(hour);
  assert.deepEqual(failing(), ['mx']);
  note('mx:good.test', 250);
  assert.deepEqual(failing(), []);
});

const limits = { stuckMs: hour, heldMs: 24 * hour, maxDelayMs: 2 * hour };
const now = 100 * hour;
const walk = (...entries: { dueAt: number; held?: string }[]) => {
  const made = new SpoolWalk(limits, now);
  made.visit({
    id: 'm1',
    receivedAt: now - 50 * hour,
    entries: entries.map((one) => ({ lane: 'smtp:a', ...one })),
  });
  return made;
};
const kinds = (made: SpoolWalk) => made.conditions().map(({ kind }) => kind);

test('a message is stuck an hour after it was due, or when nothing sane is planned for it', () => {
  assert.deepEqual(kinds(walk({ dueAt: now - hour + 1 })), []);
  assert.deepEqual(kinds(walk({ dueAt: now - hour })), ['stuck']);
  assert.deepEqual(kinds(walk({ dueAt: now + 3 * hour })), []);
  assert.deepEqual(kinds(walk({ dueAt: now + 3 * hour + 1 })), ['stuck']);
  assert.deepEqual(kinds(walk()), ['stuck']);
  const unreadable = new SpoolWalk(limits, now);
  unreadable.visit({ id: 'm1', receivedAt: now - hour, entries: undefined });
  assert.match(unreadable.conditions()[0]?.because ?? '', /m1: it cannot be read/);
});

test('held mail is not stuck: it is told apart, by its age', () => {
  const held = walk({ dueAt: 0, held: 'by the guard' });
  assert.deepEqual(kinds(held), ['held']);
  assert.deepEqual(held.held, { count: 1, oldestAt: now - 50 * hour });
  const young = new SpoolWalk(limits, now);
  young.visit({ id: 'm', receivedAt: now - 2 * hour, entries: [{ lane: 'l', dueAt: 0, held: 'x' }] });
  assert.deepEqual(kinds(young), []);
  assert.equal(young.held.count, 1);
});

test('many stuck messages are one alarm that names a few', () => {
  const made = new SpoolWalk(limits, now);
  for (let i = 0; i < 100; i++)
    made.visit({ id: `m${i}`, receivedAt: 0, entries: [{ lane: 'smtp:a', dueAt: i }] });
  const [found, ...more] = made.conditions();
  assert.equal(more.length, 0);
  assert.equal(found?.waiting, '100');
  assert.equal(found.since, 0);
  assert.match(found.because, /m4: .* and 95 more$/);
});
