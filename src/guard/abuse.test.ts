import assert from 'node:assert/strict';
import { test } from 'node:test';
import { guardBench, type Sending } from './testing.ts';

/**
 * Ten minutes of abuse on the default budgets, twenty messages a second, beside everybody else's regular mail. The
 * messages that go out are counted.
 */
const rate = 20;
const secondMs = 1000;
const minutes = 10;

/** A message that a subject sends at some time. */
interface Planned {
  readonly at: number;
  readonly who: string;
  readonly sending: Sending;
}

function abuse(from: (n: number) => Omit<Sending, 'to'>, to: (n: number) => readonly string[]): Planned[] {
  return Array.from({ length: rate * 60 * minutes }, (_, n) => ({
    at: n * (secondMs / rate),
    who: 'abuser',
    sending: { ...from(n), to: to(n) },
  }));
}

/** Twenty people: single letters, a burst of several, answers, and one invitation of a meeting to twenty. */
function people(): Planned[] {
  const planned: Planned[] = [];
  for (let person = 0; person < 20; person++) {
    const identity = `person${person}@example.org`;
    const send = (at: number, to: readonly string[]) =>
      planned.push({
        at,
        who: identity,
        sending: { ground: 'authenticated', identity, client: '192.0.2.1', to },
      });
    for (let n = 0; n < 8; n++) send(n * 70 * secondMs + person * 300, [`friend${n}@there.example`]);
    // A mail program that was offline sends its outbox.
    for (let n = 0; n < 12; n++) send(200 * secondMs + n * 150, [`colleague${n}@there.example`]);
    for (let n = 0; n < 5; n++) send((300 + 20 * n) * secondMs, ['friend1@there.example']);
    send(
      400 * secondMs,
      Array.from({ length: 20 }, (_, n) => `guest${n}@there.example`),
    );
  }
  return planned;
}

const subscribers = Array.from({ length: 200 }, (_, n) => `subscriber${n}@club.example`);
const newsletter: Omit<Sending, 'to'> = {
  ground: 'authenticated',
  identity: 'news@example.org',
  client: '192.0.2.9',
};

/** The newsletter as single messages, one each so many milliseconds. */
function singles(everyMs: number): Planned[] {
  return subscribers.map((to, n) => ({ at: n * everyMs, who: 'news', sending: { ...newsletter, to: [to] } }));
}

const whole: Planned[] = [{ at: 60 * secondMs, who: 'news', sending: { ...newsletter, to: subscribers } }];

/**
 * Plays all plans in order of time; returns the numbers of messages that went out and that were held, for each
 * subject.
 */
function play(...plans: readonly Planned[][]) {
  const { send, clock, guard, log } = guardBench();
  const begin = clock.now();
  const out = new Map<string, number>();
  const kept = new Map<string, number>();
  for (const { at, who, sending } of plans.flat().sort((a, b) => a.at - b.at)) {
    clock.advance(begin + at - clock.now());
    const count = send(sending) === 'pass' ? out : kept;
    count.set(who, (count.get(who) ?? 0) + 1);
  }
  const holds = log.lines.filter(({ event }) => event === 'guard-held');
  return { out, kept, guard, holds };
}

const abusers: readonly [string, Planned[]][] = [
  [
    'an open relay from one address, each message to somebody else',
    abuse(
      () => ({ ground: 'open', client: '198.51.100.66' }),
      (n) => [`victim${n}@victims.example`],
    ),
  ],
  [
    'an open relay from one address, all to one recipient',
    abuse(
      () => ({ ground: 'open', client: '198.51.100.66' }),
      () => ['victim@victims.example'],
    ),
  ],
  [
    'an open relay from one address, a hundred recipients each',
    abuse(
      () => ({ ground: 'open', client: '198.51.100.66' }),
      (n) => Array.from({ length: 100 }, (_, r) => `victim${n}-${r}@victims.example`),
    ),
  ],
  [
    'a hijacked identity from fifty addresses',
    abuse(
      (n) => ({ ground: 'authenticated', identity: 'hijacked@example.org', client: `198.51.100.${n % 50}` }),
      (n) => [`victim${n}@victims.example`],
    ),
  ],
];

for (const [name, plan] of abusers) {
  test(`${name}: fewer than fifty get out, and nobody else notices`, () => {
    const { out, kept, holds, guard } = play(plan, people(), whole);
    assert.ok((out.get('abuser') ?? 0) < 50, `${out.get('abuser')} got out`);
    assert.equal(
      (out.get('abuser') ?? 0) + (kept.get('abuser') ?? 0),
      plan.length,
      'nothing is lost or refused',
    );
    assert.deepEqual([...kept.keys()], ['abuser'], 'nobody else is held, so nobody else is delayed at all');
    for (let person = 0; person < 20; person++) assert.equal(out.get(`person${person}@example.org`), 26);
    assert.equal(out.get('news'), 1);
    assert.equal(holds.length, 1);
    assert.equal(guard.list()[0]?.messages, kept.get('abuser'));
  });
}

test('a slower abuser gets no more than the budget of an hour out', () => {
  const plan = Array.from({ length: 600 }, (_, n) => ({
    at: n * 2000,
    who: 'abuser',
    sending: { ground: 'open', client: '198.51.100.66', to: [`victim${n}@victims.example`] },
  }));
  const { out } = play(plan, people());
  assert.equal(out.get('abuser'), 250);
});

test('a newsletter of single messages passes when it is paced, one in two seconds', () => {
  const { out, holds } = play(singles(2000), people());
  assert.equal(out.get('news'), 200);
  assert.equal(holds.length, 0);
});

test('a newsletter of single messages sent at once is held, and is whole again after one release', async () => {
  const { out, kept, guard } = play(singles(50), people());
  assert.equal(out.get('news'), 40, 'by its budget it is what a hijacked account does');
  assert.equal(kept.get('news'), 160);
  assert.equal(await guard.release(guard.list()[0]?.id ?? ''), 160);
});

test('a newsletter of single messages sent at once passes for an identity that is allowed to', async () => {
  const { send, guard } = guardBench();
  await guard.allow('identity:news@example.org', Number.MAX_SAFE_INTEGER);
  for (const to of subscribers) assert.equal(send({ ...newsletter, to: [to] }), 'pass');
});
