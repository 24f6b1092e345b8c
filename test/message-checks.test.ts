/** Tests what a message passes on its way into the queue, by the content that goes on and the octets that are withheld. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Audits } from '../src/audit/index.ts';
import { type Clock, manualClock, memoryLog } from '../src/base/index.ts';
import { formatVerdict } from '../src/clearinghouse/bulk-check.ts';
import { type BulkRule, ClearinghouseBusy, type Subject, type Verdict } from '../src/clearinghouse/index.ts';
import type { Config } from '../src/config/index.ts';
import type { Guard, Judgement } from '../src/guard/index.ts';
import { envelope } from '../src/guard/testing.ts';
import { parseQueueId, type Reply, reply } from '../src/mail/index.ts';
import { formatField, Room } from '../src/message/index.ts';
import { Content, type Decision, screenMessage } from '../src/receiver/index.ts';
import { createChecks } from '../src/relay/screening.ts';
import { BdatReader } from '../src/smtp/index.ts';
import { SpoolError } from '../src/spool/index.ts';

const letter = envelope({ ground: 'recipient', to: ['anna@relay.test'] });
const id = parseQueueId('0000000000000000') ?? assert.fail();
const isKnown = () => false;

/** The verdict on a copy of which there are many. */
const bulk: Verdict = {
  ...{ count: 40, exact: 0, reported: 0, revoked: 0, confidence: 33, cluster: 'a-1', via: 'text' },
  ...{ isBulk: true, isReported: false, isContested: false, isShort: false, isAllowed: false },
};
/** How it stands in the header. */
const field = (({ name, value }) => String(formatField(name, value)))(formatVerdict(bulk, 'mx.test'));
const rule: BulkRule = {
  ...{ grounds: [], listeners: [], identities: [] },
  ...{ action: 'tag', unavailable: 'pass' },
};

interface Case {
  readonly rules?: readonly BulkRule[];
  readonly octets?: number;
  readonly judged?: Judgement;
  readonly answer?: () => Promise<Verdict>;
  readonly clock?: Clock;
}

/** No check here adds recipients. */
function refuseAll(): Decision {
  return { kind: 'refusal', reply: reply(550, '7.1', 'no'), because: 'test' };
}

/** Messages whose judges only note what they get: the checks of a relay, in its order. */
function checksBench({ rules = [rule], octets = 1000, judged = { kind: 'pass' }, ...more }: Case = {}) {
  const looked: number[] = [];
  const log = memoryLog();
  const room = new Room(octets);
  const answer = async (subject: Subject) => {
    looked.push('octets' in subject ? subject.octets.length : 0);
    return (await more.answer?.()) ?? bulk;
  };
  const guard = { judge: () => judged, refusal: () => undefined, failed() {}, report() {} };
  const screening = createChecks({
    audits: new Audits(),
    guard: guard as unknown as Guard,
    clearinghouse: () => ({ check: answer, report: answer, revoke: answer }),
    clock: more.clock ?? manualClock(),
    log,
  })({ hostname: 'mx.test', clearinghouse: { relay: rules } } as unknown as Config);
  const begin = () => {
    const written: Buffer[] = [];
    const content = new Content({
      message: {
        id,
        write: (each) => void written.push(Buffer.from(each)),
        commit: async () => reply(250, '0.0', 'ok'),
        discard() {},
      },
      reader: new BdatReader({ maxOctets: 1e6 }),
      begunAt: 0,
      trace: 'T: r\r\n',
      room,
      screening,
      isKnown,
      envelope: () => letter,
    });
    const write = async (text: string) => {
      content.begin(text.length, false);
      await content.read(Buffer.from(text)).wait;
    };
    const end = async () => {
      await content.incoming.end();
      const screened = await screenMessage({ content, envelope: letter, decide: refuseAll });
      content.incoming.close();
      return screened;
    };
    return { content, write, end, text: () => Buffer.concat(written).toString() };
  };
  return { begin, looked, screening, log };
}

test('a message that trickles in is looked at and kept whole, with the field before it', async () => {
  const { begin, looked } = checksBench();
  const message = begin();
  for (const octet of 'Subject: x\r\n\r\nhello\r\n') await message.write(octet);
  assert.equal(message.text(), '', 'nothing goes on before it was looked at');
  const screened = await message.end();
  assert.ok(screened.kind === 'keep' && screened.envelope.content.size === 21 + field.length);
  assert.deepEqual([message.text(), looked], [`${field}T: r\r\nSubject: x\r\n\r\nhello\r\n`, [21]]);
});

test('what is withheld for the clearinghouse is bounded for all sessions together', async () => {
  const { begin, looked } = checksBench();
  const [first, second, third] = [begin(), begin(), begin()];
  const header = 'A: b\r\n\r\n';
  await first.write(header + 'a'.repeat(592));
  await second.write(header + 'b'.repeat(292));
  await second.write('b'.repeat(300));
  assert.equal(second.text().length, 606, 'beyond the bound it goes on at once');
  assert.equal(first.text(), '');
  await second.end();
  await third.write(header + 'c'.repeat(392));
  assert.equal(third.text(), '', 'there is room again');
  first.content.discard();
  await third.write('c'.repeat(500));
  assert.equal(third.text(), '');
  await third.end();
  assert.deepEqual([looked, third.text().length], [[600, 900], 906 + field.length]);
});

test('a message that the guard holds waits until the hold is kept, and the hold ends with it', async () => {
  const kept = Promise.withResolvers<void>();
  let ends = 0;
  const hold = { kind: 'hold', because: 'too much', durable: kept.promise, end: () => void ends++ } as const;
  const { begin, looked } = checksBench({ judged: hold });
  const message = begin();
  await message.write('A: b\r\n\r\n');
  const screening = message.end();
  kept.resolve();
  const screened = await screening;
  assert.ok(screened.kind === 'keep' && screened.held === 'too much');
  assert.equal(ends, 0);
  screened.settled?.('held');
  assert.equal(ends, 1);
  assert.deepEqual(looked, [], 'nobody else is asked');
});

test('a hold that cannot be kept is 452 or 451, and a guard that keeps no more answers itself', async () => {
  const answer = async (guard: Judgement): Promise<Reply> => {
    const message = checksBench({ judged: guard }).begin();
    await message.write('A: b\r\n\r\n');
    const screened = await message.end();
    assert.ok(screened.kind === 'over');
    return screened.reply;
  };
  const failing = (error: Error): Judgement => {
    const durable = Promise.reject(error);
    return { kind: 'hold', because: 'x', durable, end() {} };
  };
  assert.equal((await answer(failing(new SpoolError('full', 'no space')))).code, 452);
  assert.equal((await answer(failing(new Error('broken')))).code, 451);
  const much = reply(452, '7.1', 'much mail');
  assert.equal(await answer({ kind: 'refuse', reply: much, because: 'x' }), much);
});

test('without a rule about bulk mail nothing is withheld, and no promise is made', () => {
  const { screening } = checksBench({ rules: [] });
  assert.equal(screening.beginningOctets, 0);
  const subject = { id, isKnown, envelope: letter, beginning: Buffer.alloc(0), edits: [], held: undefined };
  assert.deepEqual(screening.message?.(subject), { kind: 'pass' });
});

test('mail of no rule is not looked at, and no promise is made', () => {
  const { screening, looked } = checksBench({ rules: [{ ...rule, grounds: ['network'] }] });
  const subject = { id, isKnown, envelope: letter, beginning: Buffer.from('x'), edits: [], held: undefined };
  assert.deepEqual(screening.message?.(subject), { kind: 'pass' });
  assert.deepEqual(looked, []);
});

const never = new Promise<Verdict>(() => {});
const silences = [
  [() => Promise.reject(new ClearinghouseBusy('it is not running')), 'it is not running'],
  [() => Promise.reject(new Error('a bug')), 'a bug'],
  [() => never, 'it did not answer in time'],
] as const;

test('what becomes of mail that cannot be looked at is for its rule to say, and is said', async () => {
  for (const [answer, because] of silences)
    for (const unavailable of ['pass', 'hold', 'defer'] as const) {
      const clock = manualClock();
      const { begin, looked, log } = checksBench({ rules: [{ ...rule, unavailable }], answer, clock });
      const message = begin();
      await message.write('A: b\r\n\r\n');
      const ending = message.end();
      while (looked.length === 0) await Promise.resolve();
      if (because === 'it did not answer in time') clock.advance(2000);
      const screened = await ending;
      if (unavailable === 'defer') assert.ok(screened.kind === 'over' && screened.reply.code === 451);
      else {
        assert.ok(screened.kind === 'keep');
        const why = unavailable === 'hold' ? 'bulk: it could not be looked at' : undefined;
        assert.equal(screened.held, why);
        assert.equal(message.text(), 'T: r\r\nA: b\r\n\r\n', 'without a field');
      }
      assert.deepEqual(
        log.lines.map(({ event, fields }) => ({ event, ...fields })),
        [{ event: 'check-skipped', check: 'bulk', because, messages: 1, action: unavailable }],
      );
    }
});

test('the header is one field whatever is in it', () => {
  const verdict = { ...bulk, isReported: true, isContested: true, isAllowed: true };
  const { name, value } = formatVerdict(verdict, 'mx.test');
  const header = String(formatField(name, value));
  assert.match(header, /^X-Posthouse-Bulk: mx\.test; bulk reported contested allowed;\r\n\t[ -~]+\r\n$/);
});
