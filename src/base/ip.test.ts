import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { canonicalIp, IpSet, isLoopback, parseCidr } from './ip.ts';
import { isPrivate } from './special-addresses.ts';

describe('addresses of the Internet', () => {
  it('has one spelling for each address', () => {
    const table: [string, string | undefined][] = [
      ['192.0.2.1', '192.0.2.1'],
      ['[192.0.2.1]', '192.0.2.1'],
      ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
      ['::ffff:192.0.2.1', '192.0.2.1'],
      ['::ffff:c000:0201', '192.0.2.1'],
      ['fe80::1%eth0', 'fe80::1'],
      ['[FE80::1%25eth0]', 'fe80::1'],
      ['192.0.2.1%eth0', undefined],
      ['192.0.2.01', undefined],
      ['192.0.2.256', undefined],
      ['example.org', undefined],
      ['', undefined],
    ];
    for (const [text, expected] of table) assert.equal(canonicalIp(text), expected, text);
  });

  it('refuses networks that are none', () => {
    for (const text of ['10.0.0.0/33', '10.0.0/8', '::/129', 'x', '10.0.0.0/', '1.2.3.4/-1']) {
      assert.equal(parseCidr(text), undefined, text);
    }
  });

  it('matches members only', () => {
    const set = new IpSet(['10.8.0.0/24', '2001:db8::/32', '::1'].flatMap((text) => parseCidr(text) ?? []));
    assert.deepEqual(
      ['10.8.0.255', '10.8.1.0', '2001:db8:ffff::1', '2001:db9::1', '::1', '::2', 'junk'].map((a) =>
        set.has(a),
      ),
      [true, false, true, false, true, false, false],
    );
  });

  it('finds no IPv4 address in an IPv6 network, as a mapped one would be', () => {
    for (const text of ['::/0', '::/16', '::/64']) {
      const set = new IpSet([parseCidr(text) ?? { address: '', prefix: 0, family: 'ipv6' }]);
      assert.equal(set.has('8.8.8.8'), false, text);
      assert.equal(set.has('::8'), true, text);
    }
  });

  it('treats a mapped IPv4 network as the IPv4 network it is', () => {
    const set = new IpSet([parseCidr('::ffff:10.0.0.0/104') ?? { address: '', prefix: 0, family: 'ipv4' }]);
    assert.equal(set.has('10.1.2.3'), true);
    assert.equal(set.has('11.1.2.3'), false);
  });

  it('knows which addresses are not of the public Internet', () => {
    for (const address of [
      '127.0.0.1',
      '10.1.1.1',
      '0.0.0.0',
      '169.254.1.1',
      '::1',
      '::',
      'fd00::1',
      '224.0.0.1',
    ]) {
      assert.equal(isPrivate(address), true, address);
    }
    for (const address of ['192.0.2.1', '8.8.8.8', '2001:db8::1', '172.32.0.1']) {
      assert.equal(isPrivate(address), false, address);
    }
    assert.equal(isLoopback('127.9.9.9'), true);
    assert.equal(isLoopback('128.0.0.1'), false);
  });
});
