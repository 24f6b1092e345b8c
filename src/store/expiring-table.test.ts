import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { manualClock, memoryLog } from '../base/index.ts';
import { StoreError } from './error.ts';
import { ExpiringTable, type ExpiringTableOptions } from './expiring-table.ts';
import { Store } from './store.ts';

const name = { name: 'fruit', kind: 40 };

async function bench(t: TestContext) {
  const path = await mkdtemp(join(tmpdir(), 'posthouse-table-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  const clock = manualClock();
  const log = memoryLog();
  const open = () => Store.open({ path, tables: [name], version: 1, clock, log, floorBytes: 0 });
  const table = (
    store: ExpiringTableOptions<string>['store'],
    options: Partial<ExpiringTableOptions<string>> = {},
  ) =>
    new ExpiringTable<string>({
      store,
      name,
      decode: (value) => (typeof value === 'string' ? value : undefined),
      limit: 100,
      clock,
      log,
      ...options,
    });
  return { clock, log, open, table };
}

test('a row is there until the instant of its expiry, and stays gone when the clock is set back', async (t) => {
  const { clock, open, table } = await bench(t);
  await using store = await open();
  const rows = table(store);
  await rows.put('a', 'apple', clock.now() + 1000);
  clock.advance(999);
  assert.equal(rows.get('a'), 'apple');
  clock.advance(1);
  assert.equal(rows.get('a'), undefined);
  clock.advance(-500);
  assert.equal(rows.get('a'), undefined);
});

test('rows survive a restart, other than those that expired meanwhile', async (t) => {
  const { clock, open, table } = await bench(t);
  {
    await using store = await open();
    const rows = table(store);
    await rows.put('a', 'apple', clock.now() + 1000);
    await rows.put('b', 'berry', clock.now() + 5000);
    await rows.put('c', 'cherry', clock.now() + 5000);
    await rows.remove('c');
  }
  clock.advance(1000);
  await using store = await open();
  const rows = table(store);
  assert.deepEqual([...rows.entries()], [['b', 'berry', clock.now() + 4000]]);
  await rows.put('d', 'date', clock.now() + 1);
  assert.equal(store.table(name).count(), 2, 'the expired row is gone from the disk, too');
});

test('a full table gives up the row that would expire first', async (t) => {
  const { clock, open, table } = await bench(t);
  await using store = await open();
  const rows = table(store, { limit: 2 });
  await rows.put('late', 'x', clock.now() + 3000);
  await rows.put('soon', 'x', clock.now() + 1000);
  await rows.put('new', 'x', clock.now() + 2000);
  await rows.put('new', 'y', clock.now() + 2000);
  assert.deepEqual([...rows.entries()].map(([key]) => key).sort(), ['late', 'new']);
  await Promise.allSettled(['p', 'q', 'r', 's'].map((key) => rows.put(key, 'x', clock.now() + 9000)));
  assert.ok(rows.size <= 2, `${rows.size} rows`);
  assert.equal(store.table(name).count(), rows.size);
});

test('a write that fails changes nothing, neither in memory nor on disk', async (t) => {
  const { clock, open, table } = await bench(t);
  await using store = await open();
  let isBroken = false;
  const rows = table(
    {
      table: (which) => store.table(which),
      put: (...put) => store.put(...put),
      remove: (...remove) => store.remove(...remove),
      write: (operations) =>
        isBroken ? Promise.reject(new StoreError('full', 'no room')) : store.write(operations),
    },
    { limit: 1 },
  );
  await rows.put('a', 'apple', clock.now() + 1000);
  isBroken = true;
  await assert.rejects(rows.put('a', 'avocado', clock.now() + 2000), StoreError);
  await assert.rejects(rows.put('b', 'berry', clock.now() + 2000), StoreError);
  await assert.rejects(rows.remove('a'), StoreError);
  assert.deepEqual([...rows.entries()], [['a', 'apple', clock.now() + 1000]]);
  isBroken = false;
  await rows.put('b', 'berry', clock.now() + 2000);
  assert.deepEqual([...rows.entries()], [['b', 'berry', clock.now() + 2000]]);
});

test('a damaged row, or one of another shape, is logged and removed; the others stay', async (t) => {
  const { clock, log, open, table } = await bench(t);
  await using store = await open();
  const raw = store.table(name);
  await store.write([
    store.put(raw, Buffer.from('shape'), JSON.stringify({ value: 7, expiresAt: clock.now() + 9 })),
    store.put(raw, Buffer.from('text'), 'no JSON'),
    store.put(raw, Buffer.from('good'), JSON.stringify({ value: 'x', expiresAt: clock.now() + 9 })),
  ]);
  const rows = table(store);
  assert.equal(rows.size, 1);
  assert.equal(log.lines.filter(({ event }) => event === 'state-row-damaged').length, 2);
  await rows.put('new', 'x', clock.now() + 9);
  assert.equal(raw.count(), 2);
});

test('a key that no table could hold is an error, not a row', async (t) => {
  const { clock, open, table } = await bench(t);
  await using store = await open();
  const rows = table(store);
  await assert.rejects(rows.put('x'.repeat(300), 'x', clock.now() + 9), StoreError);
  assert.equal(rows.size, 0);
});
