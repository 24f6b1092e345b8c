import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Gathered } from './gathered.ts';

test('a message that comes octet by octet costs its octets and not a buffer for each', () => {
  const gathered = new Gathered();
  for (let n = 0; n < 1_000_000; n++) gathered.push(Buffer.from([n & 255]));
  assert.equal(gathered.length, 1_000_000);
  assert.ok(gathered.buffers <= 80, `${gathered.buffers} buffers`);
  const all = gathered.take();
  assert.ok(all.every((octet, at) => octet === (at & 255)));
  assert.deepEqual([gathered.length, gathered.buffers <= 1], [0, true]);
});

test('pieces of any size come out as they went in, and small ones may change afterwards', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 5000 }), { maxLength: 60 }), (sizes) => {
      const gathered = new Gathered();
      const scratch = Buffer.alloc(5000);
      const pieces = sizes.map((size, n) => {
        const piece = size < 2048 ? scratch.subarray(0, size) : Buffer.alloc(size);
        piece.fill(n + 1);
        gathered.push(piece);
        return Buffer.alloc(size, n + 1);
      });
      const half = gathered.length;
      assert.equal(half, Buffer.concat(pieces).length);
      assert.ok(gathered.take().equals(Buffer.concat(pieces)));
      gathered.push(Buffer.from('again'));
      assert.equal(gathered.take().toString(), 'again');
    }),
  );
});
