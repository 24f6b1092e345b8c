import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualClock } from '../base/index.ts';
import { reply } from '../mail/index.ts';
import { HostMemory } from './host-memory.ts';

const why = reply(451, '4.1', 'no');
const minute = 60_000;

function memory() {
  const clock = manualClock();
  const hosts = new HostMemory(clock, { avoidMs: minute, avoidMaxMs: 8 * minute, tlsRetryMs: 5 * minute });
  const order = () => hosts.order(['a', 'b'], (name) => [name, `${name}.test`]).join('');
  return { clock, hosts, order };
}

test('a host is avoided for a while that doubles up to its limit, and one attempt probes it in between', () => {
  const { clock, hosts, order } = memory();
  for (const minutes of [1, 2, 4, 8, 8, 8]) {
    hosts.failed('a', why);
    assert.equal(order(), 'ba');
    clock.advance(minutes * minute - 1);
    assert.equal(order(), 'ba');
    clock.advance(1);
    assert.equal(order(), 'ab', `${minutes}: the probe`);
    assert.equal(order(), 'ba', 'the others wait for what it finds');
  }
  assert.equal(hosts.record('a')?.failures, 6);
  hosts.answered('a');
  assert.equal(order(), 'ab');
  assert.equal(hosts.isEmpty, true);
});

test('all names of a host are kept away from others while one is probed', () => {
  const { clock, hosts, order } = memory();
  for (const key of ['a', 'a.test']) hosts.failed(key, why);
  clock.advance(minute);
  assert.equal(hosts.isAvoided('a.test'), false);
  assert.equal(order(), 'ab');
  assert.equal(hosts.isAvoided('a.test'), true);
});

test('broken transactions count in a row; that it answers is not enough to forget them, that it works is', () => {
  const { hosts } = memory();
  for (let i = 0; i < 2; i++) {
    hosts.broke('a', why);
    hosts.answered('a');
  }
  assert.equal(hosts.isAvoided('a'), false);
  hosts.worked('a');
  for (let i = 0; i < 2; i++) hosts.broke('a', why);
  assert.equal(hosts.isAvoided('a'), false);
  hosts.broke('a', why);
  assert.equal(hosts.isAvoided('a'), true);
  hosts.answered('a');
  assert.equal(hosts.isAvoided('a'), true);
});

test('since when is the first failure, and what is remembered is bounded', () => {
  const { clock, hosts } = memory();
  const since = clock.now();
  hosts.broke('a', why);
  clock.advance(minute);
  hosts.failed('a', reply(421, '3.2', 'last'));
  assert.deepEqual([hosts.record('a')?.since, hosts.record('a')?.reply.code], [since, 421]);
  for (let i = 0; i < 20_000; i++) hosts.failed(`x${i}`, why);
  assert.equal(hosts.record('x0'), undefined);
  assert.ok(hosts.record('x19999'));
});
