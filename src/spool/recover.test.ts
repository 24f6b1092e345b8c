import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { silentLog, systemClock } from '../base/index.ts';
import { laneName, type QueueId, type RecipientStatus } from '../mail/index.ts';
import { Store, storeFile } from '../store/index.ts';
import { accept, everything, newEntry } from './contract/fixture.ts';
import { allOctets, patternOctets, sampleEnvelope, sampleReply } from './contract/sample.ts';
import { inlineMaxBytes, newPlace, type Place, spoil } from './fault/place.ts';
import { recoverLane, SpoolError } from './index.ts';
import { largeFile } from './large-file.ts';
import { entryKey, idKey, layoutVersion, ScheduleKeys, statusKey, tables } from './layout.ts';

const done: RecipientStatus = { status: 'delivered', at: 1, relay: 'mx', reply: sampleReply(250, '0.0') };

/** A closed spool with two whole messages, the first of which has two recipients in two lanes. */
async function twoMessages(place: Place, octets = patternOctets(500)): Promise<[QueueId, QueueId]> {
  await using spool = await place.open();
  const entries = [newEntry('a', 1000, { recipients: [0] }), newEntry('b', 2000, { recipients: [1] })];
  const first = await accept(spool, { octets, envelope: sampleEnvelope({ recipients: 2 }), entries });
  return [first, await accept(spool, { octets, entries: [newEntry('c')] })];
}

/** A way into the tables of a spool that is open: another handle of the same environment. */
async function openHidden(place: Place) {
  const { open } = await import('lmdb');
  const root = open({
    path: storeFile(place.path),
    noSubdir: true,
    encoding: 'binary',
    keyEncoding: 'binary',
  });
  const entries = root.openDB({ name: tables.entry.name, encoding: 'binary', keyEncoding: 'binary' });
  return {
    async spoil(key: Buffer) {
      await entries.put(key, Buffer.from('no frame at all'));
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

describe('a spool that is opened', () => {
  it('finds nothing in a spool that is well', async () => {
    await using place = await newPlace();
    await twoMessages(place);
    await using spool = await place.open(true);
    assert.equal(spool.count(), 2);
    assert.deepEqual(place.findings(), []);
    assert.equal(place.log.lines.at(-1)?.event, 'spool-checked');
  });

  it('sets a message with a damaged envelope aside, with its octets, and goes on', async () => {
    for (const size of [500, 50_000]) {
      await using place = await newPlace();
      const octets = patternOctets(size);
      const [damaged, other] = await twoMessages(place, octets);
      await place.damage((store, { envelope }) => spoil(store, envelope, idKey(damaged)));
      await using spool = await place.open();
      assert.deepEqual([...spool.walk()], [other]);
      assert.equal(spool.count(), 1);
      assert.match(place.findings().join(), /envelope is damaged.*set aside/);
      assert.deepEqual(spool.due(laneName('a'), everything), []);
      const folder = join(place.path, 'salvage');
      assert.ok(readFileSync(join(folder, `${damaged}.octets`)).equals(octets), `${size} octets`);
      const kept = JSON.parse(readFileSync(join(folder, `${damaged}.json`), 'utf8'));
      assert.equal(kept.id, damaged);
      assert.equal(kept.entries[0].lane, 'a');
      assert.equal(existsSync(largeFile(place.path, damaged)), false);
    }
  });

  it('gives the recipients of a damaged entry to the recover lane', async () => {
    await using place = await newPlace();
    const [id] = await twoMessages(place);
    await place.damage((store, { entry }) => spoil(store, entry, entryKey(id, 1)));
    await using spool = await place.open();
    const [recovered] = spool.due(recoverLane, everything);
    assert.deepEqual(recovered?.recipients, [1]);
    assert.equal(recovered?.id, id);
    assert.deepEqual(spool.due(laneName('b'), everything), []);
    assert.equal(spool.due(laneName('a'), everything).length, 1);
    assert.match(place.findings().join(), /entry 1 is damaged.*1 recipients are pending in no entry/);
  });

  it('repairs a damaged entry also while it is in use', async () => {
    await using place = await newPlace();
    const [id] = await twoMessages(place);
    await using spool = await place.open();
    // Written behind the back of the spool: this process may not open the store a second time.
    const hidden = await openHidden(place);
    await hidden.spoil(entryKey(id, 0));
    assert.deepEqual(spool.due(laneName('a'), everything), []);
    const until = Date.now() + 10_000;
    while (spool.laneDue(recoverLane) === undefined && Date.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    assert.deepEqual(spool.due(recoverLane, everything)[0]?.recipients, [0]);
    assert.equal(spool.laneDue(laneName('a')), undefined);
  });

  it('takes a damaged status for none', async () => {
    await using place = await newPlace();
    const [id] = await twoMessages(place);
    {
      await using spool = await place.open();
      await spool.update([{ kind: 'status', id, recipient: 0, status: done }]);
    }
    await place.damage((store, { status }) => spoil(store, status, statusKey(id, 0)));
    await using spool = await place.open();
    assert.equal(spool.statuses(id).size, 0);
    assert.match(place.findings().join(), /status of recipient 0 is damaged/);
  });

  it('holds a message whose octets are damaged or missing, in the store or in a file', async () => {
    for (const what of ['damaged', 'missing'] as const) {
      for (const size of [500, 50_000]) {
        await using place = await newPlace();
        const [id, other] = await twoMessages(place, patternOctets(size));
        const file = largeFile(place.path, id);
        if (size > inlineMaxBytes && what === 'missing') await rm(file);
        else if (size > inlineMaxBytes) await writeFile(file, patternOctets(size).fill(0, 100, 101));
        else {
          await place.damage(async (store, { octets }) => {
            if (what === 'damaged') await spoil(store, octets, idKey(id));
            else await store.write([store.remove(octets, idKey(id))]);
          });
        }
        await using spool = await place.open(true);
        assert.equal(spool.count(), 2);
        for (const entry of spool.entries(id)) assert.equal(entry.held, `damaged: the octets are ${what}`);
        assert.deepEqual(spool.due(laneName('a'), everything), []);
        assert.equal(spool.due(laneName('c'), everything)[0]?.id, other);
        assert.ok(spool.envelope(id) !== undefined);
        await assert.rejects(async () => await allOctets(spool.octets(id)), SpoolError);
      }
    }
  });

  it('puts an entry back into the schedule and drops keys that stand for nothing', async () => {
    await using place = await newPlace();
    const [id, other] = await twoMessages(place);
    const keys = new ScheduleKeys();
    await place.damage(async (store, { schedule }) => {
      await store.write([
        store.remove(schedule, keys.key({ lane: laneName('a'), dueAt: 1000, id, number: 0 })),
        store.put(schedule, keys.key({ lane: laneName('z'), dueAt: 5, id: other, number: 0 }), 'z'),
        store.put(schedule, keys.key({ lane: laneName('z'), dueAt: 6, id: other, number: 7 }), 'z'),
      ]);
    });
    await using spool = await place.open();
    assert.equal(spool.laneDue(laneName('a')), 1000);
    assert.equal(spool.laneDue(laneName('z')), undefined);
    assert.deepEqual(new Set([...spool.lanes()].map((wake) => wake.lane)), new Set(['a', 'b', 'c']));
    assert.equal(place.findings().length, 3);
  });

  it('recovers pending recipients that are in no entry and drops a message that is done', async () => {
    await using place = await newPlace();
    const [half, whole] = await twoMessages(place);
    {
      await using spool = await place.open();
      await spool.update([
        { kind: 'status', id: half, recipient: 1, status: done },
        { kind: 'status', id: whole, recipient: 0, status: done },
      ]);
    }
    await place.damage(async (store, { entry, schedule }) => {
      const rows = entry.keys().map((key) => store.remove(entry, key));
      await store.write([...rows, ...schedule.keys().map((key) => store.remove(schedule, key))]);
    });
    await using spool = await place.open();
    assert.deepEqual([...spool.walk()], [half]);
    assert.deepEqual(
      spool.entries(half).map(({ lane, recipients }) => ({ lane, recipients })),
      [{ lane: recoverLane, recipients: [0] }],
    );
  });

  it('drops what is left without an envelope, and keeps octets that are', async () => {
    await using place = await newPlace();
    const [first, second] = await twoMessages(place);
    await place.damage(async (store, { envelope, octets }) => {
      await store.write([
        store.remove(envelope, idKey(first)),
        store.remove(envelope, idKey(second)),
        store.remove(octets, idKey(second)),
      ]);
    });
    await using spool = await place.open();
    assert.equal(spool.count(), 0);
    assert.deepEqual([...spool.lanes()], []);
    assert.deepEqual(
      new Set(readdirSync(join(place.path, 'salvage'))),
      new Set([`${first}.json`, `${first}.octets`]),
    );
  });

  it('removes files that no record names', async () => {
    await using place = await newPlace();
    const [id] = await twoMessages(place, patternOctets(50_000));
    const orphan = largeFile(place.path, id).replace(/.$/, 'Z');
    await writeFile(orphan, 'never accepted');
    await using spool = await place.open();
    assert.equal(existsSync(orphan), false);
    assert.equal((await allOctets(spool.octets(id))).length, 50_000);
  });

  it('says with which code it cannot be opened', async () => {
    await using place = await newPlace();
    {
      await using _spool = await place.open();
      await assert.rejects(place.open(), { name: 'SpoolError', code: 'locked' });
    }
    {
      await using _newer = await Store.open({
        path: place.path,
        tables: [],
        version: layoutVersion + 1,
        migrations: [],
        clock: systemClock,
        log: silentLog,
        floorBytes: 0,
      });
    }
    await assert.rejects(place.open(), { name: 'SpoolError', code: 'newer-version' });
  });
});
