import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Hash } from '../features/hash.ts';
import { Postings, type Ref, ways } from './postings.ts';

const found = (postings: Postings, feature: number): readonly Ref[] => {
  const refs = new Int32Array(ways);
  return [...refs.subarray(0, postings.find(feature, refs))];
};
const hash = new Hash(Buffer.from('0123456789abcdef'));

test('whatever is noted is found again, and nothing else is', () => {
  const postings = new Postings(2 ** 16);
  const features = Array.from({ length: 2000 }, (_, n) => hash.text(`feature ${n}`));
  for (const [n, feature] of features.entries()) postings.add(feature, n % 2 === 0 ? n + 1 : -n - 1);
  for (const [n, feature] of features.entries()) {
    assert.deepEqual(found(postings, feature), [n % 2 === 0 ? n + 1 : -n - 1], `feature ${n}`);
  }
  assert.ok(features.every((_, n) => found(postings, hash.text(`other ${n}`)).length === 0));
});

test('where there is no room single messages give way to clusters, and not the other way round', () => {
  const postings = new Postings(8);
  const features = Array.from({ length: 20 }, (_, n) => hash.text(`feature ${n}`));
  for (const feature of features.slice(0, 8)) postings.add(feature, -1);
  for (const feature of features.slice(8, 16)) postings.add(feature, 7);
  for (const feature of features.slice(8, 16)) assert.deepEqual(found(postings, feature), [7]);
  for (const feature of features.slice(16)) postings.add(feature, -2);
  for (const feature of features.slice(16)) assert.deepEqual(found(postings, feature), []);
});
