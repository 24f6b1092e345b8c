import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { manualClock, memoryLog } from '../base/index.ts';
import { openGuardMemory } from './memory-file.ts';

async function bench(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'posthouse-guard-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'guard.json');
  const [clock, log] = [manualClock(), memoryLog()];
  return { folder, path, clock, log, reopen: () => openGuardMemory(path, { clock, log }) };
}

test('what was put is there after a restart, until it expires or is removed', async (t) => {
  const { clock, reopen } = await bench(t);
  const memory = await reopen();
  assert.deepEqual([...memory.entries()], []);
  await memory.put('a', { n: 1 }, clock.now() + 1000);
  await memory.put('b', { n: 2 }, clock.now() + 2000);
  await memory.put('c', { n: 3 }, clock.now() + 2000);
  await memory.remove('c');
  assert.deepEqual(
    [...(await reopen()).entries()].map(([key]) => key),
    ['a', 'b'],
  );
  clock.advance(1000);
  assert.deepEqual([...(await reopen()).entries()], [['b', { n: 2 }]]);
  assert.deepEqual([...memory.entries()], [['b', { n: 2 }]]);
});

test('changes that come together are all durable when their promises resolve', async (t) => {
  const { folder, clock, reopen } = await bench(t);
  const memory = await reopen();
  const until = clock.now() + 1000;
  await Promise.all(Array.from({ length: 200 }, (_, n) => memory.put(`k${n}`, n, until)));
  assert.equal([...(await reopen()).entries()].length, 200);
  assert.deepEqual(await readdir(folder), ['guard.json'], 'nothing else is left');
});

test('a change that cannot be written rejects, and the next one writes it too', async (t) => {
  const { path, clock, reopen } = await bench(t);
  const memory = await reopen();
  await mkdir(`${path}.new`);
  await assert.rejects(memory.put('a', 1, clock.now() + 1000), /EISDIR/);
  await rm(`${path}.new`, { recursive: true, force: true });
  await memory.put('b', 2, clock.now() + 1000);
  assert.deepEqual(
    [...(await reopen()).entries()].map(([key]) => key),
    ['a', 'b'],
  );
});

test('a damaged file is set aside and said loudly', async (t) => {
  const { folder, path, log, reopen } = await bench(t);
  for (const text of ['{"rows":', '[]', '', '{"version":1}']) {
    await writeFile(path, text);
    assert.deepEqual([...(await reopen()).entries()], []);
  }
  assert.equal(log.lines.filter(({ event }) => event === 'guard-file-damaged').length, 4);
  assert.deepEqual(await readdir(folder), ['guard.json.damaged']);
});
