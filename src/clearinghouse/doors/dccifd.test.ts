import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClearinghouseBusy } from '../ask.ts';
import { bodyWith, openDccifd } from './dccifd.ts';
import { bench, letter, spam, whole } from './testing.ts';

test('dccifd answers in the words of its protocol, and counts the recipients', async (t) => {
  const { door, asked, state } = await bench(t, (options) => openDccifd(options));
  const request = (options: string, recipients = 'anna@x.example\rlocal\nbob@x.example\n') =>
    `${options}\n192.0.2.7\rhost.example\nhelo\na@b.example\n${recipients}\n${letter}`;
  assert.equal(
    await whole(door.port, request('header')),
    'A\nAA\nX-DCC-posthouse-Metrics: posthouse 1; Body=1 Fuz1=0 Fuz2=0\n\n',
  );
  assert.deepEqual(asked[0]?.source.recipients, ['anna@x.example', 'bob@x.example']);
  assert.equal(asked[0]?.source.client, '192.0.2.7');
  state.verdict = spam;
  assert.match(
    await whole(door.port, request('cksums grey-off')),
    /^A\nAA\nX-DCC-.*; bulk Body=many Fuz1=many Fuz2=many\n +reported: 1 /,
  );
  assert.match(
    await whole(door.port, request('body')),
    /^R\nRR\nSubject: x\r\nX-DCC-posthouse-Metrics: .*\r\n\r\nhello\r\n$/,
  );
  await whole(door.port, request('query header'));
  await whole(door.port, request('header', ''));
  await whole(door.port, request('spam header'));
  assert.deepEqual(
    asked.slice(3).map(({ verb, counts }) => [verb, counts]),
    [
      ['check', false],
      ['check', false],
      ['report', undefined],
    ],
  );
  state.verdict = new ClearinghouseBusy('too much');
  assert.equal(await whole(door.port, request('header')), 'T\nTT\n\n');
  for (const text of ['', 'header', 'nonsense\n\n\n\n\n\nx', `header\n\n\n\n${'r@x\n'.repeat(90_000)}\nx`])
    assert.equal(await whole(door.port, text), '', text.slice(0, 30));
  assert.equal(door.counts.faults, 4);
});

test('dccifd: of many recipients a thousand are counted, and each is answered', async (t) => {
  const { door, asked } = await bench(t, (options) => openDccifd(options));
  const answer = await whole(door.port, `query\n\n\n\n${'r@x.example\n'.repeat(2345)}\n${letter}`);
  assert.equal(answer, `A\n${'A'.repeat(2345)}\n`);
  assert.deepEqual([asked[0]?.source.recipients.length, asked[0]?.source.targets], [1000, 1000]);
});

test('dccifd: of forged headers of its name nothing is left, wherever they are', () => {
  const ours = 'X-DCC-posthouse-Metrics: posthouse 1; Body=1';
  const forged = 'X-DCC-other-Metrics: x; bulk\r\n\tBody=many';
  for (const fields of [
    ['Subject: x', forged],
    [forged, 'Subject: x'],
    ['Subject: x', forged, forged],
    ['Subject: x'],
  ])
    assert.equal(
      String(bodyWith(Buffer.from(`${fields.join('\r\n')}\r\n\r\nhello\r\n`), ours)),
      `Subject: x\r\n${ours}\r\n\r\nhello\r\n`,
    );
  assert.equal(String(bodyWith(Buffer.from(`${forged}\r\n\r\nhello`), ours)), `${ours}\r\n\r\nhello`);
});

test('of a message that is given back only the header is looked at, and without an end of it there is no answer', () => {
  const body = Buffer.alloc(4_000_000, '\n\rX-DCC-a-Metrics: forged\n\0\xff', 'latin1');
  const given = bodyWith(Buffer.concat([Buffer.from('Subject: x\r\n\r\n'), body]), 'X-DCC-p-Metrics: p');
  const head = Buffer.from('Subject: x\r\nX-DCC-p-Metrics: p\r\n\r\n');
  assert.ok(given?.subarray(0, head.length).equals(head));
  assert.ok(given?.subarray(head.length).equals(body), 'the body is as it came, octet by octet');
  assert.equal(bodyWith(Buffer.alloc(300_000, 'a: b\n'), 'X: y'), undefined);
});
