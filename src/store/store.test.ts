import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { manualClock, memoryLog, silentLog, systemClock } from '../base/index.ts';
import { lacks } from '../base/testing.ts';
import { decodeFrame, encodeFrame, findFrame, readFrame } from './frame.ts';
import { lockProcess } from './lock.ts';
import { PageFile } from './page-file.ts';
import { type PageProblem, walkTrees } from './page-walk.ts';
import { SpaceWatch } from './space.ts';
import { type Migration, Store, type StoreOptions, storeFile } from './store.ts';
import { keyAfter, prefixEnd } from './table.ts';

const fruit = { name: 'fruit', kind: 7 } as const;

async function folder() {
  const path = await mkdtemp(join(tmpdir(), 'posthouse-store-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}

function openStore(path: string, more: Partial<StoreOptions> = {}): Promise<Store> {
  return Store.open({
    path,
    tables: [fruit],
    version: 1,
    clock: systemClock,
    log: silentLog,
    floorBytes: 0,
    ...more,
  });
}

const key = (text: string) => Buffer.from(text);

/** A closed store with `count` records, some of them on pages of their own. */
async function filledStore(path: string, count: number): Promise<void> {
  await using store = await openStore(path);
  const table = store.table(fruit);
  const puts = Array.from({ length: count }, (_, i) =>
    store.put(table, key(`key${i}`), Buffer.alloc(i % 10 === 0 ? 9000 : 300, i)),
  );
  await store.write(puts);
}

describe('a frame', () => {
  const name = { kind: 3, key: key('name') };

  it('gives back its payload, also an empty one and text', () => {
    for (const payload of ['', 'päivää', 'x'.repeat(100_000)]) {
      assert.equal(decodeFrame(encodeFrame(name, payload), name).toString(), payload);
    }
    assert.deepEqual(decodeFrame(encodeFrame(name, Buffer.from([0, 255])), name), Buffer.from([0, 255]));
  });

  it('is refused when any octet of it changes, and when it is cut', () => {
    const frame = encodeFrame(name, 'some payload');
    for (let at = 0; at < frame.length; at++) {
      const damaged = Buffer.from(frame);
      damaged[at] = damaged.readUInt8(at) ^ 0x10;
      assert.throws(() => decodeFrame(damaged, name), { code: 'corrupt' }, `octet ${at}`);
      assert.throws(() => decodeFrame(frame.subarray(0, at), name), { code: 'corrupt' }, `cut at ${at}`);
    }
  });

  it('is refused under another key or in another table', () => {
    const frame = encodeFrame(name, 'some payload');
    assert.throws(() => decodeFrame(frame, { kind: 3, key: key('nome') }), { code: 'corrupt' });
    assert.throws(() => decodeFrame(frame, { kind: 4, key: key('name') }), { code: 'corrupt' });
  });

  it('is found in the middle of other octets', () => {
    const octets = Buffer.concat([Buffer.from('PHxPH'), encodeFrame(name, 'here'), Buffer.from('rest')]);
    const at = findFrame(octets, 0);
    assert.equal(at, 5);
    assert.equal(readFrame(octets, at)?.payload.toString(), 'here');
    assert.equal(readFrame(octets, 0), undefined);
  });
});

describe('the store', () => {
  it('keeps what was written, in order of the keys', async () => {
    await using place = await folder();
    {
      await using store = await openStore(place.path);
      const table = store.table(fruit);
      await store.write(['c', 'a', 'b', '\0', '\xff'].map((k) => store.put(table, key(k), `value of ${k}`)));
      await store.write([store.remove(table, key('b')), store.remove(table, key('nothing'))]);
    }
    await using store = await openStore(place.path);
    const table = store.table(fruit);
    assert.equal(store.wasUnclean, false);
    assert.deepEqual(
      table.keys().map((found) => found.toString()),
      ['\0', 'a', 'c', '\xff'],
    );
    assert.equal(table.get(key('a'))?.toString(), 'value of a');
    assert.equal(table.get(key('b')), undefined);
    assert.equal(table.has(key('c')), true);
    assert.equal(table.count(), 4);
  });

  it('scans ranges of any length, copying in batches, while they are written', async () => {
    await using place = await folder();
    await using store = await openStore(place.path);
    const table = store.table(fruit);
    const keys = Array.from({ length: 2000 }, (_, i) => key(String(i).padStart(5, '0')));
    await store.write(keys.map((k) => store.put(table, k, 'x')));
    const seen: string[] = [];
    for (const row of table.scan({ start: key('00100'), end: key('01900') })) {
      seen.push(row.key.toString());
      if (seen.length % 300 === 0) await store.write([store.remove(table, row.key)]);
    }
    assert.deepEqual(
      seen,
      keys.slice(100, 1900).map((k) => k.toString()),
    );
    assert.equal([...table.scanKeys()].length, 2000 - 6);
    assert.equal(table.rows({ reverse: true, limit: 1 })[0]?.key.toString(), '01999');
  });

  it('shows a write when its promise resolves and not before', async () => {
    await using place = await folder();
    await using store = await openStore(place.path);
    const table = store.table(fruit);
    const written = store.write([store.put(table, key('a'), '1')]);
    assert.equal(table.get(key('a')), undefined);
    await written;
    assert.equal(table.get(key('a'))?.toString(), '1');
  });

  it('gives octets that do not change with later reads and writes', async () => {
    await using place = await folder();
    await using store = await openStore(place.path);
    const table = store.table(fruit);
    for (const size of [10, 5000, 60_000, 400_000]) {
      await store.write([store.put(table, key('a'), Buffer.alloc(size, 1))]);
      const first = table.get(key('a'));
      await store.write([store.put(table, key('a'), Buffer.alloc(size, 2))]);
      assert.ok(table.get(key('a'))?.equals(Buffer.alloc(size, 2)));
      assert.ok(first?.equals(Buffer.alloc(size, 1)), `${size} octets`);
    }
  });

  it('is opened by one at a time', async () => {
    await using place = await folder();
    await using _store = await openStore(place.path);
    await assert.rejects(openStore(place.path), { name: 'StoreError', code: 'locked' });
  });

  it('refuses what a newer program wrote, and leaves it alone', async () => {
    await using place = await folder();
    {
      await using _store = await openStore(place.path, { version: 3 });
    }
    await assert.rejects(openStore(place.path, { version: 2 }), { code: 'newer-version' });
    await using store = await openStore(place.path, { version: 3 });
    assert.equal(store.health().state, 'ok');
  });

  it('brings an older layout up to date step by step, also after it was interrupted', async () => {
    await using place = await folder();
    {
      // Version 0: plain names; version 1 has them in capitals, version 2 with a mark.
      await using store = await openStore(place.path, { version: 0 });
      const table = store.table(fruit);
      await store.write(['apple', 'pear'].map((k) => store.put(table, key(k), k)));
    }
    const each = (change: (text: string) => string) => async (store: Store) => {
      const table = store.table(fruit);
      await store.write(
        table.rows().map((row) => store.put(table, row.key, change(row.payload?.toString() ?? ''))),
      );
    };
    let isBroken = true;
    const migrations: Migration[] = [
      { to: 1, run: each((text) => text.toUpperCase()) },
      {
        to: 2,
        run: async (store) => {
          if (isBroken) throw new Error('power cut');
          await each((text) => `${text.replace(/!$/, '')}!`)(store);
        },
      },
    ];
    await assert.rejects(openStore(place.path, { version: 2, migrations }), /power cut/);
    isBroken = false;
    await using store = await openStore(place.path, { version: 2, migrations });
    assert.equal(store.table(fruit).get(key('pear'))?.toString(), 'PEAR!');
  });

  it('watches the free space, guesses between two looks, and recovers by itself', async () => {
    const clock = manualClock();
    let free = 1000;
    const space = new SpaceWatch({ clock, floorBytes: 500, freeBytes: () => free });
    space.start();
    assert.equal(space.freeBytes, 1000);
    space.spend(600);
    assert.equal(space.freeBytes, 400);
    clock.advance(1000);
    assert.equal(space.freeBytes, 1000);
    free = 0;
    clock.advance(999);
    assert.equal(space.freeBytes, 1000);
    clock.advance(1);
    assert.equal(space.freeBytes, 0);
    space.stop();
  });

  it('writes what was begun before it closes and refuses what comes after', async () => {
    await using place = await folder();
    const store = await openStore(place.path);
    const table = store.table(fruit);
    const written = store.write([store.put(table, key('a'), '1')]);
    await store[Symbol.asyncDispose]();
    await written;
    await assert.rejects(store.write([store.remove(table, key('a'))]), { code: 'closed' });
    assert.throws(() => table.get(key('a')), { code: 'closed' });
    await using again = await openStore(place.path);
    assert.equal(again.table(fruit).get(key('a'))?.toString(), '1');
  });
});

describe('the lock', () => {
  it('is free again when the one who held it was killed', async () => {
    await using place = await folder();
    const path = join(place.path, 'lock');
    const script = `import { lockProcess } from ${JSON.stringify(new URL('./lock.ts', import.meta.url).href)};
      lockProcess(${JSON.stringify(path)}); console.log('locked'); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    assert.throws(() => lockProcess(path), { code: 'locked', message: new RegExp(`process ${child.pid} `) });
    child.kill('SIGKILL');
    await once(child, 'close');
    const lock = lockProcess(path);
    assert.equal(lock.wasAbandoned, true);
    lock.release();
    assert.deepEqual(readdirSync(place.path), []);
  });

  it('does not take a namesake for the owner', async () => {
    await using place = await folder();
    const path = join(place.path, 'lock');
    const lock = lockProcess(path);
    assert.equal(lock.wasAbandoned, false);
    const own = readFileSync(path, 'utf8');
    lock.release();
    // The same process id, started at another time: what a container finds after a restart.
    writeFileSync(path, own.replace(/ \d+ /, ' 1 '));
    const again = lockProcess(path);
    assert.equal(again.wasAbandoned, true);
    again.release();
  });
});

describe('the file of the store', () => {
  const problemsOf = (path: string): PageProblem[] => {
    const problems: PageProblem[] = [];
    const file = PageFile.open(storeFile(path));
    walkTrees(file, { onRecord: () => {}, onProblem: (problem) => problems.push(problem) });
    file.close();
    return problems;
  };

  it('is walked page by page and gives every record', async () => {
    await using place = await folder();
    await filledStore(place.path, 500);
    const found = new Map<string, Buffer>();
    const file = PageFile.open(storeFile(place.path));
    walkTrees(file, {
      onRecord: (record) => {
        if (record.table === 'fruit') found.set(record.key.toString(), record.value());
      },
      onProblem: (problem) => assert.fail(problem.detail),
    });
    file.close();
    assert.equal(found.size, 500);
    const frame = found.get('key10');
    assert.ok(frame !== undefined);
    assert.deepEqual(decodeFrame(frame, { kind: 7, key: key('key10') }), Buffer.alloc(9000, 10));
  });

  it('is not mapped when it is cut short, at whatever length', async () => {
    await using place = await folder();
    await filledStore(place.path, 500);
    const whole = readFileSync(storeFile(place.path));
    const file = PageFile.open(storeFile(place.path));
    const used = ((file.meta?.lastPage ?? 0) + 1) * file.pageBytes;
    file.close();
    for (const length of [1, 100, 4096, 8191, 8192, 12_288, used >> 1, used - 9000]) {
      writeFileSync(storeFile(place.path), whole);
      truncateSync(storeFile(place.path), length);
      await assert.rejects(openStore(place.path), { code: 'corrupt' }, `${length} of ${used}`);
    }
    writeFileSync(storeFile(place.path), whole);
    await using store = await openStore(place.path);
    assert.equal(store.table(fruit).count(), 500);
  });

  it('is looked at closely after an unclean end, and opened when it is well', async () => {
    await using place = await folder();
    await filledStore(place.path, 50);
    const log = memoryLog();
    await rm(join(place.path, 'closed'));
    await using store = await openStore(place.path, { log });
    assert.equal(store.wasUnclean, true);
    assert.equal(store.table(fruit).count(), 50);
    assert.equal(log.lines[0]?.event, 'store-unclean');
  });

  it('is walked without a crash whatever page is overwritten', async () => {
    await using place = await folder();
    await filledStore(place.path, 300);
    const { size } = statSync(storeFile(place.path));
    const whole = readFileSync(storeFile(place.path));
    const file = PageFile.open(storeFile(place.path));
    const pages = size / file.pageBytes;
    file.close();
    let detected = 0;
    for (let page = 2; page < pages; page += 7) {
      for (const filler of [0, 0xff, 0x5a]) {
        writeFileSync(storeFile(place.path), whole);
        const fd = openSync(storeFile(place.path), 'r+');
        writeSync(fd, Buffer.alloc(4096, filler), 0, 4096, page * 4096);
        closeSync(fd);
        if (problemsOf(place.path).length > 0) detected++;
      }
    }
    assert.ok(detected > 0);
  });

  it('is durable when a write resolves: fdatasync of the pages, then the meta page through O_DSYNC', async (t) => {
    if (spawnSync('strace', ['-V']).error !== undefined) return lacks(t, 'strace is not installed');
    await using place = await folder();
    const trace = join(place.path, 'trace');
    const url = (name: string) => JSON.stringify(new URL(name, import.meta.url).href);
    const script = `
      import { writeSync } from 'node:fs';
      import { Store } from ${url('./store.ts')};
      import { silentLog, systemClock } from ${url('../base/index.ts')};
      const store = await Store.open({ path: ${JSON.stringify(place.path)}, version: 1, floorBytes: 0,
        tables: [{ name: 'fruit', kind: 7 }], clock: systemClock, log: silentLog });
      const table = store.table({ name: 'fruit', kind: 7 });
      for (let i = 0; i < 3; i++) {
        writeSync(1, 'begin\\n');
        await store.write([store.put(table, Buffer.from('k' + i), 'x'), store.put(table, Buffer.from('l' + i), 'y')]);
        writeSync(1, 'resolved\\n');
      }
      await store[Symbol.asyncDispose]();`;
    const calls = 'trace=openat,write,pwrite64,fdatasync';
    const args = ['-f', '-e', calls, '-o', trace, process.execPath, '--input-type=module', '-e', script];
    const run = spawnSync('strace', args, { encoding: 'utf8' });
    if (/ptrace|PTRACE/.test(run.stderr)) return lacks(t, 'strace may not trace here');
    assert.equal(run.status, 0, run.stderr);
    const lines = readFileSync(trace, 'utf8').split('\n');
    const meta = lines.find((line) => /store\.mdb".*O_DSYNC/.test(line))?.match(/= (\d+)$/)?.[1];
    const pages = lines.find((line) => /pwrite64\(.*, 4096, \d+\)/.test(line))?.match(/pwrite64\((\d+)/)?.[1];
    assert.ok(meta !== undefined && pages !== undefined && meta !== pages);
    const spans = lines.join('\n').split('begin\\n').slice(1);
    assert.equal(spans.length, 3);
    for (const span of spans) {
      const before = span.slice(0, span.indexOf('resolved'));
      const order = new RegExp(
        `pwrite64\\(${pages}[^]*fdatasync\\(${pages}\\)[^]*= 0[^]*pwrite64\\(${meta},[^]*= 128`,
      );
      assert.match(before, order);
    }
  });
});

describe('keys', () => {
  it('have a next one and an end of their prefix', () => {
    assert.deepEqual(keyAfter(Buffer.from([1, 2])), Buffer.from([1, 2, 0]));
    assert.deepEqual(prefixEnd(Buffer.from([1, 2])), Buffer.from([1, 3]));
    assert.deepEqual(prefixEnd(Buffer.from([1, 255])), Buffer.from([2]));
    assert.equal(prefixEnd(Buffer.from([255])), undefined);
  });
});
