import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonicalIp, octetsOf, parseCidr } from './ip.ts';
import { embeddedIpv4, isGlobal, isPrivate, isUnspecified, specialAddresses } from './special-addresses.ts';

/** The first and the last address of a network. */
function ends(network: string): readonly [string, string] {
  const cidr = parseCidr(network);
  const first = cidr && octetsOf(cidr.address);
  assert.ok(cidr && first, network);
  const last = first.map((octet, i) => octet | (0xff >> Math.min(8, Math.max(0, cidr.prefix - 8 * i))));
  return [cidr.address, textOf(last)];
}

function textOf(octets: Uint8Array): string {
  if (octets.length === 4) return octets.join('.');
  const groups = Buffer.from(octets).toString('hex').match(/.{4}/g) ?? [];
  return canonicalIp(groups.join(':')) ?? assert.fail();
}

/** Carriers of IPv4: the carried address decides, so their own range says nothing. */
const carriers = new Set(['64:ff9b::/96', '2002::/16', '2001::/32']);

for (const [network, name, source, reach] of specialAddresses) {
  test(`${network} is ${name} (${source}), ${reach === 'global' ? 'and' : 'and not'} globally reachable`, () => {
    // Networks inside of others that are not reachable have their own lines.
    const sides = reach === 'global' || network === '::/0' ? ends(network).slice(0, 1) : ends(network);
    if (carriers.has(network) || network === '2000::/3') return;
    for (const address of sides) {
      assert.equal(isGlobal(address), reach === 'global', address);
      if (network !== '::/0') assert.equal(isPrivate(address), reach === 'private', address);
    }
  });
}

test('the addresses beside special networks are global', () => {
  const neighbours = [
    ...[
      '1.0.0.0',
      '9.255.255.255',
      '11.0.0.0',
      '100.63.255.255',
      '100.128.0.0',
      '126.255.255.255',
      '128.0.0.0',
    ],
    ...['169.253.255.255', '169.255.0.0', '172.15.255.255', '172.32.0.0', '191.255.255.255', '192.0.1.0'],
    ...['192.0.1.255', '192.0.3.0', '192.88.98.255', '192.88.100.0', '192.167.255.255', '192.169.0.0'],
    ...['198.17.255.255', '198.20.0.0', '198.51.99.255', '198.51.101.0', '203.0.112.255', '203.0.114.0'],
    ...['223.255.255.255', '8.8.8.8', '2001:200::', '2001:db7:ffff::', '2001:db9::', '2003::', '2600::1'],
    ...['2a00:1450::1', '3ffd::', '3fff:1000::', '2620:4f:7fff::1', '2620:4f:8001::1'],
  ];
  for (const address of neighbours) {
    assert.equal(isGlobal(address), true, address);
    assert.equal(isPrivate(address), false, address);
  }
});

/** Transition addresses, in any spelling, and the addresses within them. */
const transitions: readonly (readonly [text: string, inner: readonly string[], isGlobal: boolean])[] = [
  ['64:ff9b::8.8.8.8', ['8.8.8.8'], true],
  ['64:ff9b::127.0.0.1', ['127.0.0.1'], false],
  ['64:FF9B:0:0:0:0:0A00:0001', ['10.0.0.1'], false],
  ['64:ff9b::169.254.169.254', ['169.254.169.254'], false],
  ['64:ff9b::192.88.99.1', ['192.88.99.1'], false],
  ['64:ff9b::0.0.0.0', ['0.0.0.0'], false],
  ['64:ff9b:0:0:1::8.8.8.8', [], false],
  ['64:ff9b:1::8.8.8.8', [], false],
  ['64:ff9b:1:7f00:0:100::', [], false],
  ['2002:808:808::1', ['8.8.8.8'], true],
  ['2002:7f00:1::', ['127.0.0.1'], false],
  ['2002:c0a8:101::1', ['192.168.1.1'], false],
  ['2002:a9fe:a9fe::', ['169.254.169.254'], false],
  // The client is inverted: f7f7:f7f7 is 8.8.8.8, 80ff:fffe is 127.0.0.1.
  ['2001:0:808:808::f7f7:f7f7', ['8.8.8.8', '8.8.8.8'], true],
  ['2001:0:808:808::80ff:fffe', ['8.8.8.8', '127.0.0.1'], false],
  ['2001:0:a00:1::f7f7:f7f7', ['10.0.0.1', '8.8.8.8'], false],
  ['2600::5efe:8.8.8.8', ['8.8.8.8'], true],
  ['2600::5efe:10.0.0.1', ['10.0.0.1'], false],
  ['2600::200:5efe:172.16.0.1', ['172.16.0.1'], false],
  ['2600::300:5efe:172.16.0.1', [], true],
  // doubly: an ISATAP host in a 6to4 network
  ['2002:808:808::5efe:10.0.0.1', ['8.8.8.8', '10.0.0.1'], false],
  ['2002:a00:1::5efe:8.8.8.8', ['10.0.0.1', '8.8.8.8'], false],
  ['::8.8.8.8', ['8.8.8.8'], false],
  ['::10.0.0.1', ['10.0.0.1'], false],
  ['::ffff:0:8.8.8.8', ['8.8.8.8'], false],
  ['::ffff:0:10.0.0.1', ['10.0.0.1'], false],
  ['::ffff:8.8.8.8', [], true],
  ['::ffff:10.0.0.1', [], false],
  ['0:0:0:0:0:FFFF:7F00:1', [], false],
  ['[::ffff:7f00:1]', [], false],
  ['fe80::1%eth0', [], false],
  ['4000::1', [], false],
];

test('a transition address is judged by what it carries as well', () => {
  for (const [text, inner, expected] of transitions) {
    const address = canonicalIp(text) ?? assert.fail(text);
    assert.deepEqual(embeddedIpv4(address), inner, text);
    assert.equal(isGlobal(address), expected, text);
  }
});

test('what a transition address carries is no reason to trust it', () => {
  for (const text of ['64:ff9b::10.0.0.1', '2002:a00:1::1', '2600::5efe:10.0.0.1', '2001:0:a00:1::f5ff:fffe'])
    assert.equal(isPrivate(canonicalIp(text) ?? assert.fail()), false, text);
});

test('what is no canonical address is neither global nor private', () => {
  for (const text of [
    '',
    'localhost',
    '10.1',
    '2130706433',
    '0177.0.0.1',
    '010.0.0.1',
    '::ffff:010.0.0.1',
    '1.2.3.4 ',
  ]) {
    assert.equal(isGlobal(text), false, text);
    assert.equal(isPrivate(text), false, text);
    assert.equal(canonicalIp(text), undefined, text);
  }
});

test('only 0.0.0.0 and :: are unspecified, however they are written', () => {
  for (const text of ['0.0.0.0', '::', '0:0:0:0:0:0:0:0', '::ffff:0.0.0.0'])
    assert.equal(isUnspecified(canonicalIp(text) ?? ''), true, text);
  for (const address of ['0.0.0.1', '::1']) assert.equal(isUnspecified(address), false, address);
});
