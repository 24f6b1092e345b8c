import assert from 'node:assert/strict';
import { readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { hashPassword } from '../src/identity/index.ts';
import { storeFile } from '../src/store/index.ts';
import { SocketPeer } from './support/peer.ts';
import { type Keys, openRelay, type TestRelay, testConfig, testFolder } from './support/relay.ts';

/** POP before SMTP through a whole relay. Loopback counts where it is asked for; real clients are in test/peers. */

const windows = { popBeforeSmtp: { window: '20m', allowLoopback: true } };
const keys = {
  relay: windows,
  routes: [{ to: '*', via: 'capture' }],
  users: { file: 'users.yaml', plaintext: 'loopback' },
  pop3: { listeners: [{ address: '127.0.0.1:0', plaintext: 'loopback' }] },
};

const testdata = fileURLToPath(new URL('../src/client/testdata/', import.meta.url));
const tls = { cert: join(testdata, 'cert.pem'), key: join(testdata, 'key.pem') };

/** With mailboxes of its own: whoever runs this as root could write anywhere. */
function keysIn(folder: string): Keys {
  return { ...keys, domains: [{ name: 'ours.test', deliver: `maildir:${folder}/mail/{local}` }] };
}

async function start(t: TestContext, more: Keys = {}, folder?: string): Promise<TestRelay> {
  const own = folder ?? (await testFolder(t));
  const hash = await hashPassword('sesame');
  const users = { users: { 'anna@ours.test': { hash } } };
  await writeFile(join(own, 'users.yaml'), JSON.stringify(users), { mode: 0o600 });
  return openRelay(t, { ...keysIn(own), ...more }, { folder: own });
}

/** Logs in over POP3; the answer to PASS. */
async function login(relay: TestRelay, password = 'sesame'): Promise<string> {
  await using peer = await popSession(relay);
  await peer.line();
  peer.send(`USER anna@ours.test\r\nPASS ${password}\r\nQUIT\r\n`);
  await peer.line();
  return await peer.line();
}

function popSession(relay: TestRelay): Promise<SocketPeer> {
  const port = relay.relay.addresses.find(({ role }) => role === 'pop3')?.port ?? 0;
  return SocketPeer.connect(port);
}

function relays(relay: TestRelay): Promise<string> {
  return relay.send({ from: 'anna@ours.test', to: 'u@away.test' });
}

test('a login to the mailbox opens a window, a wrong password does not, and it can be revoked', async (t) => {
  const relay = await start(t);
  assert.match(await login(relay, 'wrong'), /^-ERR \[AUTH\]/);
  assert.match(await relays(relay), /^550 5\.7\.1 /);
  assert.equal(await login(relay), '+OK 0 messages');
  assert.match(await relays(relay), /^250 /);
  assert.match(await relay.send({ from: 'bob@ours.test', to: 'u@away.test' }), /^550 5\.7\.1 /);
  assert.equal((await relay.control.status()).windows, 1);
  assert.deepEqual(await relay.control.windowsRevoke({ name: 'Anna@ours.test' }), { windows: 1 });
  assert.match(await relays(relay), /^550 /);
});

test('a login from this machine opens nothing unless that was asked for; the mail is read nevertheless', async (t) => {
  const relay = await start(t, { relay: { popBeforeSmtp: {} } });
  assert.equal(await login(relay), '+OK 0 messages');
  await relay.log.logged('window-refused', { because: 'it is this machine' });
  assert.match(await relays(relay), /^550 /);
});

test('a reload that takes the key away takes the windows away, and gives them back', async (t) => {
  const relay = await start(t);
  await login(relay);
  relay.next = testConfig(relay.folder, { ...keysIn(relay.folder), relay: {} });
  await relay.control.reload();
  assert.match(await relays(relay), /^550 /);
  assert.equal(await login(relay), '+OK 0 messages', 'people read their mail');
  assert.equal((await relay.control.status()).windows, undefined);
  relay.next = testConfig(relay.folder, keysIn(relay.folder));
  await relay.control.reload();
  assert.match(await relays(relay), /^250 /);
});

test('state that is damaged is set aside, and mail goes on', async (t) => {
  const first = await start(t);
  await login(first);
  await first.stop();
  const path = storeFile(join(first.folder, 'state'));
  await writeFile(path, Buffer.alloc((await stat(path)).size, 0x5a));
  const second = await start(t, {}, first.folder);
  await second.log.logged('state-damaged');
  assert.ok((await readdir(first.folder)).some((name) => name.startsWith('state.damaged-')));
  assert.match(await relays(second), /^550 /);
  await login(second);
  assert.match(await relays(second), /^250 /);
});

test('a session that waits is told when the relay ends', async (t) => {
  const relay = await start(t);
  await using peer = await popSession(relay);
  assert.match(await peer.line(), /^\+OK /);
  await relay.stop();
  assert.match(await peer.line(), /^-ERR \[SYS\/TEMP\] /);
});

test('a neighbour at the address of a window sends neither with <> nor by From as somebody else', async (t) => {
  const submission = { role: 'submission', address: '127.0.0.1:0' };
  const relay = await start(t, { tls, listeners: [{ role: 'mx', address: '127.0.0.1:0' }, submission] });
  await login(relay);
  const ports = relay.relay.addresses.filter(({ role }) => role === 'mx' || role === 'submission');
  assert.equal(ports.length, 2);
  const send = async (port: number, from: string, [to, header]: readonly [string, string]) => {
    await using peer = await SocketPeer.greeted(port);
    const lines = [
      'EHLO client.test',
      `MAIL FROM:<${from}>`,
      `RCPT TO:<${to}>`,
      'DATA',
      `${header}\r\n\r\nbody\r\n.`,
    ];
    for (const line of lines) {
      const reply = await peer.command(line);
      if (/^[45]/.test(reply)) return `${line.slice(0, 4)} ${reply.slice(0, 9)}`;
    }
    return 'sent';
  };
  const away = 'u@away.test';
  for (const { port, role } of ports) {
    const table = [
      ['', away, 'From: anna@ours.test', 'sent'],
      ['anna@ours.test', away, 'From: Anna <anna@ours.test>', 'sent'],
      ['', away, 'From: boss@ours.test', 'From 550 5.7.1'],
      ['anna@ours.test', away, 'From: boss@ours.test', 'From 550 5.7.1'],
      ['anna@ours.test', away, 'From: "boss@ours.test" <anna@ours.test>', 'From 550 5.7.1'],
      ['anna@ours.test', away, 'From: anna@ours.test\r\nResent-From: boss@ours.test', 'From 550 5.7.1'],
      ['boss@ours.test', away, 'From: anna@ours.test', role === 'mx' ? 'RCPT 550 5.7.1' : 'MAIL 550 5.7.1'],
    ] as const;
    for (const [from, to, header, expected] of table)
      assert.equal(await send(port, from, [to, header]), expected, `${role} ${from} ${header}`);
  }
  // Towards our own people the listener for submission asks the same of everybody.
  const port = ports.find(({ role }) => role === 'submission')?.port ?? 0;
  const ours = 'bob@ours.test';
  assert.equal(await send(port, 'boss@ours.test', [ours, 'From: anna@ours.test']), 'MAIL 550 5.7.1');
  assert.equal(await send(port, '', [ours, 'From: boss@ours.test']), 'From 550 5.7.1');
  assert.equal(await send(port, 'anna@ours.test', [ours, 'From: boss@ours.test']), 'From 550 5.7.1');
});

test('what a window sends through a listener for all mail is looked at and not touched', async (t) => {
  const relay = await start(t, { capture: { folder: 'captured' } });
  await login(relay);
  const content = 'Bcc: x@away.test\r\nFrom: anna@ours.test\r\nSubject: hello\r\n\r\nbody\r\n';
  assert.match(await relay.send({ from: 'anna@ours.test', to: 'u@away.test', content }), /^250 /);
  assert.match(
    await relay.send({
      from: 'anna@ours.test',
      to: 'u@away.test',
      content: content.replace('Bcc', 'Sender: boss@ours.test\r\nBcc'),
    }),
    /^550 5\.7\.1 /,
  );
});
