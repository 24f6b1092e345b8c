import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseMailbox, type RecipientStatus, reply } from '../mail/index.ts';
import type { AttemptResult } from '../queue/index.ts';
import { completed } from './answers.ts';

const delivered: RecipientStatus = {
  status: 'delivered',
  at: 1,
  relay: 'a.test',
  reply: reply(250, '0.0', 'ok'),
};
const pending: RecipientStatus = { status: 'pending', at: 2, reply: reply(451, '3.0', 'no answer') };
const health = { kind: 'alive' } as const;
const other = parseMailbox('other@example.org', { smtputf8: false }) ?? assert.fail();

test('a recipient without an answer is pending, and the answers of the others stay', () => {
  const result: AttemptResult = { statuses: new Map([[4, delivered]]), health };
  const statuses = new Map<number, RecipientStatus>([
    [4, delivered],
    [7, pending],
  ]);
  assert.deepEqual(
    completed(result, [4, 7], () => pending),
    { statuses, health },
  );
  assert.equal(
    completed(result, [4], () => assert.fail('nobody is missing')),
    result,
  );
});

test('recipients that take the place of one are not lost where another one has no answer', () => {
  const replacements = new Map([[4, [{ address: other }]]]);
  const result: AttemptResult = { statuses: new Map(), replacements, health };
  assert.deepEqual(
    completed(result, [4, 7], () => pending),
    { statuses: new Map([[7, pending]]), replacements, health },
  );
  assert.equal(
    completed(result, [4], () => assert.fail('the place of 4 is taken')),
    result,
  );
});
