/** Hosts with their ports, as text. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatHostPort } from './index.ts';

test('an IPv6 address has brackets, and nothing else has', () => {
  assert.equal(formatHostPort('2001:db8::1', 25), '[2001:db8::1]:25');
  assert.equal(formatHostPort('10.0.0.5', 587), '10.0.0.5:587');
  assert.equal(formatHostPort('smart.example', 0), 'smart.example:0');
});
