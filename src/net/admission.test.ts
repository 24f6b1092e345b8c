/** Limits of connections, in all and of each client. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Admission } from './index.ts';

const limits = { all: 3, perClient: 2 };

test('a client has so many connections at one time, and leaves make room', () => {
  const admission = new Admission();
  const leave = admission.enter('192.0.2.1', limits);
  admission.enter('192.0.2.1', limits);
  assert.equal(admission.enter('192.0.2.1', limits), 'client');
  assert.equal(typeof admission.enter('192.0.2.2', limits), 'function');
  assert.equal(admission.enter('192.0.2.3', limits), 'all');
  assert.ok(typeof leave === 'function');
  leave();
  assert.equal(typeof admission.enter('192.0.2.1', limits), 'function');
});

test('all addresses of an IPv6 network are one client', () => {
  const admission = new Admission();
  admission.enter('2001:db8:1:2::1', limits);
  admission.enter('2001:db8:1:2:ffff::7', limits);
  assert.equal(admission.enter('2001:db8:1:2::9', limits), 'client');
  assert.equal(typeof admission.enter('2001:db8:1:3::9', limits), 'function');
});

test('other limits count from the next connection on', () => {
  const admission = new Admission();
  admission.enter('192.0.2.1', limits);
  assert.equal(admission.enter('192.0.2.1', { all: 3, perClient: 1 }), 'client');
  assert.equal(admission.enter('192.0.2.1', { all: 1, perClient: 9 }), 'all');
});
