import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Address,
  laneName,
  parseMailbox,
  parseQueueId,
  type RecipientStatus,
  reply,
} from '../mail/index.ts';
import type { Deliver } from '../queue/index.ts';
import type { ClientFacts, Decision, Policy } from '../receiver/index.ts';
import { guardDelivery, guardPolicy } from './hooks.ts';
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

const grant: Decision = { kind: 'grant', ground: 'open', because: 'open', to: [] };
const unknown: Decision = {
  kind: 'refusal',
  reply: reply(550, '1.1', 'no such recipient here'),
  because: '',
};
const denied: Decision = { kind: 'refusal', reply: reply(550, '7.1', 'relaying denied'), because: '' };
const full = reply(452, '7.1', 'later');

/** A policy that always says the same, and what the guard beside it was told. */
function bench(decision: Decision, { isFull = false, isLater = false } = {}) {
  const told: string[] = [];
  const guard = {
    failed: (origin: { ground: string; identity?: string; client: string }, count: number) => {
      told.push(`${origin.identity ?? `${origin.ground} ${origin.client}`} ${count}`);
    },
    refusal: (origin: { ground: string }) => (isFull && origin.ground !== 'recipient' ? full : undefined),
  };
  const inner: Policy = {
    refuseSender: () => undefined,
    decide: () => (isLater ? Promise.resolve(decision) : decision),
  };
  const policy = guardPolicy(inner, guard);
  const decide = (who: ClientFacts) =>
    policy.decide({ client: who, reversePath: null, recipient: address('r@x.test') });
  return { told, policy, decide };
}

test('a recipient that does not exist is told to the guard, one that may not be sent to is not', async () => {
  for (const isLater of [false, true]) {
    const { told, decide } = bench(unknown, { isLater });
    assert.equal(await decide(alice), unknown);
    assert.equal(await decide(client), unknown);
    assert.deepEqual(told, ['alice 1', 'open 192.0.2.1 1', 'network 192.0.2.1 1']);
    const other = bench(denied, { isLater });
    assert.equal(await other.decide(client), denied);
    assert.deepEqual(other.told, []);
  }
});

test('a decision that is made at once is still made at once', () => {
  assert.equal(bench(grant).decide(client), grant);
});

test('a client of whom no more is kept hears 452 instead of a grant, and still reaches recipients of ours', async () => {
  const { decide, policy } = bench(grant, { isFull: true });
  const decision = await decide(client);
  assert.ok(decision.kind === 'refusal' && decision.reply === full);
  const ours: Decision = { kind: 'grant', ground: 'recipient', because: 'ours', to: [] };
  assert.equal(await bench(ours, { isFull: true }).decide(client), ours);
  assert.equal((await policy.refuseSender({ client: alice, reversePath: null }))?.reply, full);
  assert.equal(await policy.refuseSender({ client, reversePath: null }), undefined);
});

test('what the policy refuses is never granted', async () => {
  for (const isFull of [false, true]) assert.equal(await bench(denied, { isFull }).decide(alice), denied);
});

const failed: RecipientStatus = { status: 'failed', at: 0, reply: reply(550, '1.1', 'unknown') };
const pending: RecipientStatus = { status: 'pending', at: 0, reply: reply(451, '3.0', 'later') };

test('recipients that fail at delivery are told to the guard, for mail that somebody answers for', async () => {
  const told: string[] = [];
  const guard = {
    failed: (origin: { ground: string }, count: number) => told.push(`${origin.ground} ${count}`),
  };
  const statuses = new Map([failed, pending, failed].entries());
  const inner: Deliver = async () => ({ statuses, health: { kind: 'alive' } });
  const deliver = guardDelivery(inner, () => guard);
  const octets = { size: 0, whole: undefined, async *chunks() {} };
  for (const ground of ['open', 'recipient', 'local']) {
    const mail = envelope({ ground, to: ['a@x.test', 'b@x.test', 'c@x.test'] });
    const attempt = { lane: laneName('mx:x.test'), envelope: mail, recipients: [0, 1, 2], octets, number: 1 };
    const queueId = parseQueueId('0000000000000000');
    assert.ok(queueId !== undefined);
    await deliver({ ...attempt, id: queueId }, new AbortController().signal);
  }
  assert.deepEqual(told, ['open 2']);
});
