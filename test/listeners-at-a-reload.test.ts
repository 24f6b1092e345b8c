/** Listeners that a reload adds, removes or changes, while clients come and go. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { loadConfigFile } from '../src/config/index.ts';
import { freePort } from './peers/program.ts';
import { SocketPeer } from './support/peer.ts';
import { type Keys, openRelay, type TestRelay, testConfig } from './support/relay.ts';

async function reload(relay: TestRelay, keys: Keys) {
  relay.next = testConfig(relay.folder, keys);
  return relay.relay.reload();
}

const at = (port: number, changes: Keys = {}) => ({ role: 'mx', address: `127.0.0.1:${port}`, ...changes });

const pop3At = (port: number, server: number) => ({
  listeners: {
    address: `127.0.0.1:${port}`,
    via: { server: `pop3://127.0.0.1:${server}` },
    plaintext: 'loopback',
  },
});

async function refuses(port: number): Promise<void> {
  const [error] = await once(connect(port, '127.0.0.1'), 'error');
  assert.equal(Object(error).code, 'ECONNREFUSED');
}

async function ports(): Promise<readonly [number, number]> {
  return [await freePort(), await freePort()];
}

/** The port of another program, which greets as a POP3 server does. */
async function taken(t: TestContext): Promise<number> {
  const server = createServer((socket) => socket.on('error', () => {}).end('+OK\r\n')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return Number(Object(server.address()).port);
}

test('a listener that is added greets, and the others keep their sessions', async (t) => {
  const [one, two] = await ports();
  const relay = await openRelay(t, { listeners: [at(one)] });
  await using peer = await SocketPeer.greeted(one);
  const outcome = await reload(relay, { listeners: [at(one), at(two)] });
  assert.deepEqual(outcome, { outcome: 'reloaded', changes: [`listeners[127.0.0.1:${two}] added`] });
  await using other = await SocketPeer.greeted(two);
  await other.expect(['EHLO client.test', 250]);
  await peer.expect(['EHLO client.test', 250]);
  const told = await relay.log.logged('listening', { address: `127.0.0.1:${two}` });
  assert.equal(told.length, 1);
});

test('a file that is empty or was not written to its end does not take the relay off the air', async (t) => {
  const one = await freePort();
  const relay = await openRelay(t, { listeners: at(one) });
  const file = join(relay.folder, 'posthouse.yaml');
  for (const written of ['', '\n', '# to be written\n', 'hostname: relay.test\n']) {
    await writeFile(file, written);
    const found = loadConfigFile(file);
    assert.ok(found.ok, written);
    relay.next = found.config;
    const { outcome, ...told } = await relay.relay.reload();
    assert.equal(outcome, 'refused', written);
    assert.match(Object(told).problems.join(), /^listeners: .*without this key/, written);
    await using peer = await SocketPeer.greeted(one);
    await peer.expect(['EHLO client.test', 250]);
  }
});

test('a listener that is removed refuses, its idle sessions are told 421, and transactions come to their end', async (t) => {
  const [one, two] = await ports();
  const relay = await openRelay(t, {
    listeners: [at(one), at(two)],
    domains: { name: 'here.test', deliver: 'capture' },
  });
  await using idle = await SocketPeer.greeted(two);
  await using busy = await SocketPeer.greeted(two);
  await busy.expect(
    ['EHLO client.test', 250],
    ['MAIL FROM:<a@client.test>', 250],
    ['RCPT TO:<u@here.test>', 250],
  );
  const outcome = await reload(relay, {
    listeners: [at(one)],
    domains: { name: 'here.test', deliver: 'capture' },
  });
  assert.deepEqual(outcome, { outcome: 'reloaded', changes: [`listeners[127.0.0.1:${two}] removed`] });
  assert.match(await idle.reply(), /^421 /);
  await refuses(two);
  await busy.expect(['DATA', 354]);
  assert.match(await busy.command('Subject: x\r\n\r\nx\r\n.'), /^250 /);
  assert.match(await busy.reply(), /^421 /);
  await using still = await SocketPeer.greeted(one);
  await still.expect(['EHLO client.test', 250]);
});

test('a listener whose options change keeps its socket; sessions keep the options that they began with', async (t) => {
  const one = await freePort();
  const relay = await openRelay(t, { listeners: at(one), trap: { folder: 'trap' } });
  await using before = await SocketPeer.greeted(one);
  const outcome = await reload(relay, { listeners: at(one, { proxyProtocolFrom: '127.0.0.1' }) });
  assert.equal(outcome.outcome, 'reloaded');
  await before.expect(['EHLO client.test', 250]);
  await using proxied = await SocketPeer.connect(one);
  proxied.send('PROXY TCP4 203.0.113.9 127.0.0.1 4711 25\r\n');
  assert.match(await proxied.reply(), /^220 /);
  const sessions = await relay.control.sessionsList();
  const addresses = [];
  for await (const { address } of sessions) addresses.push(address);
  assert.deepEqual(addresses.toSorted(), ['127.0.0.1', '203.0.113.9']);
});

test('a client that connects while a reload is under way is served, whichever comes first', async (t) => {
  const one = await freePort();
  const relay = await openRelay(t, { listeners: at(one) });
  for (let round = 0; round < 5; round++) {
    const peers = Array.from({ length: 10 }, () => SocketPeer.greeted(one));
    const outcome = reload(relay, { listeners: at(one, { name: `round ${round}` }) });
    const more = Array.from({ length: 10 }, () => SocketPeer.greeted(one));
    for (const peer of await Promise.all([...peers, ...more])) await peer[Symbol.asyncDispose]();
    assert.equal((await outcome).outcome, 'reloaded');
  }
});

test('when an address cannot be bound nothing changes at all', async (t) => {
  const [one, two] = await ports();
  const three = await taken(t);
  const relay = await openRelay(t, { hostname: 'old.test', listeners: at(one) });
  const outcome = await reload(relay, { hostname: 'new.test', listeners: [at(two), at(three)] });
  assert.deepEqual(outcome, { outcome: 'refused', problems: [`127.0.0.1:${three} is in use`] });
  await refuses(two);
  await using peer = await SocketPeer.connect(one);
  assert.match(await peer.reply(), /^220 old\.test /);
  const pop3 = await reload(relay, {
    listeners: [at(two)],
    pop3: pop3At(three, three),
    relay: { popBeforeSmtp: {} },
  });
  assert.equal(pop3.outcome, 'refused');
  await refuses(two);
  assert.equal((await reload(relay, { listeners: at(two) })).outcome, 'reloaded');
  await using after = await SocketPeer.connect(two);
  assert.match(await after.reply(), /^220 /);
  await refuses(one);
});

test('POP3 listeners come and go, and the endpoint of reported logins takes another token and another port', async (t) => {
  const [pop, http] = await ports();
  const relay = await openRelay(t, {});
  const token = async (text: string) => {
    await writeFile(join(relay.folder, 'token'), text, { mode: 0o600 });
    return { popBeforeSmtp: { events: { address: `127.0.0.1:${http}`, token: { file: 'token' } } } };
  };
  const ask = async (bearer: string, port = http) =>
    (await fetch(`http://127.0.0.1:${port}/windows`, { headers: { authorization: `Bearer ${bearer}` } }))
      .status;
  const [first, second] = ['first-token-of-many', 'second-token-of-many'];
  const pop3 = pop3At(pop, await taken(t));
  assert.equal((await reload(relay, { pop3, relay: await token(first) })).outcome, 'reloaded');
  const socket = connect(pop, '127.0.0.1');
  t.after(() => socket.destroy());
  assert.match(String((await once(socket, 'data'))[0]), /^\+OK/);
  assert.deepEqual([await ask(first), await ask(second)], [200, 401]);
  assert.equal((await reload(relay, { pop3, relay: await token(second) })).outcome, 'reloaded');
  assert.deepEqual([await ask(first), await ask(second)], [401, 200]);
  assert.equal((await reload(relay, {})).outcome, 'reloaded');
  await once(socket.resume(), 'close');
  await refuses(pop);
  await refuses(http);
});

test('doors of the clearinghouse come, change and go; what is changed keeps its socket and its counts', async (t) => {
  const [http, razor] = await ports();
  const fuzzy = await freePort();
  const relay = await openRelay(t, { clearinghouse: { memory: '16MB' } });
  const tokens = ['first-token-of-many', 'second-token-of-many'] as const;
  for (const token of tokens) await writeFile(join(relay.folder, token), token, { mode: 0o600 });
  const door = (token: string) => ({
    protocol: 'http',
    address: `127.0.0.1:${http}`,
    token: { file: token },
  });
  const others = [
    { protocol: 'rspamd-razor', address: `127.0.0.1:${razor}` },
    { protocol: 'rspamd-fuzzy', address: `127.0.0.1:${fuzzy}` },
  ];
  const doors = (...doors: readonly Keys[]) => reload(relay, { clearinghouse: { memory: '16MB', doors } });
  const check = async (token: string) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'message/rfc822' };
    const asked = await fetch(`http://127.0.0.1:${http}/check`, {
      method: 'POST',
      headers,
      body: 'Subject: x\r\n\r\nx',
    });
    return asked.status;
  };
  const counts = async () =>
    (await relay.control.clearinghouseStatus()).doors.map(({ requests }) => requests);
  const [first, second] = tokens;

  assert.deepEqual(await doors(door(first), ...others), {
    outcome: 'reloaded',
    changes: ['clearinghouse.doors changed'],
  });
  assert.deepEqual([await check(first), await check(second)], [200, 401]);
  const idle = connect(razor, '127.0.0.1');
  t.after(() => idle.destroy());
  await once(idle, 'connect');
  assert.equal((await doors(door(second), ...others)).outcome, 'reloaded');
  assert.deepEqual([await check(first), await check(second)], [401, 200]);
  assert.deepEqual(await counts(), [4, 1, 0]);

  // Over a socket that has another protocol there is nothing to keep: the reload is refused, and nothing changes.
  const moved = await doors(door(second), { ...others[0], protocol: 'http', token: { file: first } });
  assert.deepEqual(moved, { outcome: 'refused', problems: [`127.0.0.1:${razor} is in use`] });
  assert.equal(idle.destroyed, false);
  assert.equal((await doors(door(second))).outcome, 'reloaded');
  await once(idle, 'close');
  await refuses(razor);
  assert.deepEqual(await counts(), [4]);
});
