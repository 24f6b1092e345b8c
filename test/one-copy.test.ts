import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openRelay, testFolder } from './support/relay.ts';

/** One mailbox that is named twice gets one copy, by whichever way the message comes in. */

const keys = {
  domains: [
    {
      name: 'ours.test',
      deliver: 'maildir:/nowhere/{local}',
      recipients: ['anna', 'bob'],
      catchAll: 'bob@ours.test',
      aliases: 'aliases',
    },
    { name: 'any.test', deliver: 'maildir:/nowhere/{local}' },
    { name: 'backup.test', backup: true },
  ],
  routes: [{ to: '*', via: 'capture' }],
};

const cases: readonly (readonly [to: readonly string[], copies: number])[] = [
  [['anna@ours.test', 'ANNA@ours.test'], 1],
  [['Anna@OURS.Test', 'anna@ours.test', 'aNNa@Ours.Test'], 1],
  [['sales@ours.test', 'ANNA@ours.test'], 1],
  [['anna@ours.test', 'both@ours.test', 'SALES@ours.test'], 2],
  [['Anna+one@ours.test', 'anna+two@ours.test', 'anna@ours.test'], 1],
  [['nobody@ours.test', 'who@ours.test', 'BOB@ours.test'], 1],
  [['Bob@away.test', 'bob@away.test'], 2],
  [['bob@away.test', 'bob@AWAY.test'], 1],
  [['Bob@backup.test', 'bob@backup.test'], 2],
  [['\u00e4nn@any.test', 'a\u0308nn@any.test'], 1],
  [['\u00e4nn@away.test', 'a\u0308nn@away.test'], 1],
];

async function start(t: TestContext) {
  const folder = await testFolder(t);
  await writeFile(join(folder, 'aliases'), 'sales: Anna\nboth: ANNA, bob\n');
  return openRelay(t, keys, { folder });
}

test('the same mailbox named twice in other case gets one copy by SMTP', async (t) => {
  const relay = await start(t);
  for (const [to, copies] of cases) {
    const isAscii = /^[ -~]*$/.test(to.join(''));
    assert.match(await relay.send({ to, mailParameters: isAscii ? '' : ' SMTPUTF8' }), /^250 /, to.join());
    const [accepted] = (await relay.log.logged('accepted')).slice(-1);
    assert.equal(accepted?.recipients, copies, to.join());
  }
});

test('the same mailbox named twice in other case gets one copy from this machine', async (t) => {
  const relay = await start(t);
  const control = relay.control;
  async function* octets() {
    yield Buffer.from('Subject: hello\r\n\r\nhello\r\n');
  }
  for (const [to, copies] of cases) {
    const submission = { from: 'keeper@relay.test', to: [...to], follow: false };
    for await (const event of control.submit(submission, octets(), AbortSignal.timeout(10_000)))
      assert.deepEqual(
        [event.event, 'recipients' in event && event.recipients],
        ['accepted', copies],
        to.join(),
      );
  }
});
