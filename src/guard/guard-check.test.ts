/** Tests of the guard as a check. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryLog } from '../base/index.ts';
import { type Address, parseMailbox, parseQueueId, reply } from '../mail/index.ts';
import type { ClientFacts, Grant, Refusal, ScreenedSender } from '../receiver/index.ts';
import type { Judgement } from './guard.ts';
import { createGuardCheck } from './guard-check.ts';
import { envelope } from './testing.ts';

function address(text: string): Address {
  const parsed = parseMailbox(text, { smtputf8: false });
  if (parsed === undefined) throw new Error(text);
  return parsed;
}

const client: ClientFacts = {
  address: '192.0.2.1',
  port: 1,
  helo: 'c.test',
  listener: 'mx',
  role: 'mx',
  isVouchedFor: false,
};
const alice: ClientFacts = {
  ...client,
  identity: { name: 'alice', mechanism: 'PLAIN', senders: [{ kind: 'any' }] },
};

const grant: Grant = { kind: 'grant', ground: 'open', because: 'open', to: [] };
const unknown: Refusal = {
  kind: 'refusal',
  reply: reply(550, '1.1', 'no such recipient here'),
  because: '',
};
const denied: Refusal = { kind: 'refusal', reply: reply(550, '7.1', 'relaying denied'), because: '' };
const full = reply(452, '7.1', 'later');
const storage = reply(451, '3.0', 'not now');
const id = parseQueueId('0000000000000000') ?? assert.fail();
const isKnown = () => false;
const parameters = { body: '7bit', smtputf8: false };

/** The check, and what its guard was told. */
function bench({ isFull = false, judged = { kind: 'pass' } as Judgement } = {}) {
  const told: string[] = [];
  const guard = {
    failed: (origin: { ground: string; identity?: string; client: string }, count: number) => {
      told.push(`${origin.identity ?? `${origin.ground} ${origin.client}`} ${count}`);
    },
    refusal: (origin: { ground: string }) => (isFull && origin.ground !== 'recipient' ? full : undefined),
    judge: () => judged,
  };
  const log = memoryLog();
  const check = createGuardCheck({ guard, storageReply: () => storage, log });
  const asking = { signal: new AbortController().signal };
  const about = { session: 's1', isKnown, reversePath: null, recipient: address('r@x.test') };
  return {
    told,
    log,
    sender: (who: ClientFacts) =>
      check.sender?.({ ...about, client: who, parameters } as unknown as ScreenedSender, asking),
    granted: (who: ClientFacts, grant: Grant) => check.recipient?.({ ...about, client: who, grant }, asking),
    refused: (who: ClientFacts, refusal: Refusal) =>
      check.recipientRefused?.({ ...about, client: who, refusal }),
    message: () => {
      const letter = envelope({ ground: 'open', to: ['a@x.test'] });
      const beginning = Buffer.alloc(0);
      const subject = { id, isKnown, envelope: letter, beginning, edits: [], held: undefined };
      return check.message?.(subject, asking);
    },
  };
}

test('a recipient that does not exist is told to the guard, one that may not be sent to is not', () => {
  const { told, refused } = bench();
  refused(alice, unknown);
  refused(client, unknown);
  assert.deepEqual(told, ['alice 1', 'open 192.0.2.1 1', 'network 192.0.2.1 1']);
  const other = bench();
  other.refused(client, denied);
  assert.deepEqual(other.told, []);
});

test('while there is room, the check passes at once and not as a promise', () => {
  const { granted, sender, message } = bench();
  assert.deepEqual([granted(client, grant), sender(alice), message()], Array(3).fill({ kind: 'pass' }));
});

test('a client of whom no more is kept hears 452 instead of a grant, and still reaches recipients of ours', () => {
  const { granted, sender } = bench({ isFull: true });
  const deferred = { kind: 'defer', reply: full, because: 'too much is held already' };
  assert.deepEqual(granted(client, grant), deferred);
  const ours: Grant = { kind: 'grant', ground: 'recipient', because: 'ours', to: [] };
  assert.deepEqual(granted(client, ours), { kind: 'pass' });
  assert.deepEqual(sender(alice), deferred);
  assert.deepEqual(sender(client), { kind: 'pass' });
});

test('the grant counts for the name that the policy found, and nobody is counted on this machine', async () => {
  const seen: unknown[] = [];
  const guard = {
    failed() {},
    refusal: (origin: unknown) => void seen.push(origin),
    judge: () => ({ kind: 'pass' }) as const,
  };
  const check = createGuardCheck({ guard, storageReply: () => storage, log: memoryLog() });
  const asking = { signal: new AbortController().signal };
  const about = { session: 's1', isKnown, reversePath: null, recipient: address('r@x.test') };
  await check.recipient?.({ ...about, client, grant: { ...grant, identity: 'fax' } }, asking);
  await check.recipient?.({ ...about, client: { ...client, role: 'local' }, grant }, asking);
  assert.deepEqual(seen, [
    { client: '192.0.2.1', ground: 'open', identity: 'fax' },
    { client: '192.0.2.1', ground: 'local' },
  ]);
});

test('a message over a budget is held once the hold is on disk, and deferred when that fails', async () => {
  let ends = 0;
  const kept = Promise.withResolvers<void>();
  const hold = { kind: 'hold', because: 'too much', durable: kept.promise, end: () => void ends++ } as const;
  const asked = bench({ judged: hold }).message();
  kept.resolve();
  const verdict = await asked;
  assert.ok(verdict?.kind === 'hold' && verdict.because === 'too much' && ends === 0);
  verdict.settled?.('held');
  assert.equal(ends, 1);
  const failing = bench({ judged: { ...hold, durable: Promise.reject(new Error('no space')) } });
  assert.deepEqual(await failing.message(), {
    kind: 'defer',
    reply: storage,
    because: 'the hold could not be kept',
  });
  assert.equal(ends, 2);
  assert.equal(failing.log.lines[0]?.event, 'hold-not-kept');
  const refused = bench({ judged: { kind: 'refuse', reply: full, because: 'x' } });
  assert.deepEqual(await refused.message(), { kind: 'defer', reply: full, because: 'x' });
});
