import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Capture, type CaptureOptions } from './capture.ts';
import { attemptFor } from './testing.ts';

const now = () => Date.UTC(2026, 0, 2);
const signal = new AbortController().signal;

async function inbox(t: TestContext, limits: Partial<CaptureOptions> = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'posthouse-capture-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return { folder, capture: new Capture({ folder, now, ...limits }) };
}

test('a message is kept with its envelope and can be listed and read', async (t) => {
  const { capture } = await inbox(t);
  const attempt = attemptFor('A: b\r\n\r\nx\r\n', ['a@dest.test', 'b@dest.test']);
  const { statuses } = await capture.deliver(attempt, signal);
  assert.deepEqual(
    [...statuses.values()].map(({ status, relay }) => `${status} ${relay}`),
    ['delivered capture', 'delivered capture'],
  );
  const [message, ...others] = await capture.list({ limit: 10 });
  assert.deepEqual(others, []);
  assert.equal(message?.id, attempt.id);
  assert.equal(message?.from, 'sender@origin.test');
  assert.deepEqual(message?.to, ['a@dest.test', 'b@dest.test']);
  assert.equal(message?.capturedAt, now());
  assert.equal((await capture.octets(attempt.id))?.toString(), 'A: b\r\n\r\nx\r\n');
});

test('a second attempt for the same message adds its recipients and is no second message', async (t) => {
  const { capture } = await inbox(t);
  const attempt = attemptFor('A: b\r\n\r\n', ['a@dest.test', 'b@dest.test'], { only: [0] });
  await capture.deliver(attempt, signal);
  await capture.deliver({ ...attempt, recipients: [1, 0] }, signal);
  const messages = await capture.list({ limit: 10 });
  assert.deepEqual(
    messages.map(({ to }) => to),
    [['a@dest.test', 'b@dest.test']],
  );
});

test('the list is newest first and goes on from where it ended', async (t) => {
  const { capture } = await inbox(t);
  const attempts = Array.from({ length: 5 }, () => attemptFor('A: b\r\n\r\n', ['a@dest.test']));
  await Promise.all(attempts.map((attempt) => capture.deliver(attempt, signal)));
  const ids = attempts.map(({ id }) => id).reverse();
  const first = await capture.list({ limit: 2 });
  assert.deepEqual(
    first.map(({ id }) => id),
    ids.slice(0, 2),
  );
  const before = first[1]?.id;
  assert.ok(before);
  assert.deepEqual(
    (await capture.list({ limit: 10, before })).map(({ id }) => id),
    ids.slice(2),
  );
});

test('the oldest go when there are too many messages or octets', async (t) => {
  const { folder, capture } = await inbox(t, { maxMessages: 3 });
  const attempts = Array.from({ length: 5 }, () =>
    attemptFor(`A: b\r\n\r\n${'x'.repeat(93)}\r\n`, ['a@d.test']),
  );
  for (const attempt of attempts) await capture.deliver(attempt, signal);
  assert.deepEqual(
    (await capture.list({ limit: 9 })).map(({ id }) => id),
    attempts
      .map(({ id }) => id)
      .slice(2)
      .reverse(),
  );
  assert.equal((await readdir(folder)).length, 6);
  const small = await inbox(t, { maxBytes: 250 });
  for (const attempt of attempts) await small.capture.deliver(attempt, signal);
  assert.equal((await small.capture.list({ limit: 9 })).length, 2);
});

test('what was captured before is there after a restart, and counts', async (t) => {
  const { folder, capture } = await inbox(t);
  const attempts = Array.from({ length: 3 }, () => attemptFor('A: b\r\n\r\n', ['a@dest.test']));
  for (const attempt of attempts) await capture.deliver(attempt, signal);
  await writeFile(join(folder, 'README.txt'), 'not ours');
  const again = new Capture({ folder, now, maxMessages: 3 });
  assert.equal((await again.list({ limit: 9 })).length, 3);
  await again.deliver(attemptFor('A: b\r\n\r\n', ['a@dest.test']), signal);
  assert.equal((await again.list({ limit: 9 })).length, 3);
  assert.ok((await readdir(folder)).includes('README.txt'));
});

test('messages can be removed, one or all', async (t) => {
  const { folder, capture } = await inbox(t);
  const attempts = Array.from({ length: 3 }, () => attemptFor('A: b\r\n\r\n', ['a@dest.test']));
  for (const attempt of attempts) await capture.deliver(attempt, signal);
  const id = attempts[1]?.id;
  assert.ok(id);
  await capture.remove(id);
  assert.equal(await capture.octets(id), undefined);
  assert.equal((await capture.list({ limit: 9 })).length, 2);
  await capture.clear();
  assert.deepEqual(await readdir(folder), []);
});

test('a folder that cannot be written is transient and works again later', async (t) => {
  const { folder } = await inbox(t);
  const blocked = join(folder, 'file');
  await writeFile(blocked, '');
  const capture = new Capture({ folder: blocked, now });
  const { statuses, health } = await capture.deliver(attemptFor('A: b\r\n\r\n', ['a@dest.test']), signal);
  assert.equal(statuses.get(0)?.status, 'pending');
  assert.equal(health.kind, 'unavailable');
  await rm(blocked);
  const again = await capture.deliver(attemptFor('A: b\r\n\r\n', ['a@dest.test']), signal);
  assert.equal(again.statuses.get(0)?.status, 'delivered');
});

test('an envelope that was damaged is left out of the list', async (t) => {
  const { folder, capture } = await inbox(t);
  const attempt = attemptFor('A: b\r\n\r\n', ['a@dest.test']);
  await capture.deliver(attempt, signal);
  await writeFile(join(folder, `${attempt.id}.json`), '{"id":');
  assert.deepEqual(await capture.list({ limit: 9 }), []);
});
