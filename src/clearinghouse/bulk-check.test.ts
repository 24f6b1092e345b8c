/** Tests of the bulk check: rules, actions, and a clearinghouse that does not answer. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryLog } from '../base/index.ts';
import { type Envelope, parseQueueId } from '../mail/index.ts';
import { type Clearinghouse, ClearinghouseBusy, type Verdict } from './ask.ts';
import { createBulkCheck } from './bulk-check.ts';
import type { BulkRule } from './options.ts';

const id = parseQueueId('0000000000000000') ?? assert.fail();
const unknown: Verdict = {
  ...{ count: 1, exact: 0, reported: 0, revoked: 0, confidence: 0, via: 'none' },
  ...{ isBulk: false, isReported: false, isContested: false, isShort: false, isAllowed: false },
};
const bulk: Verdict = { ...unknown, count: 40, isBulk: true, confidence: 33, cluster: 'a-1', via: 'text' };
const rule: BulkRule = {
  ...{ grounds: [], listeners: [], identities: [] },
  ...{ action: 'hold', unavailable: 'pass' },
};

interface Case {
  readonly rules: readonly BulkRule[];
  readonly verdict?: Verdict | Error | 'closed';
  readonly origin?: object;
  readonly held?: string;
  readonly isLate?: boolean;
}

const pass = { kind: 'pass' } as const;

async function judged({ rules, verdict = bulk, origin = {}, held, isLate }: Case) {
  const reports: unknown[] = [];
  const log = memoryLog();
  const asked: { count: number; bulk?: number | undefined } = { count: 0 };
  const ask: Clearinghouse['check'] = async (_subject, _source, options) => {
    asked.count++;
    asked.bulk = options?.bulk;
    if (verdict === 'closed') return assert.fail();
    if (verdict instanceof Error) throw verdict;
    return verdict;
  };
  const clearinghouse: Clearinghouse = { check: ask, report: ask, revoke: ask };
  const check = createBulkCheck({
    rules,
    hostname: 'mx.test',
    clearinghouse: () => (verdict === 'closed' ? undefined : clearinghouse),
    report: ({ client, ground }) => void reports.push(`${ground} ${client}`),
    log,
  });
  const envelope = {
    reversePath: null,
    recipients: [],
    origin: { client: '192.0.2.1', listener: 'mx', ground: 'open', ...origin },
  } as unknown as Envelope;
  const isKnown = () => false;
  const subject = { id, isKnown, envelope, beginning: Buffer.from('x'), edits: [], held };
  const late = new AbortController();
  if (isLate) late.abort();
  const found = await check.message?.(subject, { signal: late.signal });
  const events = log.lines.map(({ event }) => event);
  const unavailable = check.unavailableFor?.(subject);
  const header = found?.edits?.[0];
  return { ...(found ?? pass), header, unavailable, reports, asked: asked.count, bulk: asked.bulk, events };
}

test('the first rule that is about a message decides, and mail of no rule is not looked at', async () => {
  const about = async (one: Partial<BulkRule>, origin = {}) =>
    (await judged({ rules: [{ ...rule, ...one }], origin })).asked;
  assert.equal(await about({}), 1);
  assert.equal(await about({ grounds: ['network'] }), 0);
  assert.equal(await about({ grounds: ['network', 'open'] }), 1);
  assert.equal(await about({ listeners: ['submission'] }), 0);
  assert.equal(await about({ listeners: ['mx'] }), 1);
  assert.equal(await about({ identities: ['anna'] }), 0);
  assert.equal(await about({ identities: ['anna'] }, { identity: 'Anna' }), 1);
  const rules: BulkRule[] = [{ ...rule, action: 'tag' }, rule];
  assert.equal((await judged({ rules })).kind, 'edit');
});

test('each action, with a header for what goes on and a word to the guard for what does not', async () => {
  const hold = await judged({ rules: [rule] });
  assert.ok(hold.kind === 'hold' && hold.because === 'bulk: copies to 40 recipients (cluster a-1)');
  assert.match(
    hold.header?.kind === 'insert' ? hold.header.value : '',
    /^ mx\.test; bulk;\r\n\tcount=40 .*cluster=a-1 via=text$/,
  );
  assert.deepEqual(hold.reports, ['open 192.0.2.1']);
  const refused = await judged({ rules: [{ ...rule, action: 'refuse' }] });
  assert.ok(refused.kind === 'refuse' && refused.reply.code === 550);
  const deferred = await judged({ rules: [{ ...rule, action: 'defer' }] });
  assert.ok(deferred.kind === 'defer' && deferred.reply.code === 451);
  assert.deepEqual([refused.events, hold.events], [['bulk-refused'], ['bulk-held']]);
  const tagged = await judged({ rules: [{ ...rule, action: 'tag' }] });
  assert.ok(tagged.kind === 'edit' && tagged.header !== undefined);
  assert.deepEqual(tagged.reports, []);
});

test('bulk of somebody who is known by name has to be reported, unless the rule says otherwise', async () => {
  const origin = { ground: 'authenticated', identity: 'anna' };
  const reported = { ...bulk, isReported: true, reported: 2 };
  assert.equal((await judged({ rules: [rule], origin })).kind, 'edit');
  assert.equal((await judged({ rules: [rule], origin, verdict: reported })).kind, 'hold');
  assert.equal((await judged({ rules: [{ ...rule, when: 'bulk' }], origin })).kind, 'hold');
  assert.equal((await judged({ rules: [{ ...rule, when: 'reported' }] })).kind, 'edit');
});

test('a rule has a threshold of its own, and what is allowed passes', async () => {
  assert.equal((await judged({ rules: [{ ...rule, bulk: 41 }] })).bulk, 41);
  assert.equal((await judged({ rules: [rule] })).bulk, undefined);
  assert.equal((await judged({ rules: [rule], verdict: { ...bulk, isAllowed: true } })).kind, 'edit');
});

test('a clearinghouse that does not answer is no verdict, and the rule says what that counts as', async () => {
  const silences = [
    [new ClearinghouseBusy('it is not running'), /it is not running/],
    [new Error('a bug'), /a bug/],
    ['closed', /it is not open/],
  ] as const;
  for (const [verdict, because] of silences)
    await assert.rejects(judged({ rules: [rule], verdict }), because);
  for (const unavailable of ['pass', 'hold', 'defer'] as const)
    assert.equal((await judged({ rules: [{ ...rule, unavailable }] })).unavailable, unavailable);
  assert.equal((await judged({ rules: [{ ...rule, grounds: ['network'] }] })).unavailable, undefined);
});

test('nobody is reported for an answer that comes too late', async () => {
  assert.deepEqual((await judged({ rules: [rule], isLate: true })).reports, []);
});

test('what is held already is not looked at', async () => {
  const found = await judged({ rules: [{ ...rule, action: 'refuse' }], held: 'too much' });
  assert.deepEqual([found.kind, found.asked], ['pass', 0]);
});
