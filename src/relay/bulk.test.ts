import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualClock, memoryLog } from '../base/index.ts';
import type { BulkRule, Clearinghouse, Verdict } from '../clearinghouse/index.ts';
import { ClearinghouseBusy } from '../clearinghouse/index.ts';
import { formatField } from '../message/index.ts';
import { type BulkCheckParts, createBulkCheck, formatVerdict } from './bulk.ts';

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
  readonly verdict?: Verdict | Error | 'never' | 'closed';
  readonly origin?: object;
}

async function judged({ rules, verdict = bulk, origin = {} }: Case) {
  const reports: string[] = [];
  const clock = manualClock();
  const log = memoryLog();
  const asked: { count: number; bulk?: number | undefined } = { count: 0 };
  const check: Clearinghouse['check'] = async (_subject, _source, options) => {
    asked.count++;
    asked.bulk = options?.bulk;
    if (verdict === 'never' || verdict === 'closed') return new Promise<Verdict>(() => {});
    if (verdict instanceof Error) throw verdict;
    return verdict;
  };
  const clearinghouse: Clearinghouse = { check, report: check, revoke: check };
  const parts = {
    clearinghouse: () => (verdict === 'closed' ? undefined : clearinghouse),
    config: () => ({ hostname: 'mx.test', clearinghouse: { relay: rules } }),
    guard: { report: (subject: string, kind: string) => void reports.push(`${subject} ${kind}`) },
    isExempt: () => false,
    clock,
    log,
  } as unknown as BulkCheckParts;
  const envelope = {
    reversePath: null,
    recipients: [],
    origin: { client: '192.0.2.1', listener: 'mx', ground: 'open', ...origin },
  } as unknown as Parameters<ReturnType<typeof createBulkCheck>['judge']>[0];
  const judging = createBulkCheck(parts).judge(envelope, Buffer.from('x'));
  if (verdict === 'never') clock.advance(2000);
  const result = await judging;
  const said = log.lines.map(({ event, fields }) => ({ event, ...fields }));
  return { ...result, reports, asked: asked.count, bulk: asked.bulk, said };
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
  assert.equal((await judged({ rules })).kind, 'pass');
});

test('each action, with a header for what goes on and a word to the guard for what does not', async () => {
  const hold = await judged({ rules: [rule] });
  assert.ok(hold.kind === 'hold' && hold.because === 'bulk: copies to 40 recipients (cluster a-1)');
  assert.match(hold.header?.value ?? '', /^ mx\.test; bulk;\r\n\tcount=40 .*cluster=a-1 via=text$/);
  assert.deepEqual(hold.reports, ['address:192.0.2.1 bulk']);
  const refused = await judged({ rules: [{ ...rule, action: 'refuse' }] });
  assert.ok(refused.kind === 'refuse' && refused.reply.code === 550);
  const deferred = await judged({ rules: [{ ...rule, action: 'defer' }] });
  assert.ok(deferred.kind === 'refuse' && deferred.reply.code === 451);
  const tagged = await judged({ rules: [{ ...rule, action: 'tag' }] });
  assert.ok(tagged.kind === 'pass' && tagged.header !== undefined);
  assert.deepEqual(tagged.reports, []);
});

test('bulk of somebody who is known by name has to be reported, unless the rule says otherwise', async () => {
  const origin = { ground: 'authenticated', identity: 'anna' };
  const reported = { ...bulk, isReported: true, reported: 2 };
  assert.equal((await judged({ rules: [rule], origin })).kind, 'pass');
  assert.equal((await judged({ rules: [rule], origin, verdict: reported })).kind, 'hold');
  assert.equal((await judged({ rules: [{ ...rule, when: 'bulk' }], origin })).kind, 'hold');
  assert.equal((await judged({ rules: [{ ...rule, when: 'reported' }] })).kind, 'pass');
});

test('a rule has a threshold of its own, and what is allowed passes', async () => {
  assert.equal((await judged({ rules: [{ ...rule, bulk: 41 }] })).bulk, 41);
  assert.equal((await judged({ rules: [rule] })).bulk, undefined);
  assert.equal((await judged({ rules: [rule], verdict: { ...bulk, isAllowed: true } })).kind, 'pass');
});

const silences = [
  [new ClearinghouseBusy('it is not running'), 'it is not running'],
  [new Error('a bug'), 'a bug'],
  ['never', 'it did not answer in time'],
  ['closed', 'it is not open'],
] as const;

test('what becomes of mail that cannot be looked at is for its rule to say, and is said', async () => {
  for (const [verdict, because] of silences) {
    const passed = await judged({ rules: [rule], verdict });
    assert.equal(passed.kind, 'pass');
    assert.equal(passed.header, undefined);
    assert.deepEqual(passed.said, [{ event: 'bulk-check-skipped', because, messages: 1, action: 'pass' }]);
    const kept = await judged({ rules: [{ ...rule, unavailable: 'hold' }], verdict });
    assert.ok(kept.kind === 'hold' && kept.because === 'bulk: it could not be looked at');
    const later = await judged({ rules: [{ ...rule, unavailable: 'defer' }], verdict });
    assert.ok(later.kind === 'refuse' && later.reply.code === 451);
    // Nobody is to blame for it.
    assert.deepEqual([...kept.reports, ...later.reports], []);
  }
});

test('the header is one field whatever is in it', () => {
  const verdict = { ...bulk, isReported: true, isContested: true, isAllowed: true };
  const { name, value } = formatVerdict(verdict, 'mx.test');
  const header = String(formatField(name, value));
  assert.match(header, /^X-Posthouse-Bulk: mx\.test; bulk reported contested allowed;\r\n\t[ -~]+\r\n$/);
});
