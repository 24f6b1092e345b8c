import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Background, manualClock, silentLog } from '../base/index.ts';
import type { ClientSession } from '../client/index.ts';
import { laneName, reply } from '../mail/index.ts';
import { type PooledSession, SessionPool } from './pool.ts';

const nothing = {
  pipelining: false,
  eightBitMime: false,
  smtputf8: false,
  chunking: false,
  binaryMime: false,
};
const capabilities = { ...nothing, dsn: false, enhancedStatusCodes: false, startTls: false, auth: [] };

function bench(changes: Partial<ConstructorParameters<typeof SessionPool>[0]> = {}) {
  const clock = manualClock();
  const limits = {
    idlePerLane: 2,
    idleTotal: 3,
    idleMs: 10_000,
    sessionAgeMs: 60_000,
    messagesPerSession: 100,
  };
  const pool = new SessionPool({ ...limits, ...changes }, clock, new Background(silentLog));
  const ended: string[] = [];
  const open = (name: string, lane = 'lane', isUsable = () => true): PooledSession => {
    const session: ClientSession = {
      capabilities,
      tls: undefined,
      greeting: reply(220, undefined, 'hello'),
      get isUsable() {
        return isUsable();
      },
      isBusy: false,
      messagesSent: 1,
      send: () => Promise.reject(new Error('not sent here')),
      verify: () => Promise.reject(new Error('not verified here')),
      async quit() {
        ended.push(`quit ${name}`);
      },
      close() {
        ended.push(`close ${name}`);
      },
      async [Symbol.asyncDispose]() {},
    };
    const now = clock.now();
    const host = { hostKey: name, keys: [name], next: undefined, fallback: 'none' as const };
    return { session, lane: laneName(lane), relay: name, ...host, openedAt: now, idleSince: now };
  };
  return { clock, pool, ended, open };
}

test('the session used last comes first, and only in its lane', () => {
  const { pool, open } = bench();
  pool.give(open('one'));
  pool.give(open('two'));
  assert.equal(pool.take(laneName('other')), undefined);
  assert.equal(pool.take(laneName('lane'))?.relay, 'two');
  assert.equal(pool.take(laneName('lane'))?.relay, 'one');
  assert.equal(pool.take(laneName('lane')), undefined);
});

test('no more are kept than the limits of a lane and of all lanes', () => {
  const { pool, open, ended } = bench();
  for (const name of ['a1', 'a2', 'a3']) pool.give(open(name, 'a'));
  for (const name of ['b1', 'b2']) pool.give(open(name, 'b'));
  assert.equal(pool.size, 3);
  assert.deepEqual(ended, ['quit a3', 'quit b2']);
});

test('a session that is no longer usable is not given out', () => {
  const { pool, open, ended } = bench();
  let isUsable = true;
  pool.give(open('one'));
  pool.give(open('two', 'lane', () => isUsable));
  isUsable = false;
  assert.equal(pool.take(laneName('lane'))?.relay, 'one');
  assert.deepEqual(ended, ['close two']);
});

test('the sweep ends idle sessions and then itself', () => {
  const { pool, open, ended, clock } = bench();
  pool.give(open('one', 'a'));
  clock.advance(6_000);
  pool.give(open('two', 'b'));
  clock.advance(4_000);
  assert.deepEqual(ended, ['quit one']);
  clock.advance(10_000);
  assert.deepEqual(ended, ['quit one', 'quit two']);
  assert.equal(pool.size, 0);
});

test('a closed pool keeps nothing', () => {
  const { pool, open, ended } = bench();
  pool.give(open('one'));
  pool.close();
  pool.give(open('two'));
  assert.deepEqual(ended, ['quit one', 'quit two']);
  assert.equal(pool.take(laneName('lane')), undefined);
});
