import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { noteOptOut, noteTest, permission, readRecord } from './manners.ts';
import { findTokens, formatToken } from './token.ts';

const now = Date.UTC(2026, 0, 2);
const empty = { tested: {}, optedOut: [] };
const ask = (target: string, over: Partial<Parameters<typeof permission>[2]> = {}, record = empty) =>
  permission(target, record, { authorisedBy: undefined, own: ['198.51.100.1'], now, ...over }).kind;

async function recordFile(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'posthouse-probe-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return join(folder, 'probe', 'record.json');
}

test('a host that is not ours needs the word of somebody', () => {
  for (const own of ['127.0.0.1', '::1', '10.1.2.3', '192.168.1.1', '::ffff:127.0.0.1', '198.51.100.1']) {
    assert.equal(ask(own), 'own', own);
  }
  for (const other of ['192.0.2.1', '2001:db8::1', '8.8.8.8', '64:ff9b::10.0.0.1', '2002:a00:1::1']) {
    assert.equal(ask(other), 'refused', other);
    assert.equal(ask(other, { authorisedBy: ' ' }), 'refused');
    assert.equal(ask(other, { authorisedBy: 'its admin, by phone' }), 'authorised');
  }
  assert.equal(ask('not an address', { authorisedBy: 'somebody' }), 'refused');
});

test('a host rests for a day after a test, and the record says who allowed it', async (t) => {
  const path = await recordFile(t);
  await noteTest(path, { target: '192.0.2.1', authorisedBy: 'its admin', now });
  const record = await readRecord(path);
  assert.equal(record.tested['192.0.2.1']?.authorisedBy, 'its admin');
  const by = { authorisedBy: 'its admin' };
  const check = (at: number, target = '192.0.2.1') =>
    permission(target, record, { ...by, own: [], now: at }).kind;
  assert.equal(check(now + 23 * 3_600_000), 'refused');
  assert.equal(check(now + 24 * 3_600_000), 'authorised');
  assert.equal(check(now, '192.0.2.2'), 'authorised');
});

test('who opted out is left alone, whoever allows it', async (t) => {
  const path = await recordFile(t);
  await noteOptOut(path, '192.0.2.0/24');
  await noteOptOut(path, '127.0.0.1');
  const translated = '64:ff9b::192.0.2.77';
  const record = await readRecord(path);
  for (const target of ['192.0.2.77', '127.0.0.1', translated]) {
    const answer = permission(target, record, { authorisedBy: 'me', own: [], now });
    assert.ok(answer.kind === 'refused' && answer.because.includes('opted out'));
  }
});

test('a record that cannot be read stops the test instead of allowing it', async (t) => {
  const path = await recordFile(t);
  assert.deepEqual(await readRecord(path), empty);
  await noteOptOut(path, '192.0.2.1');
  await writeFile(path, '{');
  await assert.rejects(readRecord(path));
});

test('a token is believed only for its secret, its target and its case', () => {
  const secret = Buffer.from('secret');
  const token = { target: '192.0.2.1', caseId: 'r01s05h1', at: now };
  const text = formatToken(token, secret);
  assert.ok(text.length <= 60, text);
  const find = (hay: string, targets = ['192.0.2.1'], key = secret) => findTokens(hay, targets, key);
  assert.deepEqual(find(`X: <u+${text.toUpperCase()}@d> ...`), [token]);
  assert.deepEqual(find(text, ['192.0.2.2', '192.0.2.1']), [token]);
  assert.deepEqual(find(text, ['192.0.2.2']), []);
  assert.deepEqual(find(text, ['192.0.2.1'], Buffer.from('other')), []);
  assert.deepEqual(find(text.replace('r01', 'r02')), []);
});
