import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HashGate, hashPassword } from './hash-gate.ts';

test('clients take turns: a flood from one of them keeps nobody else from logging in', async () => {
  const gate = new HashGate();
  const hashed = await hashPassword('sesame');
  const flood = Array.from({ length: 300 }, () =>
    gate.verify({ hashed: undefined, password: 'x', by: 'flooder' }),
  );
  let before = 0;
  for (const each of flood) void each.then((outcome) => outcome !== 'busy' && before++);
  assert.equal(await gate.verify({ hashed, password: 'sesame', by: 'anna' }), true);
  assert.ok(before <= 3, `${before} of the flood came first`);
  const others = Array.from({ length: 10 }, (_, i) =>
    gate.verify({ hashed, password: 'sesame', by: `other${i}` }),
  );
  assert.deepEqual(await Promise.all(others), Array(10).fill(true));
  const outcomes = await Promise.all(flood);
  assert.ok(outcomes.filter((outcome) => outcome === 'busy').length >= 230);
  assert.ok(!outcomes.includes(true));
});

test('a hash that is none is a wrong password', async () => {
  const gate = new HashGate();
  assert.equal(await gate.verify({ hashed: 'garbage', password: 'x', by: 'a' }), false);
  assert.equal(await gate.verify({ hashed: await hashPassword('y'), password: 'y', by: 'a' }), true);
});
