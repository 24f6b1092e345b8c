import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Reports } from './reports.ts';
import { DailyShare } from './share.ts';
import { Trust } from './trust.ts';

const now = Date.UTC(2026, 0, 1);
const minute = 60_000;

function opened() {
  const trust = new Trust();
  const reports = new Reports(trust);
  const say = (side: 'reported' | 'revoked', cluster: number, reporter: string, more = {}) =>
    reports.add(side, { cluster, generation: 1 }, { reporter, isKnown: false, now, ...more });
  return { trust, reports, say };
}
const known = { isKnown: true };

test('strangers who agree with each other gain nothing', () => {
  const { trust, reports, say } = opened();
  for (let cluster = 0; cluster < 50; cluster++) {
    say('reported', cluster, 'one', { now: now + cluster * minute });
    say('reported', cluster, 'other', { now: now + cluster * minute });
  }
  assert.deepEqual([trust.of('one'), trust.of('other')], [0.1, 0.1]);
  say('reported', 99, 'one');
  assert.ok(reports.of(99, 1, now).reported < 0.7);
});

test('who says what somebody known says gains, and who is contradicted by him loses', () => {
  const { trust, say } = opened();
  for (let cluster = 0; cluster < 10; cluster++) {
    say('reported', cluster, 'right');
    say('reported', cluster, 'boss', known);
    say('reported', cluster, 'late');
    say('revoked', cluster, 'wrong');
  }
  assert.ok((trust.of('right') ?? 0) > 0.5 && (trust.of('late') ?? 0) > 0.5);
  assert.ok((trust.of('wrong') ?? 1) < 0.05);
  assert.equal(trust.of('boss'), 1);
});

test('who changes his mind again and again moves nobody', () => {
  const { trust, reports, say } = opened();
  say('reported', 1, 'boss', known);
  for (let n = 0; n < 60; n++) say(n % 2 === 0 ? 'revoked' : 'reported', 1, 'flipper');
  assert.equal(trust.of('boss'), 1);
  assert.ok((trust.of('flipper') ?? 1) <= 0.1);
  const { reported, revoked } = reports.of(1, 1, now);
  assert.ok(Math.abs(reported + revoked - 1.1) < 0.05, `${reported} ${revoked}`);
});

test('each has one word about a cluster, also when many have spoken', () => {
  const { reports, say } = opened();
  for (let n = 0; n < 64; n++) say('reported', 1, `stranger${n}`);
  for (let n = 0; n < 50; n++) say('reported', 1, 'insistent');
  assert.equal(reports.of(1, 1, now).reported, 0.5, 'all of them together decide nothing');
  assert.equal(reports.passedOver, 50);
  say('revoked', 1, 'boss', known);
  assert.equal(reports.of(1, 1, now).revoked, 1, 'who is known still has a place');
});

test('who takes back what he said takes back what it weighed', () => {
  const { trust, reports, say } = opened();
  for (const reporter of ['a', 'b', 'c', 'd', 'e']) say('reported', 1, reporter);
  for (let n = 0; n < 40; n++) trust.confirmed('a', 1);
  assert.ok((trust.of('a') ?? 0) > 0.9);
  say('revoked', 1, 'a');
  assert.ok(Math.abs(reports.of(1, 1, now).reported - 0.4) < 1e-9);
});

test('a stranger who floods is passed over, and somebody known is not', () => {
  const { reports, say } = opened();
  for (let cluster = 0; cluster < 100; cluster++) say('reported', cluster, 'stranger');
  assert.equal(reports.passedOver, 40);
  for (let cluster = 0; cluster < 1000; cluster++) say('reported', cluster, 'operator', known);
  assert.equal(reports.passedOver, 40);
});

test('what was said is saved and restored', () => {
  const { reports, say } = opened();
  say('reported', 7, 'a');
  say('revoked', 7, 'boss', known);
  const again = new Reports(new Trust());
  again.restore(JSON.parse(JSON.stringify(reports.save())));
  assert.deepEqual(again.of(7, 1, now), reports.of(7, 1, now));
  again.restore({ said: 'rubbish' });
});

test('a share of a day is for each and for all together, and comes again with the next day', () => {
  const share = new DailyShare({ each: 2, all: 3 });
  const taken = (who: string, when = now) => share.take(who, when);
  assert.deepEqual([taken('a'), taken('a'), taken('a')], [true, true, false]);
  assert.deepEqual([taken('b'), taken('b'), taken('c')], [true, false, false]);
  assert.equal(taken('a', now + 86_400_000), true);
});

test('reports that are moved to another cluster remain those of their reporters, each once', () => {
  const { reports, say } = opened();
  say('reported', 1, 'boss', known);
  say('reported', 1, 'other', known);
  say('revoked', 2, 'other', known);
  reports.move({ cluster: 1, generation: 1 }, { cluster: 2, generation: 1 }, now);
  assert.deepEqual(reports.of(1, 1, now), { reported: 0, revoked: 0 });
  assert.deepEqual(reports.of(2, 1, now), { reported: 1, revoked: 1 });
  say('reported', 2, 'boss', known);
  assert.equal(reports.of(2, 1, now).reported, 1);
  reports.move({ cluster: 2, generation: 7 }, { cluster: 3, generation: 1 }, now);
  assert.deepEqual(reports.of(3, 1, now), { reported: 0, revoked: 0 });
});

test('strangers, however many, do not contest what somebody known has reported', () => {
  const { reports, say } = opened();
  for (let n = 0; n < 30; n++) say('revoked', 1, `stranger${n}`);
  assert.equal(reports.of(1, 1, now).revoked, 0.5);
  say('reported', 1, 'boss', known);
  assert.deepEqual(reports.of(1, 1, now), { reported: 1, revoked: 0 });
  say('revoked', 1, 'other', known);
  assert.equal(reports.of(1, 1, now).revoked, 1);
});

test('strangers whom somebody known has confirmed again and again count for what they have gained', () => {
  const { reports, say } = opened();
  for (let cluster = 10; cluster < 40; cluster++)
    for (const reporter of ['boss', 'right', 'careful'])
      say('reported', cluster, reporter, reporter === 'boss' ? known : {});
  for (const reporter of ['right', 'careful']) say('reported', 1, reporter, { now: now + minute });
  assert.ok(reports.of(1, 1, now + minute).reported > 1);
});
