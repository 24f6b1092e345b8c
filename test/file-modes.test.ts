import assert from 'node:assert/strict';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { editUsers, hashPassword } from '../src/identity/index.ts';
import { dropMail } from '../src/maildrop/index.ts';
import { SocketPeer } from './support/peer.ts';
import { openRelay, type TestRelay, testFolder } from './support/relay.ts';

/** Other users of the machine may see nothing of mail and secrets, whatever the umask of the relay is. */

/** Paths below the folder whose mode lets somebody else in. */
async function open(folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath, entry.name);
    const { mode } = await stat(path);
    if ((mode & 0o077) !== 0) found.push(`${path.slice(folder.length + 1)} ${(mode & 0o7777).toString(8)}`);
  }
  return found.sort();
}

async function sendTo(relay: TestRelay, role: string): Promise<void> {
  const port = relay.relay.addresses.find((each) => each.role === role)?.port ?? 0;
  await using peer = await SocketPeer.greeted(port);
  await peer.expect(
    ['EHLO c.test', 250],
    ['MAIL FROM:<a@away.test>', 250],
    ['RCPT TO:<anna@ours.test>', 250],
    ['RCPT TO:<u@away.test>', 250],
    ['DATA', 354],
    [`Subject: x\r\n\r\n${'y'.repeat(76)}\r\n.`, 250],
  );
}

test('files of mail and secrets are 0600 and their folders 0700 with any umask', async (t) => {
  const mask = process.umask(0);
  t.after(() => void process.umask(mask));
  const folder = await testFolder(t);
  const hash = await hashPassword('sesame');
  await editUsers(join(folder, 'users.yaml'), (users) => users.set('anna@ours.test', 'hash', hash));
  const relay = await openRelay(
    t,
    {
      listeners: [
        { role: 'mx', address: '127.0.0.1:0' },
        { role: 'trap', address: '127.0.0.1:0', name: 'trap' },
      ],
      relay: { networks: [], open: true, popBeforeSmtp: { allowLoopback: true } },
      guard: { address: { messages: ['1/1h'] } },
      domains: [{ name: 'ours.test', deliver: `maildir:${folder}/mail/{local}` }],
      routes: [{ to: '*', via: 'capture' }],
      users: { file: 'users.yaml', plaintext: 'loopback' },
      pop3: { listeners: [{ address: '127.0.0.1:0', plaintext: 'loopback' }] },
      clearinghouse: { memory: '32MB', relay: [{ grounds: ['open'], action: 'tag' }] },
    },
    { folder },
  );
  for (let i = 0; i < 3; i++) await sendTo(relay, 'mx');
  await sendTo(relay, 'trap');
  const letter = { version: 1, from: 'me@ours.test', body: '7bit' } as const;
  await dropMail(join(folder, 'maildrop'), { ...letter, to: [{ address: 'ann@x.test' }] }, [
    Buffer.from('Subject: dropped\r\n\r\nx\r\n'),
  ]);
  await relay.log.logged('delivered', { to: 'ann@x.test' });
  await relay.log.logged('delivered', { to: 'anna@ours.test' });
  const port = relay.relay.addresses.find(({ role }) => role === 'pop3')?.port ?? 0;
  await using mailbox = await SocketPeer.connect(port);
  mailbox.send('USER anna@ours.test\r\nPASS sesame\r\n');
  for (let i = 0; i < 3; i++) assert.match(await mailbox.line(), /^\+OK/);
  // Any user may put a message in there, and see none.
  assert.deepEqual(await open(folder), ['maildrop 3733']);
  await relay.stop();
  assert.deepEqual(await open(folder), ['maildrop 3733']);
});
