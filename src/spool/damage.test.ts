import assert from 'node:assert/strict';
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { memoryLog, silentLog, systemClock } from '../base/index.ts';
import type { QueueId, RecipientStatus } from '../mail/index.ts';
import { Store, storeFile, type Table } from '../store/index.ts';
import { accept, everything, newEntry } from './contract/fixture.ts';
import { allOctets, patternOctets, sampleEnvelope, sampleReply } from './contract/sample.ts';
import { openSpool, recoverLane, type Spool, SpoolError, salvageSpool, verifySpool } from './index.ts';
import { largeFile } from './large-file.ts';
import { entryKey, idKey, layoutVersion, ScheduleKeys, statusKey, tables } from './layout.ts';
import { type SpoolTables, spoolTables } from './tables.ts';

const inlineMaxBytes = 10_000;
const done: RecipientStatus = { status: 'delivered', at: 1, relay: 'mx', reply: sampleReply(250, '0.0') };

interface Place extends AsyncDisposable {
  readonly path: string;
  readonly log: ReturnType<typeof memoryLog>;
  /** What the log says was found, with the ids left out. */
  findings(): string[];
  open(checkOctets?: boolean): Promise<Spool>;
  /** Opens the tables themselves, to damage them. */
  damage(work: (store: Store, tables: SpoolTables) => Promise<void>): Promise<void>;
}

async function newPlace(): Promise<Place> {
  const path = await mkdtemp(join(tmpdir(), 'posthouse-damage-'));
  const log = memoryLog();
  return {
    path,
    log,
    findings: () =>
      log.lines.flatMap((line) => (line.event === 'spool-finding' ? String(line.fields.detail) : [])),
    open: (checkOctets = false) =>
      openSpool({ path, clock: systemClock, log, floorBytes: 0, inlineMaxBytes, checkOctets }),
    async damage(work) {
      await using store = await Store.open({
        path,
        tables: Object.values(tables),
        version: layoutVersion,
        clock: systemClock,
        log: silentLog,
        floorBytes: 0,
      });
      await work(store, spoolTables(store));
    },
    [Symbol.asyncDispose]: () => rm(path, { recursive: true }),
  };
}

/** Replaces a record by one whose checksum does not match. */
function spoil(store: Store, table: Table, key: Buffer): Promise<void> {
  const { frame } = store.put(table, key, 'not what it was');
  assert.ok(frame !== undefined);
  frame[frame.length - 6] = frame.readUInt8(frame.length - 6) ^ 1;
  return store.write([{ table, key, frame }]);
}

/** A closed spool with two whole messages, the first of which has two recipients in two lanes. */
async function twoMessages(place: Place, octets = patternOctets(500)): Promise<[QueueId, QueueId]> {
  await using spool = await place.open();
  const entries = [newEntry('a', 1000, { recipients: [0] }), newEntry('b', 2000, { recipients: [1] })];
  const first = await accept(spool, { octets, envelope: sampleEnvelope({ recipients: 2 }), entries });
  return [first, await accept(spool, { octets, entries: [newEntry('c')] })];
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
      assert.deepEqual(spool.due('a', everything), []);
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
    assert.deepEqual(spool.due('b', everything), []);
    assert.equal(spool.due('a', everything).length, 1);
    assert.match(place.findings().join(), /entry 1 is damaged.*1 recipients are pending in no entry/);
  });

  it('repairs a damaged entry also while it is in use', async () => {
    await using place = await newPlace();
    const [id] = await twoMessages(place);
    await using spool = await place.open();
    // Written behind the back of the spool: this process may not open the store a second time.
    const hidden = await openHidden(place, spool);
    await hidden.spoil(entryKey(id, 0));
    assert.deepEqual(spool.due('a', everything), []);
    for (let turn = 0; turn < 1000 && spool.laneDue(recoverLane) === undefined; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.deepEqual(spool.due(recoverLane, everything)[0]?.recipients, [0]);
    assert.equal(spool.laneDue('a'), undefined);
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
        assert.deepEqual(spool.due('a', everything), []);
        assert.equal(spool.due('c', everything)[0]?.id, other);
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
        store.remove(schedule, keys.key({ lane: 'a', dueAt: 1000, id, number: 0 })),
        store.put(schedule, keys.key({ lane: 'z', dueAt: 5, id: other, number: 0 }), 'z'),
        store.put(schedule, keys.key({ lane: 'z', dueAt: 6, id: other, number: 7 }), 'z'),
      ]);
    });
    await using spool = await place.open();
    assert.equal(spool.laneDue('a'), 1000);
    assert.equal(spool.laneDue('z'), undefined);
    assert.deepEqual([...spool.lanes()].map((wake) => wake.lane).sort(), ['a', 'b', 'c']);
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
    assert.deepEqual(readdirSync(join(place.path, 'salvage')).sort(), [`${first}.json`, `${first}.octets`]);
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

/** A way into the tables of a spool that is open: another handle of the same environment. */
async function openHidden(place: Place, _spool: Spool) {
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

/** A closed spool with many messages of all sizes, and what each of them is. */
async function manyMessages(place: Place, count: number): Promise<Map<QueueId, number>> {
  await using spool = await place.open();
  const sizes = new Map<QueueId, number>();
  const one = async (n: number) => {
    const size = n % 25 === 0 ? 40_000 + n : n % 5 === 0 ? 5000 + n : 200 + n;
    sizes.set(
      await accept(spool, { octets: patternOctets(size), entries: [newEntry(`lane${n % 7}`)] }),
      size,
    );
  };
  await Promise.all(Array.from({ length: count }, (_, n) => one(n)));
  // Some have come and gone: their records lie in free pages.
  const gone = [...sizes.keys()].filter((_, n) => n % 4 === 0);
  await spool.update(gone.map((id) => ({ kind: 'remove', id })));
  for (const id of gone) sizes.delete(id);
  return sizes;
}

/** Every message that is there is what was accepted; returns how many of `sizes` are, and are not held. */
async function checkMessages(spool: Spool, sizes: ReadonlyMap<QueueId, number>): Promise<number> {
  let free = 0;
  for (const id of spool.walk()) {
    const isHeld = spool.entries(id).some((entry) => entry.held !== undefined);
    const size = sizes.get(id);
    if (isHeld) continue;
    assert.ok(size !== undefined, `${id} was removed and is back`);
    assert.ok((await allOctets(spool.octets(id))).equals(patternOctets(size)), `${id} has other octets`);
    assert.deepEqual(spool.envelope(id), sampleEnvelope());
    free++;
  }
  return free;
}

/** What opening a damaged copy and salvaging it comes to. The process lives, or the test run ends. */
async function survive(place: Place, sizes: ReadonlyMap<QueueId, number>): Promise<'opened' | 'salvaged'> {
  const options = { path: place.path, clock: systemClock, log: silentLog, floorBytes: 0, inlineMaxBytes };
  try {
    await using spool = await openSpool(options);
    await checkMessages(spool, sizes);
    return 'opened';
  } catch (error) {
    assert.ok(error instanceof SpoolError && error.code === 'corrupt', String(error));
  }
  await using target = await newPlace();
  const to = join(target.path, 'new');
  const report = await salvageSpool(place.path, to);
  assert.ok(report.problems.length > 0);
  await using spool = await openSpool({ ...options, path: to });
  assert.equal(spool.count(), report.salvaged);
  await checkMessages(spool, sizes);
  return 'salvaged';
}

describe('a damaged file', () => {
  it('is reported by verify, message by message, and a good one is not', async () => {
    await using place = await newPlace();
    const sizes = await manyMessages(place, 40);
    assert.deepEqual(await verifySpool(place.path), { messages: sizes.size, problems: [] });
    const [small, large] = [
      [...sizes].find(([, size]) => size < 1000)?.[0],
      [...sizes].find(([, size]) => size > inlineMaxBytes)?.[0],
    ];
    assert.ok(small !== undefined && large !== undefined);
    await place.damage((store, { octets }) => spoil(store, octets, idKey(small)));
    await writeFile(largeFile(place.path, large), 'short');
    const { messages, problems } = await verifySpool(place.path);
    assert.equal(messages, sizes.size);
    assert.deepEqual(problems.map(({ id }) => id).sort(), [small, large].sort());
    await using _spool = await place.open();
    await assert.rejects(verifySpool(place.path), { code: 'locked' });
  });

  it('is salvaged whole when nothing is wrong with it', async () => {
    await using place = await newPlace();
    const sizes = await manyMessages(place, 100);
    await using target = await newPlace();
    const to = join(target.path, 'new');
    const report = await salvageSpool(place.path, to);
    assert.deepEqual(report, { salvaged: sizes.size, held: 0, problems: [] });
    await using spool = await openSpool({ path: to, clock: systemClock, log: silentLog, floorBytes: 0 });
    assert.equal(await checkMessages(spool, sizes), sizes.size);
    await assert.rejects(salvageSpool(place.path, to), RangeError);
    await assert.rejects(salvageSpool(join(place.path, 'nothing'), `${to}er`), { code: 'missing' });
  });

  it('that is cut short never crashes the process, and gives back what is readable', async () => {
    await using place = await newPlace();
    const sizes = await manyMessages(place, 100);
    const { size } = statSync(storeFile(place.path));
    for (const part of [0.01, 0.04, 0.08, 0.15, 0.3]) {
      await using copy = await newPlace();
      await cp(place.path, copy.path, { recursive: true });
      truncateSync(storeFile(copy.path), Math.floor(size * part));
      await survive(copy, sizes);
    }
  });

  it('with overwritten pages never crashes the process, and gives back what is readable', async () => {
    await using place = await newPlace();
    const sizes = await manyMessages(place, 100);
    const ends: string[] = [];
    const pages = usedPages(place.path);
    for (let round = 0; round < 12; round++) {
      await using copy = await newPlace();
      await cp(place.path, copy.path, { recursive: true });
      const fd = openSync(storeFile(copy.path), 'r+');
      for (let n = 0; n <= round % 3; n++) {
        const page = 2 + ((round * 37 + n * 101) % (pages - 2));
        writeSync(fd, Buffer.alloc(4096, 0x41 + round), 0, 4096, page * 4096);
      }
      closeSync(fd);
      ends.push(await survive(copy, sizes));
    }
    assert.ok(ends.includes('salvaged'), 'no page that was overwritten mattered');
  });

  it('loses only what lay on the damaged page, and holds what it finds in free pages', async () => {
    await using place = await newPlace();
    const sizes = await manyMessages(place, 100);
    // The leaf of the envelopes that the tree leads to and that holds the last of them.
    const file = readFileSync(storeFile(place.path));
    const last = [...sizes.keys()].sort().at(-1);
    assert.ok(last !== undefined);
    let newest = { page: -1, transaction: -1n };
    for (let page = 2; page < usedPages(place.path); page++) {
      const octets = file.subarray(page * 4096, (page + 1) * 4096);
      const transaction = octets.readBigUInt64LE(8);
      const isLeaf = octets.readUInt16LE(18) === 2;
      if (
        isLeaf &&
        octets.includes('"reversePath"') &&
        octets.includes(idKey(last)) &&
        transaction > newest.transaction
      ) {
        newest = { page, transaction };
      }
    }
    assert.ok(newest.page > 0);
    const fd = openSync(storeFile(place.path), 'r+');
    writeSync(fd, Buffer.alloc(4096), 0, 4096, newest.page * 4096);
    closeSync(fd);
    await using target = await newPlace();
    const to = join(target.path, 'new');
    const report = await salvageSpool(place.path, to);
    await using spool = await openSpool({ path: to, clock: systemClock, log: silentLog, floorBytes: 0 });
    const free = await checkMessages(spool, sizes);
    assert.ok(free >= sizes.size - 12, `${free} of ${sizes.size}`);
    assert.ok(report.problems.some((problem) => problem.what === 'file'));
    for (const id of spool.walk()) {
      if (!sizes.has(id)) assert.match(spool.entries(id)[0]?.held ?? '', /may have been delivered/);
    }
  });
});

function usedPages(path: string): number {
  const file = readFileSync(storeFile(path));
  return Math.max(Number(file.readBigUInt64LE(144)), Number(file.readBigUInt64LE(4096 + 144))) + 1;
}
