import assert from 'node:assert/strict';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../src/base/index.ts';
import {
  editUsers,
  hashPassword,
  makeDevicePassword,
  makeScramVerifier,
  scramValue,
} from '../src/identity/index.ts';
import { SocketPeer } from './support/peer.ts';
import { type Keys, openRelay, type TestRelay, testConfig, testFolder } from './support/relay.ts';

/** Tests through a whole relay: open sessions after a right was taken away, and their end by an operator. */

const [certificate, certificateKey] = ['cert', 'key'].map((part) =>
  fileURLToPath(new URL(`../src/client/testdata/${part}.pem`, import.meta.url)),
);
const name = 'anna@ours.test';
const hash = await hashPassword('sesame');
const scram = scramValue(await makeScramVerifier('sesame'));
const phone = makeDevicePassword();

function keysIn(folder: string, more: Keys = {}): Keys {
  return {
    tls: { cert: certificate, key: certificateKey },
    relay: { networks: [], authenticated: true, popBeforeSmtp: { allowLoopback: true } },
    listeners: [
      { role: 'submission', address: '127.0.0.1:0', tls: 'starttls' },
      { role: 'mx', address: '127.0.0.1:0' },
    ],
    domains: [{ name: 'ours.test', deliver: `maildir:${folder}/mail/{local}` }],
    routes: [{ to: '*', via: 'capture' }],
    users: { file: 'users.yaml', plaintext: 'loopback' },
    pop3: { listeners: [{ address: '127.0.0.1:0', plaintext: 'loopback' }] },
    ...more,
  };
}

async function start(t: TestContext, more: Keys = {}) {
  const folder = await testFolder(t);
  const file = join(folder, 'users.yaml');
  await editUsers(file, (users) => {
    users.set(name, 'hash', hash);
    users.set(name, 'scram', scram);
    users.set(name, 'devices', [{ device: 'phone', hash: phone.hash }]);
    users.set('bob@ours.test', 'hash', hash);
  });
  let aheadMs = 0;
  const clock = { ...systemClock, now: () => systemClock.now() + aheadMs };
  const relay = await openRelay(t, keysIn(folder, more), { folder, clock });
  /** The file of users is looked at once a second. */
  const look = () => {
    aheadMs += 1001;
  };
  return { relay, file, look };
}

async function login(relay: TestRelay, user = name, password = 'sesame'): Promise<SocketPeer> {
  const peer = await relay.session();
  const plain = Buffer.from(`\0${user}\0${password}`).toString('base64');
  await peer.expect(['EHLO client.test', 250], ['STARTTLS', 220]);
  await peer.startTls();
  await peer.expect(['EHLO client.test', 250], [`AUTH PLAIN ${plain}`, 235]);
  return peer;
}

/** The code of MAIL, and of RCPT for somebody elsewhere where MAIL is taken. */
async function mayStill(peer: SocketPeer): Promise<string> {
  const mail = (await peer.command(`MAIL FROM:<${name}>`)).slice(0, 3);
  if (mail !== '250') return mail;
  const rcpt = (await peer.command('RCPT TO:<u@away.test>')).slice(0, 3);
  await peer.command('RSET');
  return `${mail} ${rcpt}`;
}

/** At once: who reads it sees the one or the other. */
async function replace(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text, { mode: 0o600 });
  await rename(`${file}.new`, file);
}

function popPort({ relay }: TestRelay): number {
  return relay.addresses.find(({ role }) => role === 'pop3')?.port ?? 0;
}

async function readMail(relay: TestRelay): Promise<SocketPeer> {
  const peer = await SocketPeer.connect(popPort(relay));
  await peer.line();
  peer.send(`USER ${name}\r\nPASS sesame\r\n`);
  await peer.line();
  assert.match(await peer.line(), /^\+OK/);
  return peer;
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

const another = await hashPassword('another');
const changes: Readonly<Record<string, Parameters<typeof editUsers>[1]>> = {
  removed: (users) => users.remove(name),
  disabled: (users) => users.set(name, 'disabled', true),
  'given another password': (users) => users.set(name, 'hash', another),
};

for (const [what, change] of Object.entries(changes))
  test(`a user who is ${what} sends no more over a session that is open, nor by a window`, async (t) => {
    const { relay, file, look } = await start(t);
    await using mailbox = await readMail(relay);
    await using mx = await SocketPeer.greeted(relay.relay.addresses[1]?.port ?? 0);
    await mx.expect(['EHLO client.test', 250]);
    await using peer = await login(relay);
    await using bob = await login(relay, 'bob@ours.test');
    assert.deepEqual([await mayStill(peer), await mayStill(mx)], ['250 250', '250 250']);
    await editUsers(file, change);
    look();
    assert.equal(await mayStill(peer), '421');
    await peer.over();
    assert.equal(await mayStill(mx), '250 550', 'the window');
    mailbox.send('STAT\r\n');
    assert.match(await mailbox.line(), /^-ERR \[AUTH\] your login/);
    await bob.expect(['MAIL FROM:<bob@ours.test>', 250], ['RCPT TO:<u@away.test>', 250]);
  });

test('an application password that is taken away ends the sessions of that device, and no other', async (t) => {
  const { relay, file, look } = await start(t);
  await using own = await login(relay);
  await using device = await login(relay, name, phone.password);
  assert.equal(await mayStill(device), '250 250');
  await editUsers(file, (users) => users.set(name, 'devices', []));
  look();
  assert.equal(await mayStill(device), '421');
  assert.equal(await mayStill(own), '250 250');
});

test('new senders of a user count for the session that is open', async (t) => {
  const { relay, file, look } = await start(t);
  await using peer = await login(relay);
  await editUsers(file, (users) => users.set(name, 'senders', ['sales@ours.test']));
  look();
  assert.equal(await mayStill(peer), '550');
  await peer.expect(['MAIL FROM:<sales@ours.test>', 250], ['RCPT TO:<u@away.test>', 250]);
});

test('users that cannot be read are nobody’s for now, and the session goes on when they can', async (t) => {
  const { relay, file, look } = await start(t);
  await using peer = await login(relay);
  const good = await readFile(file, 'utf8');
  await replace(file, 'users: [');
  look();
  assert.equal(await mayStill(peer), '451');
  await replace(file, good);
  look();
  assert.equal(await mayStill(peer), '250 250');
});

test('relay.authenticated and users that a reload takes away count for nobody who is still connected', async (t) => {
  const { relay } = await start(t);
  await using peer = await login(relay);
  const off = { relay: { networks: [], authenticated: false } };
  relay.next = testConfig(relay.folder, keysIn(relay.folder, off));
  await relay.control.reload();
  assert.equal(await mayStill(peer), '250 550');
  const { users: _, pop3: __, ...rest } = keysIn(relay.folder);
  relay.next = testConfig(relay.folder, { ...rest, listeners: [{ role: 'mx', address: '127.0.0.1:0' }] });
  await relay.control.reload();
  assert.equal(await mayStill(peer), '421');
});

test('operators see who is connected, and end sessions by id, by address and by user', async (t) => {
  const { relay } = await start(t);
  const { control } = relay;
  await using anna = await login(relay);
  await using bob = await login(relay, 'bob@ours.test');
  await using mailbox = await readMail(relay);
  const sessions = await all(control.sessionsList());
  assert.deepEqual(
    sessions.map(({ protocol, address, user, mechanism }) => [protocol, address, user, mechanism]),
    [
      ['smtp', '127.0.0.1', name, 'PLAIN'],
      ['smtp', '127.0.0.1', 'bob@ours.test', 'PLAIN'],
      ['pop3', '127.0.0.1', name, undefined],
    ],
  );
  assert.deepEqual(await control.sessionsClose({ which: 'user:nobody' }), { sessions: 0 });
  assert.deepEqual(await control.sessionsClose({ which: 'address:192.0.2.1' }), { sessions: 0 });
  assert.deepEqual(await control.sessionsClose({ which: `id:${sessions[1]?.id}` }), { sessions: 1 });
  assert.match(await bob.reply(), /^421 4\.7\.0 the operator ended/);
  await bob.over();
  // In the midst of a message: nothing of it is kept.
  await anna.expect([`MAIL FROM:<${name}>`, 250], ['RCPT TO:<u@away.test>', 250], ['DATA', 354]);
  anna.send(`From: ${name}\r\n\r\nhalf a`);
  assert.deepEqual(await control.sessionsClose({ which: 'ANNA@ours.test' }), { sessions: 2 });
  assert.match(await anna.reply(), /^421 4\.7\.0/);
  assert.match(await mailbox.line(), /^-ERR \[SYS\/TEMP\] the operator/);
  await mailbox.over();
  assert.equal(relay.log.lines.filter(({ event }) => event === 'accepted').length, 0);
  await using again = await login(relay);
  assert.deepEqual(await control.sessionsClose({ which: '127.0.0.1' }), { sessions: 1 });
  await again.reply();
});

test('what the guard releases is let go without the sessions and windows that sent it', async (t) => {
  const guard = { identity: { messages: ['1/1h'] } };
  const { relay } = await start(t, { guard });
  const { control } = relay;
  await using mailbox = await readMail(relay);
  await using thief = await login(relay);
  await using bob = await login(relay, 'bob@ours.test');
  for (let i = 0; i < 2; i++)
    await thief.expect(
      [`MAIL FROM:<${name}>`, 250],
      ['RCPT TO:<u@away.test>', 250],
      ['DATA', 354],
      [`From: ${name}\r\n\r\nx\r\n.`, 250],
    );
  const [hold] = await all(control.guardList());
  assert.ok(hold?.kind === 'hold' && hold.subject === `identity:${name}`);
  assert.equal((await control.status()).windows, 1);
  await control.guardChange({ verb: 'release', id: hold.id });
  assert.match(await thief.reply(), /^421 4\.7\.0/);
  await thief.over();
  assert.equal((await control.status()).windows, 0);
  assert.match(await mailbox.line(), /^-ERR/);
  assert.equal((await bob.command('NOOP')).slice(0, 3), '250');
});
