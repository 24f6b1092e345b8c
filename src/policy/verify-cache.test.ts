import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualClock } from '../base/index.ts';
import { cacheVerification } from './index.ts';
import { address } from './testing.ts';

type Answer = 'known' | 'unknown' | 'unavailable';

/** A cache over a destination with prepared answers, and the count of its questions. */
function fixture(options: { readonly maxEntries?: number } = {}) {
  const clock = manualClock();
  const destination = { answer: 'known' as Answer | Promise<Answer>, asked: [] as string[] };
  const verify = cacheVerification(
    async ({ text }) => {
      destination.asked.push(text);
      return destination.answer;
    },
    { clock, knownMs: 1000, unknownMs: 100, unavailableMs: 10, ...options },
  );
  return { clock, destination, ask: (text: string) => verify(address(text)) };
}

test('an answer stands as long as its kind says, and is then asked for again', async () => {
  for (const [answer, lifetimeMs] of [
    ['known', 1000],
    ['unknown', 100],
    ['unavailable', 10],
  ] as const) {
    const { clock, destination, ask } = fixture();
    destination.answer = answer;
    assert.equal(await ask('u@d.example'), answer);
    clock.advance(lifetimeMs - 1);
    assert.equal(await ask('u@d.example'), answer);
    assert.equal(destination.asked.length, 1, `${answer} stands`);
    destination.answer = 'known';
    clock.advance(1);
    assert.equal(await ask('u@d.example'), 'known');
    assert.equal(destination.asked.length, 2, `${answer} ends`);
  }
});

test('local parts are told apart by their case, domains are not', async () => {
  const { destination, ask } = fixture();
  await ask('u@d.example');
  await ask('u@D.example');
  await ask('"u"@d.example');
  await ask('U@d.example');
  assert.deepEqual(destination.asked, ['u@d.example', 'U@d.example']);
});

test('a question under way is shared', async () => {
  const { destination, ask } = fixture();
  const { promise, resolve } = Promise.withResolvers<Answer>();
  destination.answer = promise;
  const both = Promise.all([ask('u@d.example'), ask('u@d.example')]);
  resolve('unknown');
  assert.deepEqual(await both, ['unknown', 'unknown']);
  assert.equal(destination.asked.length, 1);
});

test('a callout that fails is no answer, and is tried again soon', async () => {
  const { clock, destination, ask } = fixture();
  destination.answer = Promise.reject(new Error('no route'));
  assert.equal(await ask('u@d.example'), 'unavailable');
  destination.answer = 'known';
  clock.advance(10);
  assert.equal(await ask('u@d.example'), 'known');
});

test('a full table forgets its oldest answer, and no more than that', async () => {
  const { destination, ask } = fixture({ maxEntries: 2 });
  for (const text of ['a@d.example', 'b@d.example', 'c@d.example']) await ask(text);
  await ask('c@d.example');
  await ask('b@d.example');
  assert.equal(destination.asked.length, 3);
  await ask('a@d.example');
  assert.equal(destination.asked.length, 4);
});

test('guesses drive out guesses, and nobody who is known', async () => {
  const { destination, ask } = fixture({ maxEntries: 2 });
  await ask('anna@d.example');
  for (const answer of ['unknown', 'unavailable'] as const) {
    destination.answer = answer;
    for (let n = 0; n < 5; n++) await ask(`${answer}${n}@d.example`);
  }
  const asked = destination.asked.length;
  assert.equal(await ask('anna@d.example'), 'known');
  assert.equal(await ask('unavailable4@d.example'), 'unavailable');
  assert.equal(destination.asked.length, asked);
});
