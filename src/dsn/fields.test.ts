import assert from 'node:assert/strict';
import { test } from 'node:test';
import { publicRelay } from './fields.ts';

test('a next hop is told of by its name or public address, and how a site is built inside is not', () => {
  const table: readonly (readonly [relay: string, told: string | undefined])[] = [
    ['mx.example.com[192.0.2.1]:25', 'mx.example.com'],
    ['[192.0.2.1]:25', '192.0.2.1'],
    ['[10.0.0.1]:25', undefined],
    ['[::ffff:10.0.0.1]:25', undefined],
    ['[64:ff9b::a00:1]:25', undefined],
    ['[2002:a00:1::1]:25', undefined],
    ['[fec0::1]:25', undefined],
    ['[2a00::1]:25', '2a00::1'],
    ['store.internal:24', undefined],
  ];
  for (const [relay, told] of table) assert.equal(publicRelay(relay), told, relay);
});
