import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync, statSync, truncateSync, writeSync } from 'node:fs';
import { cp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { silentLog, systemClock } from '../base/index.ts';
import { parseQueueId, type QueueId } from '../mail/index.ts';
import { storeFile, type Table } from '../store/index.ts';
import { accept, newEntry } from './contract/fixture.ts';
import { allOctets, patternOctets, sampleEnvelope } from './contract/sample.ts';
import { inlineMaxBytes, newPlace, type Place, spoil } from './fault/place.ts';
import { openSpool, type Spool, SpoolError, salvageSpool, verifySpool } from './index.ts';
import { largeFile } from './large-file.ts';
import { idKey } from './layout.ts';

/** A closed spool with many messages of all sizes, and the size of each. */
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

/** Every message found is an accepted one; returns how many of `sizes` are found, and not held. */
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

/** The outcome of opening a damaged copy and salvaging it. The process survives, or the test run ends. */
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
    assert.deepEqual(new Set(problems.map(({ id }) => id)), new Set([small, large]));
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

  it('neither stops a salvage nor brings mail to life by records that a sender put into the octets of a message', async () => {
    await using place = await newPlace();
    const planted: Buffer[] = [];
    const ids = Array.from({ length: 6 }, (_, n) => parseQueueId(`06AAAAAAAAAAAA${n}A`) ?? assert.fail());
    await place.damage(async (store, { envelope, octets, entry }) => {
      const plant = (table: Table, key: Buffer, payload: string) =>
        planted.push(store.put(table, key, payload).frame ?? assert.fail());
      const payloads = ['no JSON', 'null', '{"envelope":null}', '{"envelope":{"recipients":[{}]}}', '[]'];
      const whole = JSON.stringify({ envelope: sampleEnvelope(), octets: { in: 'store', size: 2 } });
      for (const [n, payload] of [...payloads, whole].entries()) {
        const key = idKey(ids[n] ?? assert.fail());
        plant(envelope, key, payload);
        plant(octets, key, 'x\n');
        plant(
          entry,
          Buffer.concat([key, Buffer.alloc(2)]),
          '{"lane":"mx:a.test","recipients":"all","attempts":0,"dueAt":1}',
        );
      }
    });
    const sizes = await manyMessages(place, 60);
    const message = Buffer.concat(planted);
    assert.ok(message.length < 2500, 'it has to lie in a page with others');
    {
      await using spool = await place.open();
      for (let n = 0; n < 20; n++) await accept(spool, { octets: message });
    }
    // Their own records are damaged, and so is a tree: everything is searched.
    const file = readFileSync(storeFile(place.path));
    const fd = openSync(storeFile(place.path), 'r+');
    let damaged = 0;
    for (let at = file.indexOf(message); at >= 0; at = file.indexOf(message, at + 1), damaged++)
      writeSync(fd, Buffer.from([file.readUInt8(at - 1) ^ 1]), 0, 1, at - 1);
    for (let page = 2; page < usedPages(place.path); page++) {
      const octets = file.subarray(page * 4096, (page + 1) * 4096);
      if (octets.readUInt16LE(18) === 2 && octets.includes('"attempts"') && !octets.includes(message))
        writeSync(fd, Buffer.alloc(4096), 0, 4096, page * 4096);
    }
    closeSync(fd);
    assert.ok(damaged >= 20);
    await using target = await newPlace();
    const to = join(target.path, 'new');
    const report = await salvageSpool(place.path, to);
    assert.ok(report.salvaged > 0 && report.problems.some(({ what }) => what === 'file'));
    await using spool = await openSpool({ path: to, clock: systemClock, log: silentLog, floorBytes: 0 });
    for (const id of ids) assert.equal(spool.envelope(id), undefined, 'the planted message is no message');
    assert.ok((await checkMessages(spool, new Map(sizes))) >= 0);
  });

  it('loses only what lay on the damaged page, and holds what it finds in free pages', async () => {
    await using place = await newPlace();
    const sizes = await manyMessages(place, 100);
    // The leaf of the envelopes that the tree leads to and that holds the last of them.
    const file = readFileSync(storeFile(place.path));
    const last = [...sizes.keys()].toSorted((a, b) => a.localeCompare(b)).at(-1) ?? assert.fail();
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
