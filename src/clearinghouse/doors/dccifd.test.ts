import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClearinghouseBusy } from '../ask.ts';
import { openDccifd } from './dccifd.ts';
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
  for (const text of ['', 'header', 'nonsense\n\n\n\n\n\nx', `header\n\n\n\n${'r@x\n'.repeat(2000)}\nx`])
    assert.equal(await whole(door.port, text), '', text.slice(0, 30));
  assert.equal(door.counts.faults, 4);
});
