import assert from 'node:assert/strict';
import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { dropRoot, hasRoot } from '../../base/testing.ts';
import { laneName } from '../../mail/index.ts';
import { type AttemptChanges, attemptFor, recipientOf } from '../testing.ts';
import { deliverToMaildir, mailboxPath } from './maildir.ts';

const now = () => Date.UTC(2026, 0, 1);
const parts = { now, hasMailbox: () => true };
const signal = new AbortController().signal;

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'posthouse-maildir-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

async function deliver(template: string, text: string, to: readonly string[], changes: AttemptChanges = {}) {
  const transport = { template } as const;
  const { statuses, health } = await deliverToMaildir(
    attemptFor(text, to, changes),
    transport,
    parts,
    signal,
  );
  const fates = to.map((_, index) => {
    const status = statuses.get(index);
    return `${status?.status} ${status?.reply.code} ${status?.reply.detail}`;
  });
  return { fates, health };
}

async function contents(maildir: string): Promise<string[]> {
  const names = await readdir(join(maildir, 'new'));
  return Promise.all(names.map((name) => readFile(join(maildir, 'new', name), 'utf8')));
}

test('a message arrives in new, with Return-Path and Delivered-To and lines ending in LF', async (t) => {
  const root = await folder(t);
  const { fates } = await deliver(`${root}/{domain}/{local}`, 'A: b\r\n\r\nx\r\n', ['Jane@Dest.test']);
  assert.deepEqual(fates, ['delivered 250 0.0']);
  const path = join(root, 'dest.test', 'jane');
  assert.deepEqual(await contents(path), [
    'Return-Path: <sender@origin.test>\nDelivered-To: Jane@Dest.test\nA: b\n\nx\n',
  ]);
  assert.deepEqual((await readdir(path)).sort(), ['cur', 'new', 'tmp']);
  assert.deepEqual(await readdir(join(path, 'tmp')), []);
  assert.equal((await stat(path)).mode & 0o777, 0o700);
});

test('line ends are converted also where a piece divides them, and other CR and LF stay', async (t) => {
  const root = await folder(t);
  await deliver(`${root}/m`, 'A: b\r\n\r\nx\ry\r\r\nz\r', ['a@dest.test'], { pieceSize: 1 });
  assert.match((await contents(`${root}/m`))[0] ?? '', /\nA: b\n\nx\ry\r\nz\r$/);
});

test('a binary message stays as it is', async (t) => {
  const root = await folder(t);
  await deliver(`${root}/m`, 'A: b\r\n\r\nx\0\r\n', ['a@dest.test']);
  assert.match((await contents(`${root}/m`))[0] ?? '', /\r\nA: b\r\n\r\nx\0\r\n$/);
});

test('the null reverse-path is <>', async (t) => {
  const root = await folder(t);
  await deliver(`${root}/m`, 'A: b\r\n\r\n', ['a@dest.test'], { envelope: { reversePath: null } });
  assert.match((await contents(`${root}/m`))[0] ?? '', /^Return-Path: <>\n/);
});

test('each recipient has a copy and a status of its own', async (t) => {
  const root = await folder(t);
  await mkdir(`${root}/blocked`);
  await writeFile(`${root}/blocked/tmp`, 'in the way');
  const many = Array.from({ length: 20 }, (_, i) => `user${i}@dest.test`);
  const { fates, health } = await deliver(`${root}/{local}`, 'A: b\r\n\r\n', [...many, 'blocked@dest.test']);
  assert.deepEqual(
    fates.slice(0, 20),
    many.map(() => 'delivered 250 0.0'),
  );
  assert.equal(fates[20], 'pending 451 3.0');
  assert.deepEqual(health, { kind: 'alive' });
  for (let i = 0; i < 20; i++) assert.equal((await contents(`${root}/user${i}`)).length, 1);
});

test('names are unique, also for the same message at the same time', async (t) => {
  const root = await folder(t);
  await deliver(
    `${root}/one`,
    'A: b\r\n\r\n',
    Array.from({ length: 30 }, (_, i) => `u${i}@dest.test`),
  );
  assert.equal((await contents(`${root}/one`)).length, 30);
});

test('no local part leaves its place in the path', () => {
  const path = (text: string) => mailboxPath('/mail/{local}/in', recipientOf(text).address);
  assert.equal(path('User@d.test'), '/mail/user/in');
  assert.equal(path('"../../etc/passwd"@d.test'), '/mail/%2E.%2F..%2Fetc%2Fpasswd/in');
  assert.equal(path('".."@d.test'), '/mail/%2E./in');
  assert.equal(path('"."@d.test'), '/mail/%2E/in');
  assert.equal(path('"/"@d.test'), '/mail/%2F/in');
  assert.equal(path('"a\\\\b"@d.test'), '/mail/a%5Cb/in');
  assert.equal(path('a%2Fb@d.test'), '/mail/a%252fb/in');
  assert.equal(path('$&@d.test'), '/mail/$&/in');
  assert.equal(path('{domain}@d.test'), '/mail/{domain}/in');
  assert.equal(path('""@d.test'), undefined);
  assert.equal(mailboxPath('/m/{domain}', recipientOf('a@[192.0.2.1]').address), '/m/[192.0.2.1]');
});

test('a local part cannot smuggle a placeholder for the domain, and NUL is encoded', () => {
  const address = { ...recipientOf('a@d.test').address, localPart: 'x\0{domain}' };
  assert.equal(mailboxPath('/m/{domain}/{local}', address), '/m/d.test/x%00{domain}');
});

test('a name that is too long for a file is permanent with 5.1.3', async (t) => {
  const root = await folder(t);
  const local = `"${'/'.repeat(60)}"`;
  const { fates } = await deliver(`${root}/${'x'.repeat(100)}{local}`, 'A: b\r\n\r\n', [
    `${local}@dest.test`,
  ]);
  assert.deepEqual(fates, ['failed 550 1.3']);
});

test('a folder that may not be written is transient with 4.3.0', async (t) => {
  dropRoot(t);
  const root = await folder(t);
  await mkdir(`${root}/m`);
  await chmod(`${root}/m`, 0o500);
  assert.deepEqual((await deliver(`${root}/m`, 'A: b\r\n\r\n', ['a@dest.test'])).fates, ['pending 451 3.0']);
});

test('a full disk is transient with 4.2.2 and stops the lane', async (t) => {
  const root = await folder(t);
  for (const name of ['tmp', 'new', 'cur']) await mkdir(`${root}/m/${name}`, { recursive: true });
  // Writing to a message ends as on a full disk when its octets do.
  const attempt = attemptFor('A: b\r\n\r\n', ['a@dest.test']);
  const octets = {
    size: 10,
    whole: undefined,
    // biome-ignore lint/correctness/useYield: it fails before its first piece
    async *chunks() {
      throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
    },
  };
  const transport = { template: `${root}/m` } as const;
  const { statuses, health } = await deliverToMaildir({ ...attempt, octets }, transport, parts, signal);
  assert.equal(statuses.get(0)?.status, 'pending');
  assert.equal(statuses.get(0)?.reply.detail, '2.2');
  assert.equal(health.kind, 'unavailable');
  assert.deepEqual(await readdir(`${root}/m/tmp`), [], 'nothing is left behind');
  assert.deepEqual(await readdir(`${root}/m/new`), []);
});

test('a link in place of the temporary folder is followed only to a folder, never to a file', async (t) => {
  const root = await folder(t);
  await mkdir(`${root}/m`);
  await writeFile(`${root}/victim`, 'precious');
  await symlink(`${root}/victim`, `${root}/m/tmp`);
  assert.deepEqual((await deliver(`${root}/m`, 'A: b\r\n\r\n', ['a@dest.test'])).fates, ['pending 451 3.0']);
  assert.equal(await readFile(`${root}/victim`, 'utf8'), 'precious');
});

/** Files and folders below `path` with the user and group that own them. */
async function owners(path: string): Promise<string[]> {
  const names = await readdir(path, { recursive: true });
  return Promise.all(
    names.toSorted(compareText).map(async (name) => {
      const { uid, gid } = await stat(join(path, name));
      return `${/^[0-9]+\./.test(basename(name)) ? join(dirname(name), 'MESSAGE') : name} ${uid}:${gid}`;
    }),
  );
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : 1;
}

async function deliverAs(owner: { uid: number; gid: number }, template: string) {
  const transport = { template, owner } as const;
  const attempt = attemptFor('A: b\r\n\r\n', ['a@dest.test']);
  return (await deliverToMaildir(attempt, transport, parts, signal)).statuses.get(0);
}

test('with root everything that is made belongs to the owner, and what was there stays as it is', async (t) => {
  if (!hasRoot(t)) return;
  const root = await folder(t);
  assert.equal((await deliverAs({ uid: 4321, gid: 8765 }, `${root}/{domain}/{local}`))?.status, 'delivered');
  assert.deepEqual(await owners(root), [
    'dest.test 4321:8765',
    'dest.test/a 4321:8765',
    'dest.test/a/cur 4321:8765',
    'dest.test/a/new 4321:8765',
    'dest.test/a/new/MESSAGE 4321:8765',
    'dest.test/a/tmp 4321:8765',
  ]);
  await mkdir(`${root}/theirs/new`, { recursive: true });
  for (const path of ['theirs', 'theirs/new']) await chown(`${root}/${path}`, 77, 77);
  await deliverAs({ uid: 4321, gid: 8765 }, `${root}/theirs`);
  assert.deepEqual(await owners(`${root}/theirs`), [
    'cur 4321:8765',
    'new 77:77',
    'new/MESSAGE 4321:8765',
    'tmp 4321:8765',
  ]);
});

test('a link among the folders of a Maildir gives nothing outside away', async (t) => {
  if (!hasRoot(t)) return;
  const root = await folder(t);
  await mkdir(`${root}/victim`, { mode: 0o755 });
  await mkdir(`${root}/m`);
  await symlink(`${root}/victim`, `${root}/m/cur`);
  assert.equal((await deliverAs({ uid: 4321, gid: 8765 }, `${root}/m`))?.status, 'pending');
  const { uid, mode } = await stat(`${root}/victim`);
  assert.deepEqual({ uid, mode: mode & 0o777 }, { uid: 0, mode: 0o755 });
});

test('without root an owner that is somebody else is transient, and oneself is delivered to', async (t) => {
  dropRoot(t);
  const root = await folder(t);
  const self = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
  assert.equal((await deliverAs(self, `${root}/{local}`))?.status, 'delivered');
  const other = await deliverAs({ uid: self.uid + 1, gid: self.gid }, `${root}/other`);
  assert.equal(other?.status, 'pending');
  assert.match(other?.reply.lines[0] ?? '', /EPERM/);
});

test('an abort leaves the message pending and nothing behind', async (t) => {
  const root = await folder(t);
  const transport = { template: `${root}/m` } as const;
  const attempt = attemptFor('A: b\r\n\r\n', ['a@dest.test']);
  const { statuses } = await deliverToMaildir(attempt, transport, parts, AbortSignal.abort());
  assert.equal(statuses.get(0)?.status, 'pending');
  assert.deepEqual(await contents(`${root}/m`), []);
});

test('a mailbox that is not there and that no policy grants is not made; one that is there is delivered to', async (t) => {
  const root = await folder(t);
  const transport = {
    kind: 'maildir',
    lane: laneName('maildir:dest.test'),
    template: `${root}/{local}`,
  } as const;
  const fate = async (isGranted: boolean) => {
    const attempt = attemptFor('A: b\r\n\r\nx\r\n', ['sales@dest.test']);
    const hasMailbox = () => isGranted;
    const { statuses } = await deliverToMaildir(attempt, transport, { now, hasMailbox }, signal);
    const status = statuses.get(0);
    return `${status?.status} ${status?.reply.code} ${status?.reply.detail}`;
  };
  assert.equal(await fate(false), 'failed 550 1.1');
  assert.deepEqual(await readdir(root), []);
  assert.equal(await fate(true), 'delivered 250 0.0');
  assert.equal(await fate(false), 'delivered 250 0.0');
});
