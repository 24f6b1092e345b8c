/** Waits that double, up to a bound. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backOff } from './index.ts';

const pauses = { minMs: 1000, maxMs: 60_000 };

test('the wait doubles with each failure, from the shortest to the longest', () => {
  const waits = [1, 2, 3, 6, 7, 8, 1e9].map((failures) => backOff(failures, pauses));
  assert.deepEqual(waits, [1000, 2000, 4000, 32_000, 60_000, 60_000, 60_000]);
});

test('without a failure it is the shortest, and never longer than the longest', () => {
  assert.equal(backOff(0, pauses), 1000);
  assert.equal(backOff(1, { minMs: 10, maxMs: 5 }), 5);
});
