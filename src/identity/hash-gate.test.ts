import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HashGate, hashPassword } from './hash-gate.ts';

test('clients take turns: a flood from one of them keeps nobody else from logging in', async () => {
  const gate = new HashGate();
  const hashed = await hashPassword('sesame');
  const flood = Array.from({ length: 300 }, () =>
    gate.verify({ hashed: undefined, password: 'x', from: '192.0.2.1', name: 'flooder' }),
  );
  let before = 0;
  for (const each of flood) void each.then((outcome) => outcome !== 'busy' && before++);
  assert.equal(await gate.verify({ hashed, password: 'sesame', from: '192.0.2.2', name: 'anna' }), true);
  assert.ok(before <= 3, `${before} of the flood came first`);
  const others = Array.from({ length: 10 }, (_, i) =>
    gate.verify({ hashed, password: 'sesame', from: `198.51.100.${i}`, name: `other${i}` }),
  );
  assert.deepEqual(await Promise.all(others), Array(10).fill(true));
  const outcomes = await Promise.all(flood);
  assert.ok(outcomes.filter((outcome) => outcome === 'busy').length >= 230);
  assert.ok(!outcomes.includes(true));
});

test('a hash that is none is a wrong password', async () => {
  const gate = new HashGate();
  assert.equal(await gate.verify({ hashed: 'garbage', password: 'x', from: 'a', name: 'a' }), false);
  assert.equal(
    await gate.verify({ hashed: await hashPassword('y'), password: 'y', from: 'a', name: 'a' }),
    true,
  );
});

/** The number of others that were hashed before this one, and its result. */
async function turnsOf(
  gate: HashGate,
  flood: readonly { from: string; name: string }[],
  own: { from: string; name: string },
) {
  let before = 0;
  for (const each of flood)
    void gate
      .verify({ hashed: undefined, password: 'x', ...each })
      .then((outcome) => outcome !== 'busy' && before++);
  const outcome = await gate.verify({ hashed: undefined, password: 'y', ...own });
  return { outcome, before };
}

test('a name that is guessed at from many addresses keeps nobody else waiting', async () => {
  const flood = Array.from({ length: 200 }, (_, i) => ({ from: `198.51.100.${i}`, name: 'anna' }));
  const { outcome, before } = await turnsOf(new HashGate(), flood, { from: '192.0.2.1', name: 'bob' });
  assert.equal(outcome, false);
  assert.ok(before <= 3, `${before} came first`);
});

test('an address that tries many names keeps no other address waiting', async () => {
  const flood = Array.from({ length: 200 }, (_, i) => ({ from: '198.51.100.1', name: `u${i}` }));
  const { outcome, before } = await turnsOf(new HashGate(), flood, { from: '192.0.2.1', name: 'bob' });
  assert.equal(outcome, false);
  assert.ok(before <= 3, `${before} came first`);
});

test('one user who floods keeps a neighbour at the same address waiting for a few turns at most', async () => {
  const flood = Array.from({ length: 60 }, () => ({ from: '198.51.100.1', name: 'anna' }));
  const { outcome, before } = await turnsOf(new HashGate(), flood, { from: '198.51.100.1', name: 'bob' });
  assert.equal(outcome, false);
  assert.ok(before <= 4, `${before} came first`);
});
