import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createResolver } from '../dns/index.ts';
import { type FakeZone, startFakeDns } from '../dns/testing.ts';
import { parseDomain } from '../mail/index.ts';
import { findExchangers, findHost, type MxOptions } from './mx.ts';

const signal = new AbortController().signal;

/** The list as text: `name/address …`, or the code and detail of the reply. */
async function exchangers(zone: FakeZone, domain: string, changes: Partial<MxOptions> = {}): Promise<string> {
  await using dns = await startFakeDns(zone);
  await using resolver = createResolver({ servers: [dns.address], attempts: 1 });
  const parsed = parseDomain(domain);
  assert.ok(parsed);
  const list = await findExchangers(
    parsed,
    {
      resolver,
      families: 'any',
      ownNames: new Set(['relay.test']),
      ownAddresses: new Set(['198.51.100.1', '2001:db8::1']),
      refusePrivate: true,
      random: () => 0,
      ...changes,
    },
    signal,
  );
  return list.kind === 'hosts'
    ? list.hosts.map(({ host, address }) => `${host}/${address}`).join(' ')
    : `${list.reply.code} ${list.reply.detail}`;
}

/** Addresses that are reachable from everywhere, and where nobody takes mail (RFC 7535). */
const hosts: FakeZone = {
  'a.test': { A: ['192.31.196.1'] },
  'b.test': { A: ['192.31.196.2'] },
  'c.test': { A: ['192.31.196.3'] },
  'relay.test': { A: ['192.31.196.99'] },
  'alias.test': { A: ['198.51.100.1'] },
};

test('exchangers come by preference', async () => {
  const MX = [
    [20, 'b.test'],
    [10, 'a.test'],
    [30, 'c.test'],
  ] as const;
  assert.equal(
    await exchangers({ ...hosts, 'd.test': { MX } }, 'd.test'),
    'a.test/192.31.196.1 b.test/192.31.196.2 c.test/192.31.196.3',
  );
});

test('exchangers of equal preference are shuffled', async () => {
  const MX = [
    [10, 'a.test'],
    [10, 'b.test'],
    [5, 'c.test'],
  ] as const;
  const orders = [0.9, 0.1, 0.5];
  const zone = { ...hosts, 'd.test': { MX } };
  assert.equal(
    await exchangers(zone, 'd.test', { random: () => orders.shift() ?? 0 }),
    'c.test/192.31.196.3 b.test/192.31.196.2 a.test/192.31.196.1',
  );
});

test('a domain without MX is its own exchanger', async () => {
  assert.equal(await exchangers(hosts, 'a.test'), 'a.test/192.31.196.1');
});

test('when there is an MX the address of the domain is never used', async () => {
  const zone = { 'd.test': { A: ['192.31.196.1'], MX: [[10, 'gone.test']] } } as const;
  assert.equal(await exchangers(zone, 'd.test'), '550 4.4');
});

test('a null MX is permanent with 5.1.10', async () => {
  assert.equal(await exchangers({ 'd.test': { A: ['192.31.196.1'], MX: [[0, '.']] } }, 'd.test'), '556 1.10');
});

test('the root among other exchangers is passed over', async () => {
  const MX = [
    [0, '.'],
    [10, 'a.test'],
  ] as const;
  assert.equal(await exchangers({ ...hosts, 'd.test': { MX } }, 'd.test'), 'a.test/192.31.196.1');
});

test('a domain that does not exist is permanent with 5.1.2, one without address too', async () => {
  assert.equal(await exchangers(hosts, 'nowhere.test'), '550 1.2');
  assert.equal(await exchangers({ 'd.test': { TXT: ['x'] } }, 'd.test'), '550 1.2');
});

test('a name server that fails is transient with 4.4.3', async () => {
  assert.equal(await exchangers({ 'd.test': { fault: 'servfail' } }, 'd.test'), '451 4.3');
  const zone = { 'd.test': { MX: [[10, 'x.test']] }, 'x.test': { fault: 'servfail' } } as const;
  assert.equal(await exchangers(zone, 'd.test'), '451 4.3');
});

test('an exchanger that cannot be looked up does not hide the next', async () => {
  const MX = [
    [10, 'x.test'],
    [20, 'b.test'],
  ] as const;
  const zone = { ...hosts, 'd.test': { MX }, 'x.test': { fault: 'servfail' } } as const;
  assert.equal(await exchangers(zone, 'd.test'), 'b.test/192.31.196.2');
});

test('ourselves by name: we and all that are not better are dropped', async () => {
  const MX = [
    [10, 'a.test'],
    [20, 'Relay.test'],
    [20, 'b.test'],
    [30, 'c.test'],
  ] as const;
  assert.equal(await exchangers({ ...hosts, 'd.test': { MX } }, 'd.test'), 'a.test/192.31.196.1');
});

test('ourselves by address under another name: the same', async () => {
  const MX = [
    [10, 'a.test'],
    [20, 'alias.test'],
    [30, 'c.test'],
  ] as const;
  assert.equal(await exchangers({ ...hosts, 'd.test': { MX } }, 'd.test'), 'a.test/192.31.196.1');
});

test('when nobody is better than us the mail loops: permanent with 5.4.6', async () => {
  const MX = [
    [10, 'relay.test'],
    [20, 'c.test'],
  ] as const;
  assert.equal(await exchangers({ ...hosts, 'd.test': { MX } }, 'd.test'), '550 4.6');
  assert.equal(await exchangers(hosts, 'relay.test'), '550 4.6');
});

test('private and loopback addresses are not connected to', async () => {
  for (const address of ['127.0.0.1', '10.1.2.3', '192.168.0.1', '169.254.169.254', '100.64.0.1']) {
    const zone = { 'd.test': { MX: [[10, 'x.test']] }, 'x.test': { A: [address] } } as const;
    assert.equal(await exchangers(zone, 'd.test'), '550 4.4', address);
    assert.equal(await exchangers(zone, 'd.test', { refusePrivate: false }), `x.test/${address}`);
  }
  for (const address of ['::1', '::', '::ffff:10.0.0.1', 'fc00::1', 'fe80::1']) {
    const zone = { 'd.test': { AAAA: [address] } } as const;
    assert.equal(await exchangers(zone, 'd.test'), '550 4.4', address);
  }
});

/** Each leads to a private destination, or to nobody, as an AAAA record and as an address literal. */
const translated = [
  ...['64:ff9b::10.0.0.1', '64:ff9b::7f00:1', '64:ff9b:1::10.0.0.1', '2002:a00:1::1', '2002:7f00:1::'],
  ...['2001:0:808:808::f5ff:fffe', '2001:0:a00:1::f7f7:f7f7', '::10.0.0.1', '::ffff:0:10.0.0.1'],
  ...['2600::5efe:10.0.0.1', '2600::200:5efe:a00:1', '2002:808:808::5efe:10.0.0.1', 'fec0::1', '100::1'],
  ...['5f00::1', '3fff::1', '2001:db8::25', '2001:2::1', 'ff02::1', '64:ff9b::c058:6301'],
];

test('transition addresses of private destinations, and special ones, are not connected to', async () => {
  for (const address of translated) {
    assert.equal(await exchangers({ 'd.test': { AAAA: [address] } }, 'd.test'), '550 4.4', address);
    assert.equal(await exchangers({}, `[IPv6:${address}]`), '550 4.4', address);
  }
  for (const address of ['192.88.99.1', '192.0.2.1', '198.18.0.1', '240.0.0.1', '224.0.0.1', '192.0.0.8']) {
    assert.equal(await exchangers({ 'd.test': { A: [address] } }, 'd.test'), '550 4.4', address);
    assert.equal(await exchangers({}, `[${address}]`), '550 4.4', address);
  }
});

test('transition addresses of public destinations are connected to', async () => {
  for (const address of ['64:ff9b::c01f:c401', '2002:c01f:c401::1', '2600::5efe:c01f:c401'])
    assert.equal(await exchangers({ 'd.test': { AAAA: [address] } }, 'd.test'), `d.test/${address}`);
});

test('ourselves in another form: a mapped address, or one that a translator leads to', async () => {
  for (const address of ['::ffff:198.51.100.1', '64:ff9b::198.51.100.1', '2002:c633:6401::25']) {
    const zone = { 'd.test': { MX: [[10, 'x.test']] }, 'x.test': { AAAA: [address] } } as const;
    assert.equal(await exchangers(zone, 'd.test', { refusePrivate: false }), '550 4.6', address);
    assert.equal(await exchangers({}, `[IPv6:${address}]`, { refusePrivate: false }), '550 4.6', address);
  }
});

test('0.0.0.0 and :: are this machine, also where private exchangers are wanted', async () => {
  for (const refusePrivate of [true, false]) {
    for (const record of [{ A: ['0.0.0.0'] }, { AAAA: ['::'] }, { AAAA: ['::ffff:0.0.0.0'] }])
      assert.equal(await exchangers({ 'd.test': record }, 'd.test', { refusePrivate }), '550 4.4');
  }
});

test('private addresses among public ones are left out', async () => {
  const MX = [
    [10, 'x.test'],
    [20, 'a.test'],
  ] as const;
  const zone = { ...hosts, 'd.test': { MX }, 'x.test': { A: ['10.0.0.1', '192.31.196.9'] } } as const;
  assert.equal(await exchangers(zone, 'd.test'), 'x.test/192.31.196.9 a.test/192.31.196.1');
});

test('a private exchanger is transient while another could not be looked up', async () => {
  const MX = [
    [10, 'x.test'],
    [20, 'y.test'],
  ] as const;
  const zone = { 'd.test': { MX }, 'x.test': { A: ['10.0.0.1'] }, 'y.test': { fault: 'servfail' } } as const;
  assert.equal(await exchangers(zone, 'd.test'), '451 4.3');
});

test('both families are used in turn, or the one that the route allows', async () => {
  const zone = { 'd.test': { A: ['192.31.196.1', '192.31.196.2'], AAAA: ['2a00::1', '2a00::2'] } } as const;
  assert.equal(
    await exchangers(zone, 'd.test'),
    'd.test/2a00::1 d.test/192.31.196.1 d.test/2a00::2 d.test/192.31.196.2',
  );
  assert.equal(
    await exchangers(zone, 'd.test', { families: 'ipv4' }),
    'd.test/192.31.196.1 d.test/192.31.196.2',
  );
  assert.equal(await exchangers(zone, 'd.test', { families: 'ipv6' }), 'd.test/2a00::1 d.test/2a00::2');
});

test('an address literal is dialled as it is, with the same tests', async () => {
  assert.equal(await exchangers({}, '[192.31.196.5]'), '[192.31.196.5]/192.31.196.5');
  assert.equal(await exchangers({}, '[IPv6:2a00::1]'), '[IPv6:2a00::1]/2a00::1');
  assert.equal(await exchangers({}, '[198.51.100.1]'), '550 4.6');
  assert.equal(await exchangers({}, '[127.0.0.1]'), '550 4.4');
  assert.equal(await exchangers({}, '[IPv6:::ffff:127.0.0.1]'), '550 4.4');
  assert.equal(await exchangers({}, '[192.31.196.5]', { families: 'ipv6' }), '550 4.4');
});

test('a static host is looked up by address and private ones are allowed; failures are transient', async () => {
  await using dns = await startFakeDns({
    'smart.test': { A: ['10.0.0.1'], MX: [[1, 'other.test']] },
    'broken.test': { fault: 'servfail' },
  });
  await using resolver = createResolver({ servers: [dns.address], attempts: 1 });
  const find = (host: string) => findHost(host, { resolver, families: 'any' }, signal);
  assert.deepEqual(await find('smart.test'), {
    kind: 'hosts',
    hosts: [{ host: 'smart.test', address: '10.0.0.1' }],
  });
  assert.deepEqual(await find('10.0.0.7'), {
    kind: 'hosts',
    hosts: [{ host: '10.0.0.7', address: '10.0.0.7' }],
  });
  assert.deepEqual(await find('localhost'), {
    kind: 'hosts',
    hosts: ['127.0.0.1', '::1'].map((address) => ({ host: 'localhost', address })),
  });
  const gone = await find('gone.test');
  assert.equal(gone.kind === 'failed' && gone.reply.code, 451);
  const broken = await find('broken.test');
  assert.equal(broken.kind === 'failed' && broken.reply.detail, '4.3');
});
