/** Tests of walks in turns: that nothing is passed over, and that other work goes on. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openMemorySpool } from './memory-spool.ts';
import { inTurns, walkInTurns } from './walk.ts';

/** The turns of the event loop that pass while `work` is under way, and what it resolves with. */
async function turnsWhile<T>(work: () => Promise<T>): Promise<{ readonly turns: number; readonly value: T }> {
  let turns = 0;
  let isOver = false;
  const count = () => {
    if (isOver) return;
    turns++;
    setImmediate(count);
  };
  setImmediate(count);
  const value = await work();
  isOver = true;
  return { turns, value };
}

async function all<T>(items: AsyncIterable<T>): Promise<readonly T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

test('a walk over many gives each of them once, in order, and lets the others have their turns', async () => {
  const numbers = Array.from({ length: 1000 }, (_, number) => number);
  const { turns, value } = await turnsWhile(async () => await all(inTurns(numbers)));
  assert.deepEqual(value, numbers);
  assert.ok(turns >= 9, `${turns} turns`);
});

test('a walk that is left reads no further', async () => {
  let read = 0;
  const endless = (function* () {
    for (;;) yield ++read;
  })();
  for await (const number of inTurns(endless)) if (number === 250) break;
  assert.equal(read, 250);
});

test('a walk over nothing waits for nobody', async () => {
  await using spool = await openMemorySpool();
  const { turns, value } = await turnsWhile(async () => await all(walkInTurns(spool)));
  assert.deepEqual(value, []);
  assert.equal(turns, 0);
});
