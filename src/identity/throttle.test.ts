import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { manualClock, systemClock } from '../base/index.ts';
import { authenticator, client, usersFile } from './testing.ts';
import { Throttle } from './throttle.ts';

/** Tries and fails so many times; the milliseconds that each attempt waited. */
async function guess(
  throttle: Throttle,
  clock: ReturnType<typeof manualClock>,
  attempter: { readonly address: string; readonly name?: string },
  times: number,
): Promise<number[]> {
  const waits: number[] = [];
  for (let i = 0; i < times; i++) {
    waits.push(await waitOf(throttle, clock, attempter));
    throttle.failed(attempter);
  }
  return waits;
}

async function waitOf(
  throttle: Throttle,
  clock: ReturnType<typeof manualClock>,
  attempter: { readonly address: string; readonly name?: string },
): Promise<number> {
  let isOver = false;
  const entered = throttle.enter(attempter).finally(() => {
    isOver = true;
  });
  const begun = clock.now();
  await new Promise((resolve) => setImmediate(resolve));
  while (!isOver) {
    clock.advance(100);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(await entered, 'go');
  return clock.now() - begun;
}

const guesser = { address: '198.51.100.7', name: 'anna@example.org' };

test('a few wrong passwords cost nothing, then each costs twice as much, up to half a minute', async () => {
  const clock = manualClock();
  const waits = await guess(new Throttle(clock), clock, guesser, 12);
  assert.deepEqual(waits.slice(0, 3), [0, 0, 0]);
  assert.deepEqual(waits.slice(3, 6), [500, 1000, 2000]);
  assert.ok(waits.every((wait) => wait <= 30_000));
  assert.ok((waits.at(-1) ?? 0) >= 29_000);
});

test('other sessions from the address, and other addresses at the name, wait too', async () => {
  const clock = manualClock();
  const throttle = new Throttle(clock);
  await guess(throttle, clock, guesser, 8);
  assert.ok((await waitOf(throttle, clock, { address: guesser.address, name: 'bob' })) > 0);
  const many = new Throttle(clock);
  for (let i = 0; i < 8; i++) many.failed({ address: `198.51.100.${i}`, name: 'anna@example.org' });
  assert.ok((await waitOf(many, clock, { address: '192.0.2.1', name: 'ANNA@example.org' })) > 0);
  assert.equal(await waitOf(many, clock, { address: '192.0.2.1', name: 'bob' }), 0);
});

test('the right user from an address that is known does not wait for what others try at the name', async () => {
  const clock = manualClock();
  const throttle = new Throttle(clock);
  const home = { address: '192.0.2.55', name: 'anna@example.org' };
  throttle.succeeded(home);
  for (let i = 0; i < 100; i++) throttle.failed({ address: `198.51.100.${i}`, name: 'anna@example.org' });
  assert.equal(await waitOf(throttle, clock, home), 0);
  assert.ok((await waitOf(throttle, clock, { ...home, address: '192.0.2.56' })) > 0);
});

test('a proxy of ours is not made to pay for what comes through it', async () => {
  const clock = manualClock();
  const throttle = new Throttle(clock, (address) => address === '10.0.0.2');
  for (let i = 0; i < 50; i++) throttle.failed({ address: '10.0.0.2', name: `user${i}` });
  assert.equal(await waitOf(throttle, clock, { address: '10.0.0.2', name: 'bob' }), 0);
});

test('all addresses of an IPv6 network are one guesser', async () => {
  const clock = manualClock();
  const throttle = new Throttle(clock);
  for (let i = 0; i < 8; i++) throttle.failed({ address: `2001:db8:1:2::${i}`, name: `u${i}` });
  assert.ok((await waitOf(throttle, clock, { address: '2001:db8:1:2:ffff::1', name: 'x' })) > 0);
  assert.equal(await waitOf(throttle, clock, { address: '2001:db8:1:3::1', name: 'y' }), 0);
});

test('failures are forgotten with time', async () => {
  const clock = manualClock();
  const throttle = new Throttle(clock);
  await guess(throttle, clock, guesser, 10);
  clock.advance(3_600_000);
  assert.equal(await waitOf(throttle, clock, guesser), 0);
});

test('attempts at once are judged one after the other, and too many are told to come back', async () => {
  const clock = manualClock();
  const throttle = new Throttle(clock);
  for (let i = 0; i < 5; i++) throttle.failed(guesser);
  const outcomes: string[] = [];
  const all = Array.from({ length: 40 }, () =>
    throttle.enter(guesser).then((outcome) => void outcomes.push(outcome)),
  );
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(new Set(outcomes), new Set(['busy']));
  const busy = outcomes.length;
  assert.ok(busy >= 15, String(busy));
  clock.advance(3_600_000);
  await Promise.all(all);
  assert.equal(outcomes.filter((outcome) => outcome === 'go').length, 40 - busy);
});

test('a flood of addresses and names is forgotten, not kept', async () => {
  const clock = manualClock();
  const throttle = new Throttle(clock);
  for (let i = 0; i < 100_000; i++)
    throttle.failed({ address: `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, name: `u${i}` });
  assert.equal(await waitOf(throttle, clock, { address: '192.0.2.9', name: 'new' }), 0);
});

test('an unknown user takes as long as a wrong password', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'posthouse-timing-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const identities = authenticator(await usersFile(folder), { clock: fastClock, isExempt: () => true });
  const wrong = (i: number) =>
    timeOf(() => identities.verifyPassword('anna@example.org', `wrong${i}`, client()));
  const unknown = (i: number) =>
    timeOf(() => identities.verifyPassword(`nobody${i}@example.org`, `wrong${i}`, client()));
  // What else the machine does comes and goes: it falls on both of a pair alike, and each goes first in its turn.
  const factors: number[] = [];
  for (let i = 0; i < 200; i++) {
    const [first, second] = i % 2 === 0 ? [wrong, unknown] : [unknown, wrong];
    const [before, after] = [await first(i), await second(i)];
    factors.push(i % 2 === 0 ? before / after : after / before);
  }
  const factor = median(factors);
  assert.ok(Math.abs(factor - 1) < 0.05, `they differ by the factor ${factor}`);
});

/** Pauses are over at once: they come before the judging, and are the same for both. */
const fastClock = {
  now: () => systemClock.now(),
  after(_delayMs: number, callback: () => void) {
    setImmediate(callback);
    return () => {};
  },
};

async function timeOf(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
}
