import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fuzz } from './fuzz/fuzz.ts';
import { inputOf } from './fuzz/input.ts';
import { targets } from './fuzz/targets.ts';

/** For all targets together. */
const budgetMs = 5000;

test('a seed makes the same input every time, and another seed another one', () => {
  assert.deepEqual(inputOf(7), inputOf(7));
  assert.notDeepEqual(inputOf(7), inputOf(8));
});

test('what breaks a target is found, repeated by its seed and made small', async () => {
  const broken = {
    name: 'broken',
    run: (input: Uint8Array) => assert.ok(!Buffer.from(input).includes('RSET')),
  };
  const { failure } = await fuzz(broken, { seed: 1, budgetMs: 10_000 });
  assert.equal(failure?.input.toString(), 'RSET');
  const again = await fuzz(broken, { seed: failure?.seed ?? 0, budgetMs: 0 });
  assert.equal(again.runs, 1);
  assert.equal(again.failure?.seed, failure?.seed);
});

for (const target of targets) {
  test(`${target.name} holds against random input`, { timeout: 60_000 }, async (t) => {
    const seed = Date.now() % 2 ** 32;
    const { runs, failure } = await fuzz(target, { seed, budgetMs: budgetMs / targets.length });
    t.diagnostic(`${runs} runs from seed ${seed}`);
    if (failure === undefined) return;
    const text = JSON.stringify(failure.input.toString('latin1'));
    throw new Error(`broken by ${text}, seed ${failure.seed}`, { cause: failure.error });
  });
}
