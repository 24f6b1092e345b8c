import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { manualClock, memoryLog } from '../base/index.ts';
import { ExpiringTable, Store } from '../store/index.ts';
import type { WindowOptions } from './options.ts';
import { Windows } from './windows.ts';
import { windowsPerBlock } from './windows-blocks.ts';
import { decodeWindow, type StoredWindow } from './windows-row.ts';

const minute = 60_000;
const name = { name: 'windows', kind: 1 };
const client = '192.0.2.7';

async function bench(t: TestContext, options: Partial<WindowOptions> = {}) {
  const path = await mkdtemp(join(tmpdir(), 'posthouse-windows-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  const clock = manualClock();
  const log = memoryLog();
  const all: WindowOptions = {
    windowMs: 20 * minute,
    maxLifeMs: 24 * 60 * minute,
    ipv6Prefix: 128,
    allowSharedRange: false,
    allowLoopback: false,
    ...options,
  };
  const facts = {
    isOwn: (address: string) => address === '198.51.100.1',
    isProxy: (address: string) => address === '198.51.100.2',
    untruth: (address: string) => (address === '10.0.0.1' ? { because: 'our gateway' } : undefined),
  };
  const storage = { isBroken: false };
  const open = async () => {
    const store = await Store.open({ path, tables: [name], version: 1, clock, log, floorBytes: 0 });
    const table = new ExpiringTable<StoredWindow>({
      store: {
        table: (which) => store.table(which),
        put: (...put) => store.put(...put),
        remove: (...remove) => store.remove(...remove),
        write: (writes) => (storage.isBroken ? Promise.reject(new Error('full')) : store.write(writes)),
      },
      name,
      decode: decodeWindow,
      limit: 1000,
      clock,
      log,
    });
    const held = new Set<string>();
    const windows = new Windows(
      { table, facts, holds: (_, credential) => held.has(credential), clock, log },
      all,
    );
    const login = (user: string, address = client) => windows.open({ address, name: user, source: 'pop3' });
    return { store, windows, login, held, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
  };
  return { clock, log, storage, open, all };
}

test('a login opens a window for its address until the instant of its end', async (t) => {
  const { clock, open, log } = await bench(t);
  await using place = await open();
  const { windows, login } = place;
  assert.equal(windows.find(client), undefined);
  const outcome = await login('anna@example.org');
  assert.deepEqual(outcome, {
    outcome: 'opened',
    address: client,
    expiresAt: clock.now() + 20 * minute,
  });
  clock.advance(20 * minute - 1000);
  assert.deepEqual(windows.find(client), {
    address: client,
    names: ['anna@example.org'],
    source: 'pop3',
    openedAt: clock.now() - 20 * minute + 1000,
    lastAt: clock.now() - 20 * minute + 1000,
    expiresAt: clock.now() + 1000,
    needsAuth: false,
  });
  assert.equal(windows.find('192.0.2.8'), undefined);
  clock.advance(1000);
  assert.equal(windows.find(client), undefined);
  assert.deepEqual(
    log.lines.map(({ event }) => event),
    ['window-opened'],
  );
});

test('a new login renews the window, up to its longest life', async (t) => {
  const { clock, open } = await bench(t, { maxLifeMs: 30 * minute });
  await using place = await open();
  await place.login('anna');
  clock.advance(19 * minute);
  assert.equal((await place.login('Anna')).outcome, 'renewed');
  assert.equal(place.windows.find(client)?.expiresAt, clock.now() + 11 * minute);
  clock.advance(11 * minute);
  assert.equal(place.windows.find(client), undefined);
  assert.equal((await place.login('anna')).outcome, 'opened');
});

test('each name ends by itself', async (t) => {
  const { clock, open } = await bench(t);
  await using place = await open();
  await place.login('anna');
  clock.advance(15 * minute);
  await place.login('bert');
  assert.deepEqual(place.windows.find(client)?.names, ['anna', 'bert']);
  clock.advance(5 * minute);
  assert.deepEqual(place.windows.find(client)?.names, ['bert']);
});

test('logins from one address at the same time are all kept', async (t) => {
  const { open } = await bench(t);
  await using place = await open();
  const names = ['anna', 'bert', 'cleo', 'dora'];
  await Promise.all(names.map((user) => place.login(user)));
  assert.deepEqual(place.windows.find(client)?.names, names);
});

test('windows survive a restart and expire by the clock on the wall', async (t) => {
  const { clock, open } = await bench(t);
  {
    await using place = await open();
    await place.login('anna');
    await place.login('bert', '2001:db8::7');
  }
  clock.advance(19 * minute);
  {
    await using place = await open();
    assert.deepEqual(place.windows.find(client)?.names, ['anna']);
    assert.deepEqual([...place.windows.list()].map(({ address }) => address).sort(), [client, '2001:db8::7']);
  }
  clock.advance(minute);
  await using place = await open();
  assert.equal(place.windows.find(client), undefined);
  assert.equal(place.windows.size, 0);
});

test('a clock that is set back by much closes windows instead of prolonging them', async (t) => {
  const { clock, open } = await bench(t);
  await using place = await open();
  await place.login('anna');
  clock.advance(-30_000);
  assert.deepEqual(place.windows.find(client)?.names, ['anna'], 'a correction of the clock is no matter');
  clock.advance(-60 * minute);
  assert.equal(place.windows.find(client), undefined);
  assert.equal((await place.login('anna')).outcome, 'opened');
  assert.equal(place.windows.find(client)?.expiresAt, clock.now() + 20 * minute);
});

test('an IPv4-mapped address is the IPv4 address', async (t) => {
  const { open } = await bench(t);
  await using place = await open();
  await place.login('anna', `::ffff:${client}`);
  assert.deepEqual(place.windows.find(client)?.names, ['anna']);
});

test('an IPv6 window is for one address, or for its /64 where that is asked for', async (t) => {
  const exact = await bench(t);
  await using one = await exact.open();
  await one.login('anna', '2001:DB8:0::1');
  assert.ok(one.windows.find('2001:db8::1'));
  assert.equal(one.windows.find('2001:db8::2'), undefined);
  const wide = await bench(t, { ipv6Prefix: 64 });
  await using all = await wide.open();
  await all.login('anna', '2001:db8::1');
  assert.ok(all.windows.find('2001:db8::ffff:2'));
  assert.equal(all.windows.find('2001:db8:0:1::1'), undefined);
  await all.login('bert');
  assert.equal(all.windows.find('192.0.2.8'), undefined, 'IPv4 is exact all the same');
  assert.equal(await all.windows.revoke({ address: '2001:db8:0:0::/64' }), 1);
});

const refused: readonly (readonly [address: string, because: RegExp])[] = [
  ['127.0.0.1', /this machine/],
  ['::1', /this machine/],
  ['::ffff:127.0.0.1', /this machine/],
  ['198.51.100.1', /an address of this machine/],
  ['198.51.100.2', /a listed proxy/],
  ['10.0.0.1', /our gateway/],
  ['100.64.1.1', /many customers/],
  ['fe80::1%eth0', /link-local/],
  ['2001:db8::1%eth0', /link-local/],
  ['169.254.1.1', /link-local/],
  ['0.0.0.0', /no address of a client/],
  ['224.0.0.1', /no address of a client/],
  ['192.0.2.7/24', /not an IP address/],
  ['192.0.2.7 rip=192.0.2.8', /not an IP address/],
];

for (const [address, because] of refused) {
  test(`no window is ever opened for ${address}`, async (t) => {
    const { open, log } = await bench(t);
    await using place = await open();
    const outcome = await place.login('anna', address);
    assert.equal(outcome.outcome, 'refused');
    assert.match(outcome.outcome === 'refused' ? outcome.because : '', because);
    assert.equal(place.windows.size, 0);
    assert.deepEqual(
      log.lines.map(({ event }) => event),
      ['window-refused'],
    );
  });
}

test('loopback and the shared range are opened where options say so', async (t) => {
  const { open } = await bench(t, { allowLoopback: true, allowSharedRange: true });
  await using place = await open();
  assert.equal((await place.login('anna', '127.0.0.2')).outcome, 'opened');
  assert.equal((await place.login('anna', '100.64.1.1')).outcome, 'opened');
});

test('who says no name, is anonymous, or brings control characters opens nothing', async (t) => {
  const { open } = await bench(t);
  await using place = await open();
  for (const user of ['', ' ', 'anonymous', 'ANONYMOUS', 'anna\r\nx', 'anna\0', 'a'.repeat(400)])
    assert.equal((await place.login(user)).outcome, 'refused', JSON.stringify(user));
});

test('with too many names behind one address each of them has to log in', async (t) => {
  const { clock, open, log } = await bench(t, { identitiesPerAddress: 2 });
  await using place = await open();
  await place.login('anna');
  await place.login('bert');
  assert.equal(place.windows.find(client)?.needsAuth, false);
  clock.advance(minute);
  await place.login('cleo');
  assert.equal(place.windows.find(client)?.needsAuth, true);
  assert.equal(log.lines.filter(({ event }) => event === 'window-shared').length, 1);
  clock.advance(19 * minute);
  assert.equal(place.windows.find(client)?.needsAuth, false, 'the first two are gone');
});

test('names behind one address are bounded without the option, too', async (t) => {
  const { open } = await bench(t);
  await using place = await open();
  for (let user = 0; user < 80; user++) await place.login(`user${user}`);
  const window = place.windows.find(client);
  assert.equal(window?.names.length, 50);
  assert.equal(window?.needsAuth, true);
});

test('windows are revoked by address and by name', async (t) => {
  const { open, log } = await bench(t);
  await using place = await open();
  await place.login('anna');
  await place.login('bert');
  await place.login('Anna', '192.0.2.8');
  assert.equal(await place.windows.revoke({ name: 'ANNA' }), 2);
  assert.deepEqual(place.windows.find(client)?.names, ['bert']);
  assert.equal(place.windows.find('192.0.2.8'), undefined);
  assert.equal(await place.windows.revoke({ address: `::ffff:${client}` }), 1);
  assert.equal(await place.windows.revoke({ address: client }), 0);
  assert.equal(place.windows.size, 0);
  assert.equal(log.lines.filter(({ event }) => event === 'window-revoked').length, 3);
});

test('what cannot be kept on disk opens nothing, and a failed revocation says so', async (t) => {
  const { open, storage } = await bench(t);
  await using place = await open();
  storage.isBroken = true;
  const outcome = await place.login('anna');
  assert.deepEqual(outcome, { outcome: 'refused', because: 'full' });
  assert.equal(place.windows.find(client), undefined);
  storage.isBroken = false;
  await place.login('anna');
  storage.isBroken = true;
  await assert.rejects(place.windows.revoke({ address: client }));
  assert.ok(place.windows.find(client), 'what is on disk still counts');
});

test('the table of windows is bounded: the oldest goes first', async (t) => {
  const { clock, open } = await bench(t);
  await using place = await open();
  for (let i = 0; i < 1010; i++) {
    await place.login('anna', `198.18.${i >> 8}.${i & 255}`);
    clock.advance(1);
  }
  assert.equal(place.windows.size, 1000);
  assert.equal(place.windows.find('198.18.0.9'), undefined);
  assert.ok(place.windows.find('198.18.0.10'));
});

test('a window of a user of ours ends with what was shown for it', async (t) => {
  const { open } = await bench(t);
  await using place = await open();
  place.held.add('the password of May');
  await place.windows.open({
    address: client,
    name: 'anna',
    source: 'pop3',
    credential: 'the password of May',
  });
  await place.login('bert');
  assert.deepEqual(place.windows.find(client)?.names, ['anna', 'bert']);
  place.held.clear();
  assert.deepEqual(place.windows.find(client)?.names, ['bert']);
  assert.deepEqual(
    [...place.windows.list()].map(({ names }) => names),
    [['bert']],
  );
  assert.equal(await place.windows.revoke({ name: 'bert' }), 1);
  assert.equal(place.windows.find(client), undefined);
});

test('the windows of one IPv6 network do not take the room of everybody', async (t) => {
  const { open } = await bench(t);
  await using place = await open();
  await place.login('bert');
  await place.login('carl', '2001:db8:1:3::1');
  for (let i = 1; i <= windowsPerBlock + 5; i++) await place.login('anna', `2001:db8:1:2::${i.toString(16)}`);
  assert.equal([...place.windows.list()].length, windowsPerBlock + 2);
  for (const first of ['2001:db8:1:2::1', '2001:db8:1:2::5'])
    assert.equal(place.windows.find(first), undefined);
  for (const last of ['2001:db8:1:2::6', `2001:db8:1:2::${(windowsPerBlock + 5).toString(16)}`])
    assert.ok(place.windows.find(last), last);
  assert.deepEqual(place.windows.find(client)?.names, ['bert']);
  assert.ok(place.windows.find('2001:db8:1:3::1'));
});
