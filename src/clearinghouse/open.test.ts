import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Clock, manualClock, memoryLog, systemClock } from '../base/index.ts';
import { ClearinghouseBusy } from './ask.ts';
import { legacyKeys } from './keys/keys.ts';
import { openClearinghouse } from './open.ts';
import { defaultThresholds } from './options.ts';

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'posthouse-clearinghouse-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** With a key that is always the same, for a sketch of few recipients is one off under some keys. */
async function open(folder: string, log = memoryLog(), clock: Clock = systemClock) {
  await writeFile(join(folder, 'key'), 'a key of sixteen', { mode: 0o600 });
  return openClearinghouse({
    folder,
    memory: 32e6,
    thresholds: defaultThresholds,
    allowed: ['lists.example.org'],
    clock,
    log,
  });
}

const body = Array.from({ length: 60 }, (_, n) => `offer${n} money${n * 7}`)
  .join(' ')
  .replace(/(.{60,70}) /g, '$1\r\n');
const message = (n: number, more = '') => ({
  kind: 'message' as const,
  octets: Buffer.from(
    `From: x${n}@spam${n}.example\r\nTo: u${n}@ours.example\r\nSubject: hello\r\n${more}\r\n${body}\r\n`,
  ),
});
const source = (n: number) => ({ reporter: 'relay', isKnown: true, recipients: [`u${n}@ours.example`] });

test('copies are counted, reported and revoked, and each is told apart', async (t) => {
  await using clearinghouse = await open(await folderOf(t));
  assert.equal((await clearinghouse.check(message(0), source(0))).cluster, undefined);
  for (let n = 1; n < 12; n++) await clearinghouse.check(message(n), source(n));
  const bulk = await clearinghouse.check(message(12), source(12));
  assert.ok(bulk.isBulk && !bulk.isReported && bulk.confidence <= 50, JSON.stringify(bulk));
  assert.ok(Math.abs(bulk.count - 13) <= 1);
  for (const reporter of ['anna', 'bob', 'carl'])
    await clearinghouse.report(message(1), { ...source(1), reporter });
  const spam = await clearinghouse.check(message(13), source(13));
  assert.ok(spam.isReported && spam.confidence > 50, JSON.stringify(spam));
  for (const reporter of ['dora', 'emil']) await clearinghouse.revoke(message(1), { ...source(1), reporter });
  assert.ok((await clearinghouse.check(message(14), source(14))).isContested);
  const allowed = await clearinghouse.check(message(15, 'List-Id: <lists.example.org>\r\n'), source(15));
  assert.deepEqual([allowed.isAllowed, allowed.confidence], [true, 0]);
});

test('a look does not count', async (t) => {
  await using clearinghouse = await open(await folderOf(t));
  for (let n = 0; n < 5; n++) await clearinghouse.check(message(n), source(n));
  const looks = [];
  for (let n = 10; n < 20; n++)
    looks.push((await clearinghouse.check(message(n), source(n), { counts: false })).count);
  assert.deepEqual(new Set(looks).size, 1);
});

test('GTUBE and our own test string are a fixed hit', async (t) => {
  await using clearinghouse = await open(await folderOf(t));
  for (const text of [
    'XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X',
    'XJS*POSTHOUSE*BULK*TEST*STRING*C.34X',
  ]) {
    const octets = Buffer.from(`Subject: test\r\n\r\n${text}\r\n`);
    const verdict = await clearinghouse.check({ kind: 'message', octets }, source(1));
    assert.deepEqual([verdict.via, verdict.confidence, verdict.isBulk], ['test', 100, true]);
    const parts = `Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\n${text}\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>hello\r\n--b--\r\n`;
    const unseen = await clearinghouse.check({ kind: 'message', octets: Buffer.from(parts) }, source(1));
    assert.equal(unseen.via, 'test');
    const keys = legacyKeys(octets).filter(({ scheme }) => scheme === 'razor4');
    for (const verb of ['check', 'report', 'revoke'] as const)
      assert.equal((await clearinghouse[verb]({ kind: 'keys', keys }, source(1))).via, 'test');
  }
});

test('who sends a key alone hears of the cluster of the whole message', async (t) => {
  await using clearinghouse = await open(await folderOf(t));
  for (let n = 0; n < 12; n++) await clearinghouse.check(message(n), source(n));
  const keys = legacyKeys(message(3).octets).filter(({ scheme }) => scheme === 'pyzor');
  const verdict = await clearinghouse.check({ kind: 'keys', keys }, source(99));
  assert.ok(verdict.isBulk && verdict.via === 'key', JSON.stringify(verdict));
  const other = await clearinghouse.check(
    { kind: 'keys', keys: [{ scheme: 'pyzor', value: '0'.repeat(40) }] },
    source(99),
  );
  assert.equal(other.count, 0);
});

test('counts survive a restart, and a crash loses nothing that was synced', async (t) => {
  const folder = await folderOf(t);
  {
    await using first = await open(folder);
    for (let n = 0; n < 12; n++) await first.check(message(n), source(n));
    await first.report(message(1), { ...source(1), reporter: 'anna' });
  }
  const before = await readdir(folder);
  assert.ok(before.includes('snapshot'));
  {
    await using second = await open(folder);
    const verdict = await second.check(message(20), source(20));
    assert.ok(verdict.isBulk && verdict.reported > 0, JSON.stringify(verdict));
    for (let n = 30; n < 40; n++) await second.check(message(n), source(n));
  }
  await using third = await open(folder);
  assert.ok((await third.check(message(50), source(50))).count >= 21);
});

test('a damaged snapshot is left out and said, and a journal counts up to its damage', async (t) => {
  const folder = await folderOf(t);
  {
    await using first = await open(folder);
    for (let n = 0; n < 12; n++) await first.check(message(n), source(n));
  }
  const path = join(folder, 'snapshot');
  const octets = await readFile(path);
  octets[octets.length - 100] = (octets[octets.length - 100] ?? 0) ^ 0xff;
  await writeFile(path, octets);
  await writeFile(join(folder, 'journal-99'), 'rubbish that is no entry at all');
  const log = memoryLog();
  await using second = await open(folder, log);
  assert.ok(log.lines.some(({ event }) => event === 'clearinghouse-state-unusable'));
  assert.equal((await second.check(message(1), source(1))).cluster, undefined);
});

test('a verdict is explained in words, and an operator can allow what it names', async (t) => {
  const folder = await folderOf(t);
  let name = '';
  {
    await using clearinghouse = await open(folder);
    for (let n = 0; n < 15; n++) await clearinghouse.check(message(n), source(n));
    const looked = await clearinghouse.check(message(3), source(3), { counts: false, explains: true });
    assert.ok(looked.isBulk && (looked.matched?.length ?? 0) > 0, JSON.stringify(looked));
    assert.match(looked.matched?.[0] ?? '', /^"[^"]+ [^"]+"$/);
    name = looked.cluster ?? '';
    const allowed = await clearinghouse.allow({ kind: 'cluster', cluster: name }, true);
    assert.ok(allowed.isAllowed && allowed.confidence === 0);
    assert.deepEqual((await clearinghouse.stats()).allowed, 1);
    await assert.rejects(clearinghouse.allow({ kind: 'cluster', cluster: 'zz-9' }, true), /nothing like it/);
    for (const cluster of ['', '-', 'constructor', '1r-1-1'])
      await assert.rejects(clearinghouse.check({ kind: 'cluster', cluster }, source(1)), /nothing like it/);
  }
  await using again = await open(folder);
  assert.ok((await again.check(message(30), source(30))).isAllowed, 'it is on disk');
  assert.ok(!(await again.allow({ kind: 'cluster', cluster: name }, false)).isAllowed);
  assert.ok((await again.report({ kind: 'cluster', cluster: name }, source(1))).reported > 0);
});

test('copies that are identical are counted apart', async (t) => {
  await using clearinghouse = await open(await folderOf(t));
  for (let n = 0; n < 4; n++) await clearinghouse.check(message(1), source(n));
  const verdict = await clearinghouse.check(message(1), source(9), { counts: false });
  assert.deepEqual([verdict.exact, verdict.count], [4, 4]);
});

test('a clearinghouse that cannot be opened says so once, and is not begun again', async (t) => {
  const folder = await folderOf(t);
  await mkdir(join(folder, 'snapshot'));
  const [log, clock] = [memoryLog(), manualClock()];
  const options = { folder, memory: 16e6, thresholds: defaultThresholds, allowed: [], clock, log };
  await assert.rejects(openClearinghouse(options), /EISDIR/);
  clock.advance(60_000);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(log.lines.filter(({ event }) => event === 'clearinghouse-failed').length, 1);
});

test('a thread that does not come to an end of something is replaced, and who waited is told', async (t) => {
  const [log, clock] = [memoryLog(), manualClock()];
  await using clearinghouse = await open(await folderOf(t), log, clock);
  const waiting = clearinghouse.check(message(0), source(0));
  // No answer can have come yet.
  clock.advance(15_000);
  await assert.rejects(waiting, ClearinghouseBusy);
  assert.ok(log.lines.some(({ fields }) => fields.because === 'no answer for 15000 ms'));
  const ready = () => log.lines.filter(({ event }) => event === 'clearinghouse-ready').length;
  clock.advance(5000);
  while (ready() < 2) await new Promise((resolve) => setImmediate(resolve));
  assert.equal((await clearinghouse.check(message(1), source(1))).count, 1);
});
