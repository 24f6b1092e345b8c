import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { DueHeap } from './due-heap.ts';
import { Fifo } from './fifo.ts';

describe('the heap of due keys', () => {
  it('gives every key once, the soonest first, at its last set time', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 30 }), fc.nat(1000))), (sets) => {
        const heap = new DueHeap(100);
        const expected = new Map<string, number>();
        for (const [key, at] of sets) {
          heap.set(`k${key}`, at);
          expected.set(`k${key}`, at);
        }
        const taken: number[] = [];
        for (let key = heap.take(1000); key !== undefined; key = heap.take(1000)) {
          taken.push(expected.get(key) ?? -1);
          expected.delete(key);
        }
        assert.equal(expected.size, 0);
        assert.deepEqual(
          taken,
          taken.toSorted((a, b) => a - b),
        );
      }),
    );
  });

  it('gives nothing that is not due and nothing that was deleted', () => {
    const heap = new DueHeap(2);
    heap.set('a', 10);
    heap.set('b', 5);
    assert.equal(heap.set('c', 1), false);
    heap.delete('b');
    assert.equal(heap.take(9), undefined);
    assert.equal(heap.peek(), 10);
    assert.equal(heap.take(10), 'a');
    assert.equal(heap.size, 0);
  });
});

describe('the first-in first-out list', () => {
  it('keeps the order over many items', () => {
    const fifo = new Fifo<number>();
    const out: (number | undefined)[] = [];
    for (let i = 0; i < 5000; i++) {
      fifo.push(i);
      if (i % 3 === 0) out.push(fifo.shift());
    }
    out.push(...fifo.takeAll());
    assert.deepEqual(out, [...Array(5000).keys()]);
    assert.equal(fifo.length, 0);
  });
});
