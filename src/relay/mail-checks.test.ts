/** Tests what a message passes on its way into the queue, by the content that goes on and the octets that are withheld. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLog } from '../base/index.ts';
import type { Judgement } from '../guard/index.ts';
import { envelope } from '../guard/testing.ts';
import { parseQueueId, type Reply, reply } from '../mail/index.ts';
import { Room } from '../message/index.ts';
import { Content, screenMessage } from '../receiver/index.ts';
import { BdatReader } from '../smtp/index.ts';
import { SpoolError } from '../spool/index.ts';
import type { BulkJudgement } from './bulk.ts';
import { createMailChecks } from './mail-checks.ts';

const letter = envelope({ ground: 'recipient', to: ['anna@relay.test'] });
const id = parseQueueId('0000000000000000') ?? assert.fail();
const field = { name: 'X', value: ' y' };

/** Messages whose judges only note what they get. */
function checksBench(bulk: BulkJudgement, octets: number, guard: Judgement = { kind: 'pass' }) {
  const looked: number[] = [];
  const room = new Room(octets);
  const screening = createMailChecks({
    guard: { judge: () => guard },
    bulk: {
      isOn: () => true,
      async judge(_, content) {
        looked.push(content.length);
        return bulk;
      },
    },
    log: silentLog,
  });
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
      envelope: () => letter,
    });
    const write = async (text: string) => {
      content.begin(text.length, false);
      await content.read(Buffer.from(text)).wait;
    };
    const end = async () => {
      await content.incoming.end();
      const screened = await screenMessage({ content, envelope: letter, destinationOf: () => [] });
      content.incoming.close();
      return screened;
    };
    return { content, write, end, text: () => Buffer.concat(written).toString() };
  };
  return { begin, looked, screening };
}

test('a message that trickles in is looked at and kept whole, with the field before it', async () => {
  const { begin, looked } = checksBench({ kind: 'pass', header: field }, 1000);
  const message = begin();
  for (const octet of 'Subject: x\r\n\r\nhello\r\n') await message.write(octet);
  assert.equal(message.text(), '', 'nothing goes on before it was looked at');
  const screened = await message.end();
  assert.ok(screened.kind === 'keep' && screened.envelope.content.size === 27);
  assert.deepEqual([message.text(), looked], ['X: y\r\nT: r\r\nSubject: x\r\n\r\nhello\r\n', [21]]);
});

test('what is withheld for the clearinghouse is bounded for all sessions together', async () => {
  const { begin, looked } = checksBench({ kind: 'pass' }, 1000);
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
  assert.deepEqual([looked, third.text().length], [[600, 900], 906]);
});

test('a message that the guard holds waits until the hold is kept, and the hold ends with it', async () => {
  const kept = Promise.withResolvers<void>();
  let ends = 0;
  const hold = { kind: 'hold', because: 'too much', durable: kept.promise, end: () => void ends++ } as const;
  const { begin, looked } = checksBench({ kind: 'pass' }, 1000, hold);
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
    const message = checksBench({ kind: 'pass' }, 1000, guard).begin();
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
  const checks = createMailChecks({
    guard: { judge: () => ({ kind: 'pass' }) },
    bulk: { isOn: () => false, judge: () => assert.fail() },
    log: silentLog,
  });
  assert.equal(checks.beginningOctets, 0);
  const subject = { id, envelope: letter, beginning: Buffer.alloc(0), edits: [], held: undefined };
  assert.deepEqual(checks.message?.(subject), { kind: 'pass' });
});
