import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IpSet, manualClock, memoryLog, parseCidr } from '../../base/index.ts';
import { defaultDoorLimits } from '../options.ts';
import { Gate } from './gate.ts';

const set = (...networks: readonly string[]) => new IpSet(networks.flatMap((text) => parseCidr(text) ?? []));
const never = () => Promise.reject(new Error('nobody asks'));

test('this machine and networks that are known may ask ten times as often', () => {
  const gate = new Gate({
    name: 'door',
    at: { host: '127.0.0.1', port: 0 },
    clearinghouse: { check: never, report: never, revoke: never },
    access: { allowed: set('127.0.0.1', '192.0.2.0/24'), known: set('192.0.2.1') },
    limits: defaultDoorLimits,
    clock: manualClock(),
    log: memoryLog(),
  });
  const most = (address: string) => {
    const visitor = gate.visitorOf(address);
    assert.ok(visitor !== undefined);
    let count = 0;
    while (gate.admits(visitor)) count++;
    return count;
  };
  assert.deepEqual(['192.0.2.9', '192.0.2.1', '127.0.0.1'].map(most), [6000, 60_000, 60_000]);
  assert.equal(gate.visitorOf('198.51.100.1'), undefined);
});
