/** The part of the contract about lanes and due times. */
import assert from 'node:assert/strict';
import { laneName } from '../../mail/index.ts';
import type { LaneEntry } from '../spool.ts';
import { accept, type Cases, everything, newEntry, onlyEntry, startAt } from './fixture.ts';

/** Lanes, their order and due entries. */
export const scheduleCases: Cases = {
  'lists a lane in order of due time, then age, then number': async (fixture) => {
    const { spool } = fixture;
    const late = await accept(spool, { entries: [newEntry('a', startAt + 5000)] });
    const early = await accept(spool, {
      entries: [newEntry('a', startAt + 1000), newEntry('a', startAt + 1000), newEntry('b')],
    });
    const same = await accept(spool, { entries: [newEntry('a', startAt + 1000)] });
    const order = spool.due(laneName('a'), everything).map((found) => [found.id, found.number]);
    assert.deepEqual(order, [
      [early, 0],
      [early, 1],
      [same, 0],
      [late, 0],
    ]);
  },

  'gives only what is due, and goes on after an entry': async (fixture) => {
    const { spool } = fixture;
    for (let i = 0; i < 300; i++) await accept(spool, { entries: [newEntry('a', startAt + (i % 7) * 1000)] });
    assert.equal(spool.due(laneName('a'), { until: startAt - 1, limit: 10 }).length, 0);
    const due = spool.due(laneName('a'), { until: startAt + 2000, limit: 1000 });
    assert.equal(due.length, 43 * 3);
    assert.ok(due.every((found) => found.dueAt <= startAt + 2000));
    const paged: LaneEntry[] = [];
    for (;;) {
      const after = paged.at(-1);
      const page = spool.due(laneName('a'), { until: startAt + 2000, limit: 10, ...(after && { after }) });
      if (page.length === 0) break;
      assert.ok(page.length <= 10);
      paged.push(...page);
    }
    assert.deepEqual(paged, due);
  },

  'goes on after an entry that was rescheduled or finished meanwhile': async (fixture) => {
    const { spool } = fixture;
    for (let i = 0; i < 4; i++) await accept(spool, { entries: [newEntry('a', startAt + i)] });
    const [first, second, third] = spool.due(laneName('a'), everything);
    assert.ok(first !== undefined && second !== undefined && third !== undefined);
    await spool.update([
      { kind: 'finish', entry: second },
      { kind: 'reschedule', from: first, to: { ...first, dueAt: startAt + 9000 } },
    ]);
    assert.deepEqual(spool.due(laneName('a'), { ...everything, after: second, limit: 1 }), [third]);
  },

  'names every lane once with the time of its first entry': async (fixture) => {
    const { spool } = fixture;
    const names = ['mx:example.org', 'smtp:[192.0.2.1]:25', 'ä/☃', 'mx:example.com', 'x'.repeat(700)];
    for (const [i, lane] of names.entries()) {
      await accept(spool, { entries: [newEntry(lane, startAt + 100 - i), newEntry(lane, startAt + 50 + i)] });
    }
    const lanes = new Map([...spool.lanes()].map((wake) => [wake.lane, wake.dueAt]));
    assert.equal(lanes.size, names.length);
    for (const [i, lane] of names.entries()) {
      assert.equal(lanes.get(laneName(lane)), Math.min(startAt + 100 - i, startAt + 50 + i), lane);
      assert.equal(spool.laneDue(laneName(lane)), lanes.get(laneName(lane)));
    }
    assert.equal(spool.laneDue(laneName('nobody')), undefined);
    assert.deepEqual(spool.due(laneName('nobody'), everything), []);
  },

  'moves an entry to its new time, attempts and lane': async (fixture) => {
    const { spool } = fixture;
    const id = await accept(spool, { entries: [newEntry('a')] });
    const before = onlyEntry(spool, id);
    const later = { ...before, attempts: 1, dueAt: startAt + 60_000 };
    await spool.update([{ kind: 'reschedule', from: before, to: later }]);
    assert.deepEqual(onlyEntry(spool, id), later);
    assert.equal(spool.laneDue(laneName('a')), startAt + 60_000);
    assert.deepEqual(spool.due(laneName('a'), { until: startAt, limit: 10 }), []);
    await spool.update([{ kind: 'reschedule', from: later, to: { ...later, lane: laneName('b') } }]);
    assert.equal(spool.laneDue(laneName('a')), undefined);
    assert.equal(spool.due(laneName('b'), everything).length, 1);
    assert.deepEqual(
      [...spool.lanes()].map((wake) => wake.lane),
      ['b'],
    );
  },

  'takes a held entry out of the schedule and puts a released one back': async (fixture) => {
    const { spool } = fixture;
    const id = await accept(spool, { entries: [newEntry('a')] });
    const free = onlyEntry(spool, id);
    const held = { ...free, held: 'bulk: 900 copies' };
    await spool.update([{ kind: 'reschedule', from: free, to: held }]);
    assert.deepEqual(spool.due(laneName('a'), everything), []);
    assert.equal(spool.laneDue(laneName('a')), undefined);
    assert.deepEqual([...spool.lanes()], []);
    assert.deepEqual(onlyEntry(spool, id), held);
    await spool.update([{ kind: 'reschedule', from: held, to: free }]);
    assert.deepEqual(spool.due(laneName('a'), everything), [free]);
  },

  'accepts a message that is held from the beginning': async (fixture) => {
    const id = await accept(fixture.spool, { entries: [newEntry('a', startAt, { held: 'trap' })] });
    assert.equal(fixture.spool.laneDue(laneName('a')), undefined);
    assert.equal(onlyEntry(fixture.spool, id).held, 'trap');
  },

  'believes its own record of an entry, not a stale copy that is handed in': async (fixture) => {
    const { spool } = fixture;
    const id = await accept(spool, { entries: [newEntry('a')] });
    const stale = onlyEntry(spool, id);
    const moved = { ...stale, dueAt: startAt + 1000 };
    const again = { ...stale, dueAt: startAt + 2000 };
    await Promise.all([
      spool.update([{ kind: 'reschedule', from: stale, to: moved }]),
      spool.update([{ kind: 'reschedule', from: stale, to: again }]),
    ]);
    assert.deepEqual(spool.due(laneName('a'), everything), [again]);
    await spool.update([{ kind: 'finish', entry: stale }]);
    assert.deepEqual([...spool.lanes()], []);
  },
};
