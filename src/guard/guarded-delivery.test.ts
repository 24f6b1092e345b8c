/** Tests that the guard hears of recipients that come back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { laneName, parseQueueId, type RecipientStatus, reply } from '../mail/index.ts';
import type { Deliver } from '../queue/index.ts';
import { guardDelivery } from './guarded-delivery.ts';
import { envelope } from './testing.ts';

const id = parseQueueId('0000000000000000') ?? assert.fail();
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
    await deliver({ ...attempt, id }, new AbortController().signal);
  }
  assert.deepEqual(told, ['open 2']);
});
