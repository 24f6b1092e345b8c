import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nearest } from './nearest.ts';

const names = ['listeners', 'limits', 'logs', 'mx', 'queue list', 'queue release'];

test('a slip of the finger leads to what was meant', () => {
  for (const [typed, meant] of [
    ['lisetners', 'listeners'],
    ['listener', 'listeners'],
    ['LIMITS', 'limits'],
    ['limts', 'limits'],
    ['mix', 'mx'],
    ['queue lst', 'queue list'],
    ['queue relaese', 'queue release'],
  ] as const) {
    assert.equal(nearest(typed, names), meant, typed);
  }
});

test('the beginning of a name leads to it', () => {
  assert.equal(nearest('listen', names), 'listeners');
  assert.equal(nearest('queue rel', names), 'queue release');
});

test('what is like nothing leads nowhere', () => {
  for (const typed of ['', 'domains', 'completely different', 'l'.repeat(100_000)])
    assert.equal(nearest(typed, names), undefined, typed.slice(0, 20));
});
