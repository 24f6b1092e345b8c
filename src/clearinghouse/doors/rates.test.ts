import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualClock } from '../../base/index.ts';
import { Rates } from './rates.ts';

test('requests of an address are counted in their minute', () => {
  const clock = manualClock();
  const rates = new Rates(clock);
  assert.deepEqual(
    [1, 2, 3].map(() => rates.admits('192.0.2.1', 2)),
    [true, true, false],
  );
  assert.ok(rates.admits('192.0.2.2', 2));
  clock.advance(60_000);
  assert.ok(rates.admits('192.0.2.1', 2));
});

test('however many addresses are forged, who has used up its requests stays so, in bounded memory', () => {
  const rates = new Rates(manualClock(), 60_000, 1000);
  for (let n = 0; n < 100; n++) rates.admits('192.0.2.1', 100);
  for (let n = 0; n < 50_000; n++) {
    rates.admits(`forged ${n}`, 100);
    if (n % 10_000 === 0) assert.ok(!rates.admits('192.0.2.1', 100), `after ${n} forged ones`);
  }
  assert.ok(!rates.admits('192.0.2.1', 100));
  assert.ok(rates.size <= 1000);
});
