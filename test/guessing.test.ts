import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { editUsers, hashPassword } from '../src/identity/index.ts';
import { SocketPeer } from './support/peer.ts';
import { openRelay, type TestRelay, testFolder } from './support/relay.ts';
import { until } from './support/server.ts';

/** Guessing at a relay: who waits for it, and who does not. */

const [cert, key] = ['cert', 'key'].map((part) =>
  fileURLToPath(new URL(`../src/client/testdata/${part}.pem`, import.meta.url)),
);
const hash = await hashPassword('sesame');

async function start(t: TestContext): Promise<TestRelay> {
  const folder = await testFolder(t);
  await editUsers(join(folder, 'users.yaml'), (users) => {
    for (const name of ['anna@ours.test', 'bob@ours.test']) users.set(name, 'hash', hash);
  });
  const keys = {
    tls: { cert, key },
    relay: { networks: [], authenticated: true },
    listeners: [{ role: 'submission', address: '127.0.0.1:0', proxyProtocolFrom: ['127.0.0.1'] }],
    domains: [{ name: 'ours.test', deliver: `maildir:${folder}/mail/{local}` }],
    routes: [{ to: '*', via: 'capture' }],
    users: { file: 'users.yaml' },
  };
  return openRelay(t, keys, { folder });
}

/** A client at this address under TLS that says who it is; the reply comes when it comes. */
async function tries(relay: TestRelay, address: string, [name, password]: readonly [string, string]) {
  const peer = await SocketPeer.connect(relay.port);
  const family = address.includes(':') ? 'TCP6 ' : 'TCP4 ';
  peer.send(`PROXY ${family}${address} ${address} 4711 587\r\n`);
  await peer.reply();
  await peer.expect(['EHLO client.test', 250], ['STARTTLS', 220]);
  await peer.startTls();
  await peer.expect(['EHLO client.test', 250]);
  return {
    peer,
    reply: peer.command(`AUTH PLAIN ${Buffer.from(`\0${name}\0${password}`).toString('base64')}`),
  };
}

test('neither a neighbour nor the owner at another address waits for somebody who guesses, and hears no 454', async (t) => {
  const relay = await start(t);
  await using open = new AsyncDisposableStack();
  const replies: string[] = [];
  for (let i = 0; i < 24; i++) {
    const { peer, reply } = await tries(relay, '198.51.100.7', ['bob@ours.test', `guess ${i}`]);
    open.use(peer);
    void reply.then(
      (text) => replies.push(text.slice(0, 3)),
      () => {},
    );
  }
  await until(() => replies.length >= 3);
  const login = async (address: string, name: string) => {
    const { peer, reply } = await tries(relay, address, [name, 'sesame']);
    open.use(peer);
    return (await reply).slice(0, 3);
  };
  for (let i = 0; i < 5; i++) assert.equal(await login('198.51.100.7', 'anna@ours.test'), '235');
  for (const address of ['192.0.2.1', '192.0.2.2', '2001:db8::1'])
    assert.equal(await login(address, 'BOB@ours.test'), '235', address);
  // He is known by his password now, also where the guesser is.
  assert.equal(await login('198.51.100.7', 'bob@ours.test'), '235');
  assert.ok(replies.length < 24, 'the guesses are still being waited for');
  assert.ok(!replies.includes('235'));
  // An operator does not wait for those who wait.
  const { sessions } = await relay.control.sessionsClose({ which: 'address:198.51.100.7' });
  assert.ok(sessions >= 24, String(sessions));
  await until(() => replies.length === 24);
  assert.ok(replies.includes('454'));
});

test('an old password in one telephone delays nobody, its own user neither', async (t) => {
  const relay = await start(t);
  const peers = new AsyncDisposableStack();
  await using _peers = peers;
  const answer = async (password: string) => {
    const { peer, reply } = await tries(relay, '198.51.100.7', ['bob@ours.test', password]);
    peers.use(peer);
    return (await reply).slice(0, 3);
  };
  // Were each of them counted, the last would wait for hours.
  for (let i = 0; i < 30; i++) assert.equal(await answer('the old one'), '535');
  assert.equal(await answer('sesame'), '235');
});
