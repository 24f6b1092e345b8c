import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClearinghouseBusy } from '../ask.ts';
import { openPyzor } from './pyzor.ts';
import { bench, datagram, spam } from './testing.ts';

const digest = 'a'.repeat(40);
const pyzorRequest = (op: string, more = '') =>
  `Op: ${op}\nOp-Digest: ${digest}\nThread: 4711\nPV: 2.1\n${more}\n\n`;

test('Pyzor is answered with its fields in order, and refused what it may not', async (t) => {
  const { door, asked, state } = await bench(t, (options) => openPyzor({ ...options, accounts: new Map() }));
  state.verdict = spam;
  assert.equal(
    await datagram(door.port, pyzorRequest('check')),
    'Code: 200\nDiag: OK\nPV: 2.1\nThread: 4711\nCount: 40\nWL-Count: 0\n\n',
  );
  assert.match((await datagram(door.port, pyzorRequest('pong'))) ?? '', /Count: 2147483647/);
  assert.equal(
    await datagram(door.port, pyzorRequest('report')),
    'Code: 200\nDiag: OK\nPV: 2.1\nThread: 4711\n\n',
  );
  for (const [request, code] of [
    [pyzorRequest('whitelist'), 403],
    [pyzorRequest('destroy'), 501],
    [pyzorRequest('check').replace('2.1', '3.0'), 505],
    [pyzorRequest('check').replace(digest, 'xyz'), 400],
    [pyzorRequest('check', 'User: anna\nTime: 1\nSig: 00'), 401],
  ] as const)
    assert.match((await datagram(door.port, request)) ?? '', new RegExp(`^Code: ${code}\n`), request);
  const before = asked.length;
  assert.match(
    (await datagram(
      door.port,
      pyzorRequest('check').replace(digest, 'da39a3ee5e6b4b0d3255bfef95601890afd80709'),
    )) ?? '',
    /Count: 0\n/,
  );
  for (const text of [
    '',
    'rubbish',
    'Op: check\n\n',
    `Thread: 1\n${'x'.repeat(9000)}`,
    'Thread: x\nOp: ping\n\n',
  ])
    assert.equal(await datagram(door.port, text), undefined, text.slice(0, 20));
  assert.equal(asked.length, before);
  state.verdict = new ClearinghouseBusy('too much');
  assert.match((await datagram(door.port, pyzorRequest('check'))) ?? '', /^Code: 503\n/);
});
