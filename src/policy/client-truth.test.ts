import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualClock, type SharedAddress } from '../base/index.ts';
import { createClientTruth, createInterfaceNetworks } from './client-truth.ts';

test('an address that others come through is told with what to do about it, as the machine is now', () => {
  const clock = manualClock();
  let shared: ReadonlyMap<string, SharedAddress> = new Map();
  const untruth = createClientTruth(clock, () => shared);
  assert.equal(untruth('172.17.0.1'), undefined);
  shared = new Map<string, SharedAddress>([
    ['172.17.0.1', { kind: 'bridge', interface: 'docker0' }],
    ['192.168.1.1', { kind: 'gateway' }],
  ]);
  assert.equal(untruth('172.17.0.1'), undefined, 'not looked at again so soon');
  clock.advance(10_001);
  assert.match(untruth('172.17.0.1')?.because ?? '', /bridge docker0/);
  assert.match(untruth('192.168.1.1')?.because ?? '', /default gateway/);
  assert.match(untruth('192.168.1.1')?.remedy ?? '', /PROXY protocol/);
  assert.equal(untruth('192.168.1.2'), undefined);
});

test('the networks of an interface count while it is there, and public ones never', () => {
  const clock = manualClock();
  const one = (cidr: string | null) => ({ cidr }) as never;
  let interfaces = {};
  const has = createInterfaceNetworks(clock, () => interfaces);
  assert.equal(has('wg0', '10.8.0.7'), false);
  interfaces = { wg0: [one('10.8.0.1/24'), one('fd00:8::1/64'), one(null)], eth0: [one('203.0.113.5/24')] };
  clock.advance(10_001);
  assert.equal(has('wg0', '10.8.0.7'), true);
  assert.equal(has('wg0', 'fd00:8::7'), true);
  assert.equal(has('wg0', '10.9.0.7'), false);
  assert.equal(has('eth0', '203.0.113.7'), false);
  interfaces = {};
  clock.advance(10_001);
  assert.equal(has('wg0', '10.8.0.7'), false);
});
