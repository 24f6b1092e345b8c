import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type ManualClock, manualClock, systemClock } from '../base/index.ts';
import { processMs } from '../base/testing.ts';
import { authenticator, client, usersFile } from './testing.ts';
import { type Attempter, Throttle } from './throttle.ts';

const settled = () => new Promise((resolve) => setImmediate(resolve));

/** Enters, and lets the clock run until the attempt may be judged; how long that took. */
async function enter(throttle: Throttle, clock: ManualClock, attempter: Attempter) {
  let isOver = false;
  const entered = throttle.enter(attempter).finally(() => {
    isOver = true;
  });
  const begun = clock.now();
  await settled();
  while (!isOver) {
    clock.advance(100);
    await settled();
  }
  const attempt = await entered;
  return { attempt, waited: clock.now() - begun };
}

/** Tries and fails; the milliseconds that it waited. */
async function fail(throttle: Throttle, clock: ManualClock, attempter: Attempter): Promise<number> {
  const { attempt, waited } = await enter(throttle, clock, attempter);
  assert.notEqual(attempt, 'busy');
  if (attempt !== 'busy') attempt.failed();
  return waited;
}

/** Tries and succeeds; the milliseconds that it waited. */
async function succeed(throttle: Throttle, clock: ManualClock, attempter: Attempter): Promise<number> {
  const { attempt, waited } = await enter(throttle, clock, attempter);
  assert.notEqual(attempt, 'busy');
  if (attempt !== 'busy') attempt.succeeded();
  return waited;
}

async function failOften(throttle: Throttle, clock: ManualClock, attempter: Attempter, times: number) {
  const waits: number[] = [];
  for (let i = 0; i < times; i++)
    waits.push(await fail(throttle, clock, { ...attempter, secret: `guess ${i}` }));
  return waits;
}

const anna = 'anna@example.org';
const guesser = { address: '198.51.100.7', name: anna };

test('a few wrong passwords cost nothing, then each costs twice as much, up to half a minute', async () => {
  const clock = manualClock();
  const waits = await failOften(new Throttle(clock), clock, guesser, 12);
  assert.deepEqual(waits.slice(0, 3), [0, 0, 0]);
  assert.deepEqual(waits.slice(3, 6), [500, 1000, 2000]);
  assert.ok(waits.every((wait) => wait <= 30_000));
  assert.ok((waits.at(-1) ?? 0) >= 29_000);
});

test('a right password does not wait for the wrong ones of somebody else at the same address', async () => {
  const clock = manualClock();
  const throttle = new Throttle(clock);
  await failOften(throttle, clock, guesser, 8);
  const neighbour = { address: guesser.address, name: 'bob@example.org' };
  for (let i = 0; i < 5; i++) assert.equal(await succeed(throttle, clock, neighbour), 0);
  // A user who mistypes does not wait for the others either.
  const other = { address: guesser.address, name: 'carl@example.org' };
  assert.equal(await fail(throttle, clock, other), 0);
  assert.equal(await succeed(throttle, clock, other), 0);
});

test('a right password does not wait for what other addresses try at the name, whoever waits there', async () => {
  const clock = manualClock();
  const throttle = new Throttle(clock);
  await failOften(throttle, clock, guesser, 8);
  const crowd = Array.from({ length: 21 }, (_, i) => throttle.enter({ ...guesser, secret: `more ${i}` }));
  assert.equal(await crowd[0], 'busy', 'its own room is full');
  for (let i = 0; i < 40; i++)
    await fail(throttle, clock, { address: `203.0.113.${i}`, name: anna, secret: `other ${i}` });
  for (let i = 1; i <= 5; i++)
    assert.equal(await succeed(throttle, clock, { address: `192.0.2.${i}`, name: 'ANNA@example.org' }), 0);
});

test('the same wrong password again counts once, from wherever it comes', async () => {
  const clock = manualClock();
  const throttle = new Throttle(clock);
  const telephone = { ...guesser, secret: 'the old one' };
  for (let i = 0; i < 50; i++) assert.equal(await fail(throttle, clock, telephone), 0);
  assert.equal(await fail(throttle, clock, { ...guesser, secret: 'a typing error' }), 0);
  assert.equal(await succeed(throttle, clock, { ...guesser, secret: 'the new one' }), 0);
  const at = { ...telephone, address: '192.0.2.1' };
  for (let i = 0; i < 50; i++) assert.equal(await fail(throttle, clock, at), 0);
  // For another user it is another guess.
  const sprayed = Array.from({ length: 5 }, () => fail(throttle, clock, { ...telephone, name: 'bob' }));
  assert.deepEqual(new Set(await Promise.all(sprayed)), new Set([0]));
});

test('several at once with the same wrong password count once too', async () => {
  const clock = manualClock();
  const throttle = new Throttle(clock);
  const telephone = { ...guesser, secret: 'the old one' };
  const attempts = await Promise.all([1, 2, 3].map(() => throttle.enter(telephone)));
  for (const attempt of attempts) if (attempt !== 'busy') attempt.failed();
  assert.deepEqual(await failOften(throttle, clock, guesser, 3), [0, 0, 500], 'one, and two more');
});

test('a password that was right before waits for nothing, and is a wrong one when it was changed', async () => {
  const clock = manualClock();
  const throttle = new Throttle(clock);
  const own = { ...guesser, secret: 'sesame' };
  assert.equal(await succeed(throttle, clock, own), 0);
  await failOften(throttle, clock, guesser, 12);
  assert.equal(await succeed(throttle, clock, own), 0);
  assert.equal(await succeed(throttle, clock, { ...own, address: '192.0.2.9' }), 0);
  assert.equal(await fail(throttle, clock, own), 0);
  assert.ok((await fail(throttle, clock, { ...guesser, secret: 'yet another' })) > 20_000);
});

test('a guesser who hangs up where no answer comes at once learns nothing by it, not even where the owner is', async () => {
  const clock = manualClock();
  const throttle = new Throttle(clock);
  const home = { address: '192.0.2.9', name: anna, secret: 'sesame' };
  await succeed(throttle, clock, home);
  for (const { address } of [guesser, home]) {
    for (let i = 0; i < 60; i++) {
      const gone = new AbortController();
      const attempt = throttle.enter({ address, name: anna, secret: `${i}`, signal: gone.signal });
      await settled();
      gone.abort();
      const entered = await attempt;
      if (entered !== 'busy') entered.failed();
    }
    assert.ok((await succeed(throttle, clock, { ...home, address })) > 0, address);
  }
  // Elsewhere the owner does not notice, and later nowhere.
  assert.equal(await succeed(throttle, clock, { ...home, address: '192.0.2.10' }), 0);
  clock.advance(3_600_000);
  assert.equal(await succeed(throttle, clock, { ...guesser, secret: 'sesame' }), 0);
});

test('many at once gain nothing: what is being judged counts until it is known', async () => {
  const clock = manualClock();
  const throttle = new Throttle(clock);
  let judged = 0;
  const all = Array.from({ length: 60 }, async (_, i) => {
    const attempt = await throttle.enter({ ...guesser, secret: `guess ${i}` });
    if (attempt === 'busy') return attempt;
    judged++;
    attempt.failed();
    return 'judged';
  });
  await settled();
  assert.equal(judged, 3);
  clock.advance(60_000);
  await settled();
  assert.ok(judged < 12, String(judged));
  clock.advance(24 * 3_600_000);
  assert.equal((await Promise.all(all)).filter((outcome) => outcome === 'busy').length, 37);
});

test('of many at once with the right password all are in when the first one is', async () => {
  const clock = manualClock();
  const throttle = new Throttle(clock);
  const entered = Array.from({ length: 10 }, async () => {
    const attempt = await throttle.enter(guesser);
    await settled();
    assert.ok(attempt !== 'busy');
    attempt.succeeded();
  });
  // The clock stands still.
  await Promise.all(entered);
});

test('one name that is guessed at from thousands of addresses is guessed at slowly', async () => {
  const clock = manualClock();
  const throttle = new Throttle(clock);
  const home = { address: '192.0.2.55', name: anna };
  const travelling = { ...home, address: '192.0.2.56', secret: 'sesame' };
  await succeed(throttle, clock, home);
  await succeed(throttle, clock, { ...home, secret: 'sesame' });
  let judged = 0;
  const guess = async (i: number) => {
    const address = `198.${i >> 16}.${(i >> 8) & 255}.${i & 255}`;
    const attempt = await throttle.enter({ address, name: anna, secret: `guess ${i}` });
    if (attempt === 'busy') return;
    judged++;
    attempt.failed();
  };
  const all: Promise<void>[] = [];
  for (let minute = 0; minute < 60; minute++) {
    for (let i = 0; i < 100; i++) all.push(guess(minute * 100 + i));
    await settled();
    for (let second = 0; second < 60; second++) {
      clock.advance(1000);
      await settled();
    }
  }
  assert.ok(judged > 300 && judged < 1300, `${judged} of 6000`);
  assert.equal(await succeed(throttle, clock, home), 0, 'from where the owner was before');
  assert.equal(await succeed(throttle, clock, travelling), 0, 'with a password that was right before');
  // A client from a new address goes before those that have failed already.
  const again = Array.from({ length: 90 }, (_, i) => guess(i));
  const { waited } = await enter(throttle, clock, { address: '192.0.2.57', name: anna, secret: 'new' });
  assert.ok(waited <= 30_000, `the owner waited ${waited} ms`);
  clock.advance(24 * 3_600_000);
  await Promise.all([...all, ...again]);
});

test('one address that tries everybody becomes slow, also within an IPv6 network', async () => {
  const clock = manualClock();
  const throttle = new Throttle(clock);
  for (let i = 0; i < 300; i++)
    assert.equal(await fail(throttle, clock, { address: `2001:db8:1:2::${i}`, name: `u${i}` }), 0);
  let waited = 0;
  for (let i = 300; i < 400; i++)
    waited += await fail(throttle, clock, { address: `2001:db8:1:2:ffff::${i}`, name: `u${i}` });
  assert.ok(waited >= 45_000, `${waited} ms`);
  assert.equal(await fail(throttle, clock, { address: '2001:db8:1:3::1', name: 'y' }), 0);
});

test('all addresses of an IPv6 network are one guesser', async () => {
  const clock = manualClock();
  const throttle = new Throttle(clock);
  for (let i = 0; i < 8; i++)
    await fail(throttle, clock, { address: `2001:db8:1:2::${i}`, name: anna, secret: `${i}` });
  assert.ok((await fail(throttle, clock, { address: '2001:db8:1:2:ffff::1', name: anna })) > 1000);
  assert.equal(await fail(throttle, clock, { address: '2001:db8:1:3::1', name: anna }), 0);
});

test('a proxy of ours is not made to pay for what comes through it', async () => {
  const clock = manualClock();
  const throttle = new Throttle(clock, (address) => address === '10.0.0.2');
  for (let i = 0; i < 500; i++)
    assert.equal(await fail(throttle, clock, { address: '10.0.0.2', name: `user${i}` }), 0);
  assert.equal(await succeed(throttle, clock, { address: '10.0.0.2', name: 'bob' }), 0);
});

test('failures are forgotten with time', async () => {
  const clock = manualClock();
  const throttle = new Throttle(clock);
  await failOften(throttle, clock, guesser, 10);
  clock.advance(3_600_000);
  assert.equal(await fail(throttle, clock, { ...guesser, secret: 'later' }), 0);
});

test('an attempt that nobody judged counts for nothing', async () => {
  const clock = manualClock();
  const throttle = new Throttle(clock);
  for (let i = 0; i < 50; i++) {
    const { attempt, waited } = await enter(throttle, clock, { ...guesser, secret: `${i}` });
    assert.ok(attempt !== 'busy' && waited === 0);
    attempt[Symbol.dispose]();
  }
});

test('a flood of addresses and names is forgotten, not kept', async () => {
  const clock = manualClock();
  const throttle = new Throttle(clock);
  for (let i = 0; i < 30_000; i++) {
    const address = `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`;
    const attempt = await throttle.enter({ address, name: `u${i}`, secret: 'x' });
    if (attempt !== 'busy') attempt.failed();
  }
  assert.equal(await succeed(throttle, clock, { address: '192.0.2.9', name: 'new' }), 0);
});

test('unknown users are slowed down exactly as known ones', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'posthouse-pauses-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const file = await usersFile(folder);
  const pausesOf = async (name: string) => {
    const pauses: number[] = [];
    const clock = fastClock((delayMs) => pauses.push(Math.round(delayMs / 100)));
    const identities = authenticator(file, { clock });
    const words = ['a', 'a', 'b', 'c', 'b', 'd', 'e'];
    for (const word of words) await identities.verifyPassword(credentials(name, word), client(), never);
    return pauses;
  };
  const known = await pausesOf('anna@example.org');
  assert.ok(known.length >= 2, String(known));
  assert.deepEqual(await pausesOf('nobody@example.org'), known);
});

test('whoever has gone waits for nothing, and takes nobody’s place', async () => {
  const clock = manualClock();
  const throttle = new Throttle(clock);
  await failOften(throttle, clock, guesser, 8);
  const gone = new AbortController();
  const left = throttle.enter({ ...guesser, secret: 'x', signal: gone.signal });
  await settled();
  gone.abort();
  assert.equal(await left, 'busy');
  assert.equal(await throttle.enter({ ...guesser, secret: 'y', signal: gone.signal }), 'busy');
  assert.ok((await fail(throttle, clock, { ...guesser, secret: 'z' })) <= 16_000);
});

const never = new AbortController().signal;

function credentials(name: string, password: string) {
  return { name: Buffer.from(name), password: Buffer.from(password) };
}

test('an unknown user takes as long as a wrong password', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'posthouse-timing-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const identities = authenticator(await usersFile(folder), { clock: fastClock(), isExempt: () => true });
  const wrong = (i: number) =>
    timeOf(() => identities.verifyPassword(credentials('anna@example.org', `wrong${i}`), client(), never));
  const unknown = (i: number) =>
    timeOf(() =>
      identities.verifyPassword(credentials(`nobody${i}@example.org`, `wrong${i}`), client(), never),
    );
  // Time of the processor, for the machine has other work; warming up affects both alike.
  const factors: number[] = [];
  for (let i = 0; i < 200; i++) {
    const [first, second] = i % 2 === 0 ? [wrong, unknown] : [unknown, wrong];
    const [before, after] = [await first(i), await second(i)];
    factors.push(i % 2 === 0 ? before / after : after / before);
  }
  const factor = median(factors);
  assert.ok(Math.abs(factor - 1) < 0.05, `they differ by the factor ${factor}`);
});

/** Pauses are over at once, and the time moves with them: the judging itself is measured. */
function fastClock(onPause: (delayMs: number) => void = () => {}) {
  let ahead = 0;
  return {
    now: () => systemClock.now() + ahead,
    after(delayMs: number, callback: () => void) {
      onPause(delayMs);
      const timer = setImmediate(() => {
        ahead += delayMs;
        callback();
      });
      return () => clearImmediate(timer);
    },
  };
}

async function timeOf(work: () => Promise<unknown>): Promise<number> {
  const begun = processMs();
  await work();
  return processMs() - begun;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
}
