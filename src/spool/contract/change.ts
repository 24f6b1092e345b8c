/** The part of the contract about updates. */
import assert from 'node:assert/strict';
import { laneName, type RecipientStatus } from '../../mail/index.ts';
import type { Change, LaneEntry } from '../spool.ts';
import { accept, type Cases, delivered, newEntry, onlyEntry, startAt } from './fixture.ts';
import { allOctets, patternOctets, sampleEnvelope, sampleReply } from './sample.ts';

/** Updates: statuses, entries, envelopes and removal. */
export const changeCases: Cases = {
  'keeps a status for each recipient, the newest one': async (fixture) => {
    const { spool } = fixture;
    const id = await accept(spool, { envelope: sampleEnvelope({ recipients: 300 }) });
    const pending: RecipientStatus = { status: 'pending', at: startAt, reply: sampleReply(451, '4.1') };
    const recipients = [0, 1, 255, 256, 299];
    await spool.update(recipients.map((recipient) => ({ kind: 'status', id, recipient, status: pending })));
    await spool.update([{ kind: 'status', id, recipient: 256, status: delivered(startAt + 1) }]);
    assert.deepEqual([...spool.statuses(id).keys()], recipients);
    assert.deepEqual(spool.statuses(id).get(256), delivered(startAt + 1));
    assert.deepEqual(spool.statuses(id).get(0), pending);
  },

  'makes changes to other messages durable with a message, or neither': async (fixture) => {
    const { spool, floorBytes } = fixture;
    const about = await accept(spool);
    const gone = await accept(spool);
    const changes: readonly Change[] = [
      { kind: 'status', id: about, recipient: 0, status: delivered(startAt) },
      { kind: 'reschedule', from: onlyEntry(spool, about), to: { ...onlyEntry(spool, about), warned: true } },
      { kind: 'remove', id: gone },
    ];
    const commit = async (size: number) => {
      await using draft = spool.begin();
      await draft.write(patternOctets(size));
      return await draft.commit(sampleEnvelope(), [newEntry('a')], changes);
    };
    fixture.setFreeBytes(floorBytes / 2 - 1);
    await assert.rejects(commit(100), { code: 'full' });
    assert.equal(spool.statuses(about).size, 0);
    assert.equal(spool.count(), 2);
    fixture.setFreeBytes(floorBytes * 10);
    for (const size of [100, 400_000]) {
      const id = await commit(size);
      assert.ok((await allOctets(spool.octets(id))).equals(patternOctets(size)));
      assert.deepEqual(spool.statuses(about).get(0), delivered(startAt));
      assert.equal(onlyEntry(spool, about).warned, true);
      assert.equal(spool.envelope(gone), undefined);
    }
    assert.equal(spool.count(), 3);
  },

  'adds a lane and finishes lanes one by one': async (fixture) => {
    const { spool } = fixture;
    const envelope = sampleEnvelope({ recipients: 2 });
    const entries = [
      newEntry('a', startAt, { recipients: [0] }),
      newEntry('b', startAt, { recipients: [1] }),
    ];
    const id = await accept(spool, { envelope, entries });
    await spool.update([{ kind: 'add', entry: { ...newEntry('c'), recipients: [1], id, number: 2 } }]);
    assert.deepEqual(
      spool.entries(id).map((found) => found.lane),
      ['a', 'b', 'c'],
    );
    const [a, b] = spool.entries(id);
    assert.ok(a !== undefined && b !== undefined);
    await spool.update([
      { kind: 'finish', entry: a },
      { kind: 'finish', entry: b },
    ]);
    assert.deepEqual(
      [...spool.lanes()].map((wake) => wake.lane),
      ['c'],
    );
    assert.equal(spool.entries(id).length, 1);
    assert.equal(spool.count(), 1);
  },

  'replaces the recipients of a message and leaves its octets': async (fixture) => {
    const octets = patternOctets(300_000);
    const id = await accept(fixture.spool, { octets });
    const envelope = sampleEnvelope({ recipients: 2, localPart: 'elsewhere' });
    await fixture.spool.update([{ kind: 'envelope', id, envelope }]);
    assert.deepEqual(fixture.spool.envelope(id), envelope);
    assert.ok((await allOctets(fixture.spool.octets(id))).equals(octets));
  },

  'removes a message with all that belongs to it': async (fixture) => {
    const { spool } = fixture;
    const keep = await accept(spool, { entries: [newEntry('b')] });
    for (const size of [100, 400_000]) {
      const id = await accept(spool, {
        octets: patternOctets(size),
        entries: [newEntry('a'), newEntry('b'), newEntry('c', startAt, { held: 'x' })],
      });
      await spool.update([{ kind: 'status', id, recipient: 0, status: delivered(startAt) }]);
      await spool.update([{ kind: 'remove', id }]);
      assert.equal(spool.envelope(id), undefined);
      assert.equal(spool.octets(id), undefined);
      assert.equal(spool.statuses(id).size, 0);
      assert.deepEqual(spool.entries(id), []);
    }
    assert.deepEqual([...spool.walk()], [keep]);
    assert.equal(spool.count(), 1);
    assert.deepEqual(
      [...spool.lanes()].map((wake) => wake.lane),
      ['b'],
    );
  },

  'ignores changes to a message that is gone, also when they come in the same turn': async (fixture) => {
    const { spool } = fixture;
    const id = await accept(spool);
    const other = await accept(spool, { entries: [newEntry('other')] });
    const found = onlyEntry(spool, id);
    const removed = spool.update([{ kind: 'remove', id }]);
    const after = spool.update([
      { kind: 'status', id, recipient: 0, status: delivered(startAt) },
      { kind: 'reschedule', from: found, to: { ...found, dueAt: startAt + 1 } },
      { kind: 'add', entry: { ...found, number: 9 } },
      { kind: 'envelope', id, envelope: sampleEnvelope() },
      { kind: 'remove', id },
      { kind: 'status', id: other, recipient: 0, status: delivered(startAt) },
    ]);
    await Promise.all([removed, after]);
    assert.equal(spool.statuses(id).size, 0);
    assert.deepEqual(spool.entries(id), []);
    assert.equal(spool.envelope(id), undefined);
    assert.equal(spool.statuses(other).size, 1);
    assert.deepEqual(
      [...spool.lanes()].map((wake) => wake.lane),
      ['other'],
    );
    assert.equal(spool.count(), 1);
  },

  'does not bring back an entry that is finished': async (fixture) => {
    const { spool } = fixture;
    const id = await accept(spool, { entries: [newEntry('a'), newEntry('b')] });
    const [a] = spool.entries(id);
    assert.ok(a !== undefined);
    const finished = spool.update([{ kind: 'finish', entry: a }]);
    const late = spool.update([{ kind: 'reschedule', from: a, to: { ...a, dueAt: startAt + 1 } }]);
    await Promise.all([finished, late]);
    assert.deepEqual(
      spool.entries(id).map((found) => found.lane),
      ['b'],
    );
    assert.equal(spool.laneDue(laneName('a')), undefined);
  },

  'applies the changes of one update in their order': async (fixture) => {
    const { spool } = fixture;
    const id = await accept(spool, { entries: [newEntry('a')] });
    const added: LaneEntry = { ...newEntry('b'), id, number: 1 };
    await spool.update([
      { kind: 'add', entry: added },
      { kind: 'reschedule', from: added, to: { ...added, lane: laneName('c'), attempts: 3 } },
      { kind: 'finish', entry: onlyEntry(spool, id) },
    ]);
    assert.deepEqual(onlyEntry(spool, id), { ...added, lane: 'c', attempts: 3 });
    assert.deepEqual(
      [...spool.lanes()].map((wake) => wake.lane),
      ['c'],
    );
  },

  'does nothing for no changes': async (fixture) => {
    await fixture.spool.update([]);
    assert.equal(fixture.spool.count(), 0);
  },

  'does all of this for many messages at once': async (fixture) => {
    const { spool } = fixture;
    const one = async (n: number): Promise<void> => {
      const octets = patternOctets(n % 10 === 0 ? 200_000 : 100 + n);
      const id = await accept(spool, { octets, entries: [newEntry(`lane${n % 5}`, startAt + n)] });
      const first = onlyEntry(spool, id);
      const tried = { ...first, attempts: 1 };
      await spool.update([{ kind: 'reschedule', from: first, to: tried }]);
      assert.ok((await allOctets(spool.octets(id))).equals(octets));
      await spool.update([
        { kind: 'status', id, recipient: 0, status: delivered(startAt + n) },
        { kind: 'finish', entry: tried },
        ...(n % 2 === 0 ? [{ kind: 'remove' as const, id }] : []),
      ]);
    };
    await Promise.all(Array.from({ length: 200 }, (_, n) => one(n)));
    assert.equal(spool.count(), 100);
    assert.equal([...spool.walk()].length, 100);
    assert.deepEqual([...spool.lanes()], []);
  },
};
