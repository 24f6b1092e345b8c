import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { crc32 } from 'node:zlib';
import { decodeEntries, type Entry, encodeEntry } from './journal.ts';
import { StateFiles, type Storable } from './state.ts';

const of = '00'.repeat(32);

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'posthouse-state-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Counts entries, and has an array with their number. */
class Counter implements Storable {
  readonly array: Uint8Array;
  readonly seen: Entry[] = [];
  saved: unknown;
  constructor(octets = 100) {
    this.array = new Uint8Array(octets);
  }
  arrays() {
    return [this.array];
  }
  save() {
    return { count: this.seen.length };
  }
  restore(saved: unknown) {
    this.saved = saved;
  }
  apply(entry: Entry) {
    this.seen.push(entry);
  }
}

const report = (n: number): Entry => ({
  ...{ kind: 'report', now: n, side: 'reported', cluster: n, reporter: `reporter${n}`, isKnown: false },
});

async function written(folder: string, count: number): Promise<void> {
  const files = new StateFiles(folder, new Counter(), of);
  await files.open();
  for (let n = 0; n < count; n++) files.note(report(n));
  await files.sync();
}

async function reopened(folder: string, { octets = 100, like = of } = {}) {
  const counter = new Counter(octets);
  const restored = await new StateFiles(folder, counter, like).open();
  return { ...restored, counter };
}

test('a journal counts up to where it was broken off or damaged, wherever that is', async (t) => {
  const folder = await folderOf(t);
  await written(folder, 5);
  const path = join(folder, 'journal-1');
  const whole = await readFile(path);
  const clear = async () => {
    for (const name of await readdir(folder)) await rm(join(folder, name));
  };
  for (let length = 0; length <= whole.length; length++) {
    await clear();
    await writeFile(path, whole.subarray(0, length));
    const { entries, torn, because } = await reopened(folder);
    assert.equal(because, undefined);
    assert.ok(entries <= 5 && (entries === 5 ? torn === 0 : torn < 150), `${length}: ${entries}, ${torn}`);
    assert.equal(entries === 5, length === whole.length);
  }
  for (let place = 36; place < whole.length; place++) {
    await clear();
    const flipped = Buffer.from(whole);
    flipped[place] = (flipped[place] ?? 0) ^ 4;
    await writeFile(path, flipped);
    const { entries, torn } = await reopened(folder);
    assert.ok(entries < 5 && torn > 0, `${place}: ${entries}`);
  }
});

test('what was written behind a journal that is damaged is put aside, and what comes after a crash is not', async (t) => {
  const folder = await folderOf(t);
  await written(folder, 5);
  await appendFile(join(folder, 'journal-1'), 'broken off');
  await written(folder, 3);
  await written(folder, 2);
  assert.equal((await reopened(folder)).entries, 10);
  const path = join(folder, 'journal-1');
  const octets = await readFile(path);
  octets[octets.length - 20] = (octets[octets.length - 20] ?? 0) ^ 1;
  await writeFile(path, octets);
  const { entries, torn, because, counter } = await reopened(folder);
  assert.deepEqual([entries, torn > 0], [4, true]);
  assert.match(because ?? '', /^journal-2, journal-3.*: what is before it is damaged$/);
  assert.ok((await readdir(folder)).includes('journal-2.unusable'));
  assert.equal(counter.seen.length, 4);
  assert.equal((await reopened(folder)).entries, 4);
});

test('a snapshot that is damaged anywhere, or of something else, is put aside with its journals', async (t) => {
  const folder = await folderOf(t);
  {
    const counter = new Counter();
    await using files = new StateFiles(folder, counter, of);
    await files.open();
    counter.array.fill(7);
    files.note(report(1));
  }
  const path = join(folder, 'snapshot');
  const whole = await readFile(path);
  const sound = await reopened(folder);
  assert.deepEqual([sound.counter.array[50], sound.because], [7, undefined]);
  const damaged = Array.from({ length: whole.length }, (_, place) => {
    const flipped = Buffer.from(whole);
    flipped[place] = (flipped[place] ?? 0) ^ 4;
    return flipped;
  });
  const short = Array.from({ length: whole.length }, (_, length) => whole.subarray(0, length));
  for (const octets of [...damaged, ...short]) {
    await writeFile(path, octets);
    await written(folder, 0);
    const names = await readdir(folder);
    assert.ok(names.includes('snapshot.unusable') && !names.includes('snapshot'), `${names}`);
    const { counter, because } = await reopened(folder);
    assert.ok(because === undefined && counter.array.every((octet) => octet === 0));
  }
  await writeFile(path, whole);
  assert.match((await reopened(folder, { octets: 200 })).because ?? '', /another key, size or layout/);
  await writeFile(path, whole);
  assert.match((await reopened(folder, { like: '11'.repeat(32) })).because ?? '', /another key/);
});

test('a journal of another key or size is not played', async (t) => {
  const folder = await folderOf(t);
  await written(folder, 5);
  const { entries, because } = await reopened(folder, { like: '11'.repeat(32) });
  assert.equal(entries, 0);
  assert.match(because ?? '', /journal-1: it is of another key/);
  assert.ok((await readdir(folder)).includes('journal-1.unusable'));
});

/** Runs in a process whose files may have `blocks` × 512 octets, as on a full disk. */
function withFullDisk(blocks: number, script: string): string {
  const source = JSON.stringify(new URL('./state.ts', import.meta.url).href);
  const program = `const { StateFiles } = await import(${source});
    const said = (error) => console.log('rejected', error.code);
    const report = (n) => ({ kind: 'report', now: n, side: 'reported', cluster: n, reporter: 'r'.repeat(100), isKnown: false });
    ${script}`;
  const ran = spawnSync(
    'sh',
    ['-c', `ulimit -f ${blocks}; exec "$0" --input-type=module -e "$1"`, process.execPath, program],
    { encoding: 'utf8', timeout: 30_000 },
  );
  assert.equal(ran.status, 0, ran.stderr);
  return ran.stdout;
}

test('a disk that is full in the middle of a journal leaves what was whole, and it is said', async (t) => {
  const folder = await folderOf(t);
  const out = withFullDisk(
    200,
    `const counter = { arrays: () => [], save: () => ({}), restore() {}, apply() {} };
    const files = new StateFiles(${JSON.stringify(folder)}, counter, '${of}');
    await files.open();
    for (let n = 0; n < 10; n++) files.note(report(n));
    await files.sync();
    for (let n = 10; n < 2000; n++) files.note(report(n));
    await files.sync().catch(said);
    await files.sync().catch(said);`,
  );
  assert.equal(out, 'rejected EFBIG\nrejected EFBIG\n');
  const { entries, torn } = await reopened(folder);
  assert.deepEqual([entries, torn], [10, 0]);
});

test('a disk that is full in the middle of a snapshot leaves the one before and the journals', async (t) => {
  const folder = await folderOf(t);
  {
    const counter = new Counter(5_000_000);
    await using files = new StateFiles(folder, counter, of);
    await files.open();
    counter.array.fill(7);
    files.note(report(1));
  }
  const out = withFullDisk(
    8000,
    `const array = new Uint8Array(5_000_000);
    const counter = { arrays: () => [array], save: () => ({}), restore() {}, apply() {} };
    const files = new StateFiles(${JSON.stringify(folder)}, counter, '${of}');
    await files.open();
    array.fill(9);
    for (let n = 0; n < 10; n++) files.note(report(n));
    await files[Symbol.asyncDispose]().catch(said);`,
  );
  assert.equal(out, 'rejected EFBIG\n');
  const { entries, counter, because } = await reopened(folder, { octets: 5_000_000 });
  assert.deepEqual([entries, counter.array[4_999_999], because], [10, 7, undefined]);
});

test('a snapshot that cannot be written is tried again later, and nothing is lost meanwhile', async (t) => {
  const folder = await folderOf(t);
  const files = new StateFiles(folder, new Counter(), of);
  await files.open();
  await mkdir(join(folder, 'snapshot.new'));
  for (let n = 0; n < 5; n++) files.note(report(n));
  await assert.rejects(files[Symbol.asyncDispose](), /EISDIR/);
  await rm(join(folder, 'snapshot.new'), { recursive: true });
  assert.equal((await reopened(folder)).entries, 5);
});

test('an entry whose lists are longer than it is, is where the journal ends', () => {
  const whole = encodeEntry({
    ...{
      kind: 'copy',
      now: 1,
      ref: 0,
      begins: true,
      lists: [[1, 2]],
      recipients: [3],
      keys: [],
      keyFeatures: [],
    },
  });
  assert.equal([...decodeEntries(whole)].length, 1);
  const body = whole.subarray(8);
  for (const wrong of [
    body.subarray(0, 10),
    body.subarray(0, 20),
    body.subarray(0, -8),
    Buffer.concat([body, Buffer.alloc(8)]),
  ]) {
    const head = Buffer.alloc(8);
    head.writeUInt32LE(wrong.length, 0);
    head.writeUInt32LE(crc32(wrong), 4);
    assert.deepEqual([...decodeEntries(Buffer.concat([whole, head, wrong]))].length, 1);
  }
});

test('a tally is a claim in the journal, so that journals of earlier releases are read', () => {
  const counts = { cluster: 7, generation: 1, core: [[1, 2]], sizes: [2], cut: 9, reported: 0, revoked: 0 };
  const times = { firstSeen: 3, lastSeen: 4 };
  const take = { claim: { ...counts, ...times }, account: 'aa', origin: 'bb' };
  const sketch = Buffer.alloc(256, 1);
  const body = Buffer.from(
    `T${JSON.stringify({ kind: 'take', now: 5, ref: 0, take, sketch: sketch.toString('base64') })}`,
  );
  const head = Buffer.alloc(8);
  head.writeUInt32LE(body.length, 0);
  head.writeUInt32LE(crc32(body), 4);
  const [read] = [...decodeEntries(Buffer.concat([head, body]))];
  assert.ok(read?.entry.kind === 'take');
  assert.deepEqual(read.entry.take, {
    tally: { ...counts, ...times, sketch: new Uint8Array(sketch) },
    account: 'aa',
    origin: 'bb',
  });
  const again = encodeEntry(read.entry).subarray(9).toString();
  assert.deepEqual(JSON.parse(again), JSON.parse(body.subarray(1).toString()));
});

test('a report is a word in the journal, so that journals of earlier releases are read', () => {
  const octets = encodeEntry(report(1));
  assert.equal(JSON.parse(octets.subarray(9).toString()).kind, 'word');
  assert.deepEqual(
    [...decodeEntries(octets)].map(({ entry }) => entry),
    [report(1)],
  );
});
