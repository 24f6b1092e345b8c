/** Hosts with their ports, as text. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatHostPort, type HostPort, isPort, splitHostPort } from './index.ts';

test('an IPv6 address has brackets, and nothing else has', () => {
  assert.equal(formatHostPort('2001:db8::1', 25), '[2001:db8::1]:25');
  assert.equal(formatHostPort('10.0.0.5', 587), '10.0.0.5:587');
  assert.equal(formatHostPort('smart.example', 0), 'smart.example:0');
});

const split: readonly (readonly [text: string, HostPort | undefined])[] = [
  ['mx.example.org', { host: 'mx.example.org' }],
  ['mx.example.org:2525', { host: 'mx.example.org', port: 2525 }],
  ['10.0.0.5:25', { host: '10.0.0.5', port: 25 }],
  ['[2001:db8::1]:25', { host: '2001:db8::1', port: 25 }],
  ['[2001:db8::1]', { host: '2001:db8::1' }],
  ['2001:db8::1', { host: '2001:db8::1' }],
  ['fe80::1%eth0', { host: 'fe80::1%eth0' }],
  ['host:0', { host: 'host', port: 0 }],
  ['host:99999', { host: 'host', port: 99_999 }],
  ['', undefined],
  [':25', undefined],
  ['[]:25', undefined],
  ['host:', undefined],
  ['host:x', undefined],
  ['host:25 ', undefined],
  ['host:123456', undefined],
  ['host:25:26', undefined],
  ['[2001:db8::1', undefined],
  ['[2001:db8::1]25', undefined],
  ['[[::1]]:25', undefined],
  ['/run/socket', undefined],
  ['unix:/run/socket', undefined],
  ['smtp://host:25', undefined],
];

for (const [text, parts] of split) {
  test(`"${text}" is ${parts === undefined ? 'no host and port' : 'split'}`, () => {
    assert.deepEqual(splitHostPort(text), parts);
  });
}

test('ports are from 1 to 65535', () => {
  assert.deepEqual([0, 1, 65_535, 65_536, 2.5, Number.NaN].map(isPort), [
    false,
    true,
    true,
    false,
    false,
    false,
  ]);
});
