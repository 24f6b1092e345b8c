import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fakeIo, fakeRelay, run } from './testing.ts';

const now = Date.now();
const verdict = {
  ...{ count: 12, exact: 3, reported: 1, revoked: 0, confidence: 60, cluster: '1r-1', via: 'text' },
  ...{ isBulk: true, isReported: true, isContested: false, isAllowed: false },
  ...{ firstSeen: now - 7_200_000, lastSeen: now - 61_000, matched: ['"claim your \x1b[2Jprize"'] },
};

test('check says what is known of a message and why, and its exit code says bulk or not', async (t) => {
  const asked: unknown[] = [];
  const { data } = await fakeRelay(t, {
    async clearinghouseAsk(question, octets) {
      const pieces: Uint8Array[] = [];
      for await (const piece of octets) pieces.push(piece);
      asked.push([question, Buffer.concat(pieces).toString()]);
      return asked.length > 1 ? { ...verdict, isAllowed: true } : verdict;
    },
  });
  const file = join(data, 'mail.eml');
  await writeFile(file, 'Subject: x\n\nhello\n');
  const first = await run(['clearinghouse', 'check', file, '--data', data]);
  assert.equal(first.code, 1);
  assert.match(
    first.out,
    /^bulk, reported \(confidence 60\)\ncluster 1r-1, by text; copies to 12 recipients, 3 of them/,
  );
  assert.match(first.out, /first seen 2h ago, last 1m ago/);
  assert.ok(!first.out.includes('\x1b'));
  const second = await run(['clearinghouse', 'check', '--data', data], fakeIo({ stdin: 'Subject: y\n\n' }));
  assert.equal(second.code, 0, 'what is allowed is no bad news');
  await run(['clearinghouse', 'allow', '1r-1', '--data', data]);
  assert.deepEqual(asked, [
    [{ verb: 'check' }, 'Subject: x\n\nhello\n'],
    [{ verb: 'check' }, 'Subject: y\n\n'],
    [{ verb: 'allow', cluster: '1r-1' }, ''],
  ]);
});

test('what is not there is said: a file, a cluster, a clearinghouse', async (t) => {
  const { data } = await fakeRelay(t);
  const missing = await run(['clearinghouse', 'report', join(data, 'nothing.eml'), '--data', data]);
  assert.equal(missing.code, 66);
  assert.match(missing.err, /cannot read/);
  const folder = await run(['clearinghouse', 'check', data, '--data', data]);
  assert.equal(folder.code, 66);
  assert.match(folder.err, /it is a folder/);
  const unknown = await run(['clearinghouse', 'disallow', 'zz-1', '--data', data]);
  assert.match(unknown.err, /nothing like it is known/);
  assert.notEqual(unknown.code, 0);
});

test('status shows the doors and the peers', async (t) => {
  const door = { name: 'pyzor', address: '127.0.0.1:24441', requests: 7, refused: 2, faults: 1 };
  const { data } = await fakeRelay(t, {
    clearinghouseStatus: async () => ({
      ...{ clusters: 5, most: 100, counted: 70, reporters: 2, passedOver: 3, allowed: 1 },
      doors: [door],
      peers: [
        { name: 'north', isLinked: true },
        { name: 'south', isLinked: false },
      ],
    }),
  });
  const { out } = await run(['clearinghouse', 'status', '--data', data]);
  assert.match(
    out,
    /70 messages counted since the start; 5 of 100 clusters, 1 allowed; 2 reporters, 3 of whose reports were passed over/,
  );
  assert.match(out, /peer north: linked\npeer south: no link\n/);
  assert.match(out, /^pyzor +127\.0\.0\.1:24441 +7 +2 +1$/m);
  const json = await run(['clearinghouse', 'status', '--json', '--data', data]);
  assert.deepEqual(JSON.parse(json.out).doors, [door]);
});

test('learn reads messages, mailboxes and folders, each message once', async (t) => {
  const read: string[] = [];
  const { data } = await fakeRelay(t, {
    async clearinghouseAsk({ verb }, octets) {
      let text = '';
      for await (const piece of octets) text += Buffer.from(piece).toString();
      read.push(`${verb} ${text}`);
      return verdict;
    },
  });
  const folder = join(data, 'good');
  await mkdir(join(folder, 'cur'), { recursive: true });
  await writeFile(join(folder, 'cur', '1'), 'Subject: a\n\none\n');
  await writeFile(join(folder, 'empty'), '');
  await writeFile(
    join(folder, 'mbox'),
    'From x Thu Jan  1\nSubject: b\n\ntwo\nFrom here\n\nFrom y Thu Jan  1\nSubject: c\n\nthree\n',
  );
  const done = await run(['clearinghouse', 'learn', folder, '--data', data]);
  assert.deepEqual([done.code, done.out], [0, '3 messages read\n']);
  assert.deepEqual(read, [
    'learn Subject: a\n\none\n',
    'learn Subject: b\n\ntwo\nFrom here\n\n',
    'learn Subject: c\n\nthree\n',
  ]);
  assert.equal((await run(['clearinghouse', 'learn', join(folder, 'nothing'), '--data', data])).code, 66);
  assert.equal((await run(['clearinghouse', 'learn', '--data', data])).code, 64);
});
