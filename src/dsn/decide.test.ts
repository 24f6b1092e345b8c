import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Envelope, Notify, RecipientStatus } from '../mail/index.ts';
import { type DsnEvent, doubleBounceGround, dsnFor } from './decide.ts';
import { address, at, envelope } from './testing.ts';

const failure: RecipientStatus = {
  status: 'failed',
  at,
  relay: 'mx.example.com',
  reply: { code: 550, detail: '1.1', lines: ['No'] },
};
const pending: RecipientStatus = { status: 'pending', at, reply: { code: 451, lines: ['Later'] } };
const local: RecipientStatus = {
  status: 'delivered',
  at,
  relay: 'maildir',
  reply: { code: 250, lines: ['ok'] },
};
const statuses = {
  failure,
  pending,
  local,
  relayed: { ...local, relayed: true },
  passedOn: { ...local, dsnPassedOn: true },
} satisfies Record<string, RecipientStatus>;

function decide(
  list: readonly (readonly [keyof typeof statuses | 'untried', Notify?])[],
  kind: DsnEvent['kind'] = 'ended',
  parts: Partial<Envelope> = {},
): string[] {
  const recipients = list.map(([, notify], i) => ({
    address: address(`r${i}@example.com`),
    ...(notify === undefined ? {} : { notify }),
  }));
  const known = new Map(
    list.flatMap(([name], i) => (name === 'untried' ? [] : [[i, statuses[name]] as const])),
  );
  const event = { kind, recipients: list.map((_, i) => i) };
  return dsnFor(envelope({ recipients, ...parts }), known, event).map((decision) => {
    const who = decision.recipients.map((r) => `${r.recipient.address.localPart} ${r.action}`).join(', ');
    const to = decision.kind === 'notify' ? ` ${decision.to.text}` : '';
    return `${decision.kind}${to}: ${who}`;
  });
}

test('a failure is reported unless NOTIFY leaves it out', () => {
  assert.deepEqual(decide([['failure']]), ['notify alice@example.org: r0 failed']);
  assert.deepEqual(decide([['failure', ['failure']]]), ['notify alice@example.org: r0 failed']);
  assert.deepEqual(decide([['failure', 'never']]), ['drop: r0 failed']);
  assert.deepEqual(decide([['failure', ['success', 'delay']]]), ['drop: r0 failed']);
});

test('a success is reported only when NOTIFY asks for it', () => {
  assert.deepEqual(decide([['local']]), []);
  assert.deepEqual(decide([['relayed', ['failure']]]), []);
  assert.deepEqual(decide([['local', ['success']]]), ['notify alice@example.org: r0 delivered']);
  assert.deepEqual(decide([['relayed', ['success']]]), ['notify alice@example.org: r0 relayed']);
});

test('a next hop that took over the duty to notify leaves nothing to report', () => {
  assert.deepEqual(decide([['passedOn', ['success']]]), []);
});

test('a delay is reported by default and by NOTIFY=DELAY, also when nothing was tried', () => {
  assert.deepEqual(decide([['pending'], ['untried']], 'delayed'), [
    'notify alice@example.org: r0 delayed, r1 delayed',
  ]);
  assert.deepEqual(decide([['pending', ['delay']]], 'delayed'), ['notify alice@example.org: r0 delayed']);
  assert.deepEqual(decide([['pending', ['failure']]], 'delayed'), []);
  assert.deepEqual(decide([['local'], ['failure']], 'delayed'), []);
});

test('an expansion is reported only when success is', () => {
  assert.deepEqual(decide([['untried']], 'expanded'), []);
  assert.deepEqual(decide([['untried', ['success']]], 'expanded'), ['notify alice@example.org: r0 expanded']);
});

test('actions are never mixed in one notification', () => {
  const list = [
    ['failure'],
    ['local', ['success']],
    ['failure', 'never'],
    ['relayed', ['success']],
    ['failure'],
  ] as const;
  assert.deepEqual(decide(list), [
    'notify alice@example.org: r0 failed, r4 failed',
    'drop: r2 failed',
    'notify alice@example.org: r1 delivered',
    'notify alice@example.org: r3 relayed',
  ]);
});

test('a null reverse-path gets no notification: failures go to the postmaster and the rest nowhere', () => {
  const nobody = { reversePath: null };
  assert.deepEqual(decide([['failure'], ['local', ['success']]], 'ended', nobody), [
    'double-bounce: r0 failed',
  ]);
  assert.deepEqual(decide([['pending']], 'delayed', nobody), []);
  assert.deepEqual(decide([['failure', 'never']], 'ended', nobody), ['drop: r0 failed']);
});

test('a failed notice to the postmaster ends there', () => {
  const notice = { reversePath: null, origin: { ...envelope().origin, ground: doubleBounceGround } };
  assert.deepEqual(decide([['failure']], 'ended', notice), ['drop: r0 failed']);
});

test('an index that is not in the envelope is passed over', () => {
  assert.deepEqual(dsnFor(envelope(), new Map(), { kind: 'delayed', recipients: [7] }), []);
});
