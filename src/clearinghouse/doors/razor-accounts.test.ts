import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { manualClock, memoryLog } from '../../base/index.ts';
import { RazorAccounts, razorProof } from './razor-accounts.ts';

const dayMs = 86_400_000;

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'posthouse-razor-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Names that an address gets when it asks so often. */
function registered(accounts: RazorAccounts, address: string, times: number): string[] {
  return Array.from({ length: times }).flatMap(() => accounts.register(address, {})?.user ?? []);
}

test('one address makes five accounts a minute and fifty a day, and others are not kept from theirs', () => {
  const clock = manualClock(Date.UTC(2026, 0, 1));
  const accounts = new RazorAccounts({ clock });
  assert.equal(registered(accounts, '192.0.2.1', 1000).length, 5);
  assert.equal(registered(accounts, '192.0.2.2', 1).length, 1);
  const network = Array.from(
    { length: 50 },
    (_, n) => registered(accounts, `2001:db8:1:2::${n + 1}`, 1).length,
  );
  assert.equal(network.filter((made) => made > 0).length, 5, 'a /64 is one address');
  let count = 5;
  for (let minute = 0; minute < 100; minute++) {
    clock.advance(60_000);
    count += registered(accounts, '192.0.2.1', 6).length;
  }
  assert.equal(count, 50);
  clock.advance(dayMs);
  assert.equal(registered(accounts, '192.0.2.1', 6).length, 5);
});

test('where it is full, an account that nobody came back to for ninety days gives its place, and no other', () => {
  const clock = manualClock();
  const accounts = new RazorAccounts({ clock, maxAccounts: 3 });
  for (const user of ['anna', 'bob', 'carl'])
    assert.ok(accounts.register('192.0.2.1', { user, password: 'secret' }) !== undefined);
  const answer = razorProof('secret', 'abc');
  assert.ok(accounts.proves('anna', { challenge: 'abc', answer }));
  assert.equal(accounts.register('192.0.2.2', { user: 'dora' }), undefined);
  clock.advance(90 * dayMs);
  assert.ok(accounts.register('192.0.2.2', { user: 'dora' }) !== undefined);
  assert.deepEqual(
    ['anna', 'bob', 'carl', 'dora'].filter((user) => accounts.has(user)),
    ['anna', 'carl', 'dora'],
  );
});

test('accounts are written together, once a second, and at the end what is left', async (t) => {
  const path = join(await folderOf(t), 'accounts');
  const clock = manualClock();
  const accounts = new RazorAccounts({ path, clock });
  for (const user of ['anna', 'bob']) accounts.register('192.0.2.1', { user, password: 'secret' });
  await assert.rejects(readFile(path), /ENOENT/);
  accounts.proves('anna', { challenge: 'abc', answer: razorProof('secret', 'abc') });
  clock.advance(1000);
  accounts.register('192.0.2.1', { user: 'carl', password: 'secret' });
  await accounts[Symbol.asyncDispose]();
  const day = Math.floor(clock.now() / dayMs);
  assert.equal(await readFile(path, 'utf8'), `anna:secret\nbob:secret:${day}\ncarl:secret:${day}\n`);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  const again = new RazorAccounts({ path, clock });
  assert.ok(again.has('anna') && again.has('bob') && again.has('carl'));
  assert.ok(again.proves('carl', { challenge: 'x', answer: razorProof('secret', 'x') }));
  await again[Symbol.asyncDispose]();
});

test('accounts that cannot be written are written when they can be', async (t) => {
  const folder = join(await folderOf(t), 'none');
  const log = memoryLog();
  const clock = manualClock();
  const accounts = new RazorAccounts({ path: join(folder, 'accounts'), clock, log });
  accounts.register('192.0.2.1', { user: 'anna', password: 'secret' });
  await accounts[Symbol.asyncDispose]();
  assert.deepEqual(
    log.lines.map(({ event }) => event),
    ['razor-accounts-unwritable'],
  );
  await mkdir(folder);
  await accounts[Symbol.asyncDispose]();
  assert.match(await readFile(join(folder, 'accounts'), 'utf8'), /^anna:/);
});
