import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fifo } from './fifo.ts';

test('what goes in comes out in order, whatever the lengths between', () => {
  const fifo = new Fifo<number>();
  const expected: number[] = [];
  let next = 0;
  // Short and emptied often, then longer than what is moved up, then emptied, then short again.
  for (const [puts, takes] of [
    ...Array(50).fill([1, 1]),
    [5000, 3000],
    [10, 1500],
    [0, 600],
    [3, 2],
    [1, 2],
  ]) {
    for (let i = 0; i < puts; i++) {
      fifo.push(next);
      expected.push(next++);
    }
    for (let i = 0; i < takes; i++) assert.equal(fifo.shift(), expected.shift());
    assert.equal(fifo.length, expected.length);
  }
  assert.equal(fifo.shift(), undefined);
});

test('all that is left is taken out in order, and what is put in afterwards is alone', () => {
  const fifo = new Fifo<string>();
  for (const item of ['a', 'b', 'c']) fifo.push(item);
  fifo.shift();
  assert.deepEqual(fifo.takeAll(), ['b', 'c']);
  fifo.push('d');
  assert.deepEqual(fifo.takeAll(), ['d']);
  assert.deepEqual(fifo.takeAll(), []);
});
