import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseResolvConf, reverseLabels, reverseName } from './index.ts';

test('addresses are reversed as RFC 5782 shows', () => {
  assert.equal(reverseLabels('192.0.2.99'), '99.2.0.192');
  assert.equal(
    reverseLabels('2001:db8:1:2:3:4:567:89ab'),
    'b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2',
  );
  assert.equal(reverseLabels('mail.example.org'), undefined);
});

test('an IPv4-mapped address is reversed as the IPv6 address it is, for the test entries of lists', () => {
  const expected = '2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0';
  assert.equal(reverseLabels('::FFFF:7F00:2'), expected);
  assert.equal(reverseLabels('::ffff:127.0.0.2'), expected);
});

test('PTR names end in the tree of their family', () => {
  assert.equal(reverseName('192.0.2.1'), '1.2.0.192.in-addr.arpa');
  assert.equal(reverseName('::1')?.endsWith('0.0.0.ip6.arpa'), true);
});

test('resolv.conf gives its first three servers, and an empty one this machine', () => {
  const text =
    '# comment\nnameserver 10.0.0.1\nsearch example.org\n nameserver\t::1\nnameserver 3.3.3.3\nnameserver 4.4.4.4\n';
  assert.deepEqual(parseResolvConf(text), ['10.0.0.1', '::1', '3.3.3.3']);
  assert.deepEqual(parseResolvConf('options ndots:1\n'), ['127.0.0.1']);
});
