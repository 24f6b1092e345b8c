import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { createPolicy } from '../src/policy/index.ts';
import { localDomain, policyOptions } from '../src/policy/testing.ts';
import type { Authenticator } from '../src/receiver/index.ts';
import { MemoryPeer, SocketPeer } from './support/peer.ts';
import { networks, type ServerOptions, TestServer, testPolicy, testSettings } from './support/server.ts';

/** A proxy at 127.0.0.1 that may say who its clients are, and whose own address may relay. */
const listed = {
  settings: { xclientFrom: networks('127.0.0.1'), policy: testPolicy(['127.0.0.0/8', '10.0.0.0/8']) },
};

const proxy = (options: ServerOptions = listed) => MemoryPeer.identified(options);

/** Whether the client may relay. */
async function relays(peer: MemoryPeer): Promise<boolean> {
  await peer.expect(['EHLO client.example', 250], ['MAIL FROM:<a@b.example>', 250]);
  return (await peer.command('RCPT TO:<u@third.example>')).startsWith('250');
}

test('it is offered to listed peers alone', async () => {
  await using peer = await proxy();
  peer.send('EHLO proxy.example\r\n');
  const lines: string[] = [];
  for (let line = await peer.line(); ; line = await peer.line()) {
    lines.push(line.slice(4));
    if (line[3] === ' ') break;
  }
  assert.equal(lines.at(-1), 'XCLIENT NAME ADDR PORT PROTO HELO');
  peer.send('HELP\r\n');
  assert.match(await peer.line(), / XCLIENT$/);
  for (const xclientFrom of [networks(), networks('192.0.2.0/24')]) {
    await using other = await proxy({ settings: { xclientFrom } });
    await other.expect(['XCLIENT ADDR=10.0.0.1', 550]);
    other.send('HELP\r\n');
    assert.doesNotMatch(await other.line(), /XCLIENT/);
    assert.equal(other.session.client.address, '127.0.0.1');
  }
});

test('the client is who the proxy says, and nothing of the proxy is left', async () => {
  await using peer = await proxy();
  assert.ok(await relays(peer), 'the proxy itself may relay');
  await peer.expect(['RSET', 250], ['XCLIENT NAME=client.example ADDR=198.51.100.7 PORT=4711', 220]);
  assert.deepEqual(
    { ...peer.session.client, tls: undefined },
    {
      address: '198.51.100.7',
      port: 4711,
      name: 'client.example',
      helo: '',
      listener: 'mx',
      role: 'mx',
      isVouchedFor: true,
      identity: undefined,
      tls: undefined,
    },
  );
  await peer.expect(['MAIL FROM:<a@b.example>', 503]);
  assert.ok(!(await relays(peer)));
});

test('addresses come in every spelling', async () => {
  for (const [stated, address] of [
    ['IPV6:2001:DB8::9', '2001:db8::9'],
    ['ipv6:2001:db8::9', '2001:db8::9'],
    ['IPv6:::ffff:198.51.100.7', '198.51.100.7'],
    ['198.51.100.7', '198.51.100.7'],
    ['198.51.100+2E7', '198.51.100.7'],
  ] as const) {
    await using peer = await proxy();
    await peer.expect([`XCLIENT ADDR=${stated}`, 220]);
    assert.equal(peer.session.client.address, address);
  }
});

test('a client without an address gets no right of the proxy, though the proxy goes on after the refusal', async () => {
  for (const addr of ['[UNAVAILABLE]', '[TEMPUNAVAIL]', '[unavailable]']) {
    await using peer = await proxy();
    await peer.expect([`XCLIENT ADDR=${addr} NAME=client.example`, 550]);
    assert.equal(await relays(peer), false);
    await peer.expect(['RSET', 250], ['XCLIENT ADDR=10.0.0.1', 220]);
    assert.ok(await relays(peer), 'the next client has an address, and it is known');
  }
});

test('bad values change nothing', async () => {
  await using peer = await proxy();
  const before = peer.session.client;
  for (const attributes of [
    'ADDR=',
    'ADDR=client.example',
    'ADDR=198.51.100.7%eth0x ADDR=10.0.0.1',
    'ADDR=10.0.0.1 ADDR=10.0.0.2',
    'ADDR=10.0.0.1 PORT=99999',
    'ADDR=10.0.0.1 PORT=x',
    'ADDR=10.0.0.1 LOGIN=somebody',
    'ADDR=10.0.0.1 DESTADDR=192.0.2.1',
    'ADDR',
    '',
    'ADDR=+zz',
  ]) {
    assert.match(await peer.command(`XCLIENT ${attributes}`), /^501/, attributes);
    assert.equal(peer.session.client, before);
  }
});

test('a name that is none is left out', async () => {
  for (const name of ['[UNAVAILABLE]', '[TEMPUNAVAIL]', 'a+0D+0Ab', 'a+20b', 'a;b']) {
    await using peer = await proxy();
    await peer.expect([`XCLIENT ADDR=198.51.100.7 NAME=${name}`, 220]);
    assert.equal(peer.session.client.name, undefined);
  }
});

test('PROTO and HELO change nothing: the client says EHLO or HELO itself', async () => {
  await using peer = await proxy();
  await peer.expect(['XCLIENT ADDR=198.51.100.7 PROTO=SMTP HELO=stated.example', 220]);
  assert.equal(peer.session.client.helo, '');
  await peer.expect(['MAIL FROM:<>', 503], ['EHLO said.example', 250]);
  assert.equal(peer.session.client.helo, 'said.example');
});

test('what is not stated stays as it was', async () => {
  await using peer = await proxy();
  await peer.expect(['XCLIENT PORT=4711', 220]);
  const { address, port } = peer.session.client;
  assert.deepEqual([address, port], ['127.0.0.1', 4711]);
});

test('it is refused in a transaction and before more commands', async () => {
  await using peer = await proxy();
  await peer.expect(['MAIL FROM:<a@b.example>', 250], ['XCLIENT ADDR=10.0.0.1', 503], ['RSET', 250]);
  peer.send('XCLIENT ADDR=10.0.0.1\r\nNOOP\r\n');
  assert.match(await peer.reply(), /^503/);
  assert.match(await peer.reply(), /^250/);
  assert.equal(peer.session.client.address, '127.0.0.1');
});

test('the name of the new address is looked up, never that of the proxy', async () => {
  const asked: string[] = [];
  const clientName = async (address: string) => {
    asked.push(address);
    return address === '127.0.0.1' ? 'proxy.example' : 'found.example';
  };
  await using peer = await proxy({ settings: { ...listed.settings, clientName } });
  await peer.expect(['XCLIENT ADDR=198.51.100.7', 220]);
  await peer.background.drain();
  assert.deepEqual(asked, ['127.0.0.1', '198.51.100.7']);
  assert.equal(peer.session.client.name, 'found.example');
});

/** TLS of the proxy, with a certificate whose holder may relay and log in. */
const fingerprint = `sha256:${'a'.repeat(64)}`;
const proxyTls = {
  version: 'TLSv1.3',
  cipher: 'TLS_AES_256_GCM_SHA384',
  certificate: { fingerprint, subject: 'CN=filter', isTrusted: true, names: ['filter.example'] },
};
const certified: ServerOptions = {
  listener: { offersAuth: true },
  settings: {
    xclientFrom: networks('127.0.0.1'),
    policy: createPolicy(
      policyOptions({
        networks: ['127.0.0.0/8'],
        domains: [localDomain('example.org')],
        certificates: { byFingerprint: new Map([[fingerprint, { name: 'filter' }]]), trusted: true },
      }),
    ),
    authenticator: {
      mechanisms: ({ tls }) => (tls === undefined ? [] : ['PLAIN', 'EXTERNAL']),
      begin: () => undefined,
      renew: () => undefined,
    },
  },
};

/** The keywords that EHLO offers. */
async function offered(peer: MemoryPeer): Promise<string> {
  peer.send('EHLO client.example\r\n');
  const lines: string[] = [];
  do lines.push(await peer.line());
  while (lines.at(-1)?.[3] === '-');
  return lines.join('\n');
}

test('strangers behind a filter do not relay with the certificate of the filter', async () => {
  for (const order of ['certificate first', 'XCLIENT first'] as const) {
    await using peer = await proxy(certified);
    if (order === 'certificate first') {
      peer.session.secured(proxyTls);
      assert.ok(await relays(peer), 'the filter itself may relay');
      await peer.expect(['RSET', 250]);
    }
    await peer.expect(['XCLIENT ADDR=198.51.100.7', 220]);
    if (order === 'XCLIENT first') peer.session.secured(proxyTls);
    assert.ok(!(await relays(peer)), order);
  }
});

test('TLS of the proxy is not the client’s: not in the trace, not for AUTH, and it does not begin again', async () => {
  await using peer = await proxy(certified);
  peer.session.secured(proxyTls);
  assert.match(await offered(peer), /AUTH PLAIN EXTERNAL/);
  await peer.expect(['XCLIENT ADDR=198.51.100.7', 220]);
  assert.doesNotMatch(await offered(peer), /AUTH|STARTTLS/);
  await peer.expect(['AUTH EXTERNAL =', 504], ['STARTTLS', 503]);
  await peer.expect(['MAIL FROM:<a@b.example>', 250], ['RCPT TO:<u@example.org>', 250], ['DATA', 354]);
  await peer.expect(['\r\nbody\r\n.', 250]);
  const trace = String(peer.intake.messages[0]?.octets);
  assert.match(trace, /\[198\.51\.100\.7\]/);
  assert.match(trace, /with ESMTP id/);
  assert.doesNotMatch(trace, /tls/i);
});

test('XCLIENT without ADDR does not lend the address of the proxy to whoever it speaks for', async () => {
  for (const attributes of ['NAME=client.example', 'PORT=4711', 'HELO=client.example']) {
    await using peer = await proxy();
    await peer.expect([`XCLIENT ${attributes}`, 220]);
    assert.ok(!(await relays(peer)), attributes);
    await peer.expect(['RSET', 250], ['XCLIENT ADDR=10.0.0.1', 220]);
    assert.ok(await relays(peer), 'once the address is said, it counts');
  }
});

test('a second XCLIENT leaves nothing of the client of the first', async () => {
  await using peer = await proxy({
    settings: { ...listed.settings, xclientFrom: networks('127.0.0.1', '10.0.0.1') },
  });
  await peer.expect(['XCLIENT ADDR=10.0.0.1 PORT=4711 NAME=in.example', 220], ['EHLO in.example', 250]);
  await peer.expect(['XCLIENT PORT=4712', 220]);
  assert.equal(peer.session.client.address, '10.0.0.1');
  await peer.expect(['XCLIENT ADDR=198.51.100.7', 220]);
  const { address, port, name, helo } = peer.session.client;
  assert.deepEqual([address, port, name, helo], ['198.51.100.7', 0, undefined, '']);
  assert.ok(!(await relays(peer)));
});

test('a client behind a filter that hands on every command cannot say XCLIENT for itself', async () => {
  await using peer = await proxy();
  await peer.expect(['XCLIENT ADDR=198.51.100.7', 220]);
  assert.doesNotMatch(await offered(peer), /XCLIENT/);
  for (const address of ['127.0.0.1', '10.0.0.1']) await peer.expect([`XCLIENT ADDR=${address}`, 550]);
  assert.equal(peer.session.client.address, '198.51.100.7');
  assert.ok(!(await relays(peer)));
});

test('who logged in before XCLIENT is not logged in behind it', async () => {
  const identity = { name: 'filter', mechanism: 'PLAIN', senders: [{ kind: 'any' as const }] };
  const authenticator: Authenticator = {
    mechanisms: () => ['PLAIN'],
    begin: () => ({ takesInitial: true, step: async () => ({ kind: 'success', identity }), cancel() {} }),
    renew: () => identity,
  };
  const settings = { ...listed.settings, authenticator };
  await using peer = await proxy({ settings, listener: { offersAuth: true } });
  await peer.expect(['AUTH PLAIN AGEAYg==', 235]);
  assert.equal(peer.session.client.identity, identity);
  await peer.expect(['XCLIENT ADDR=198.51.100.7', 220]);
  assert.equal(peer.session.client.identity, undefined);
});

test('sessions are counted for the address that XCLIENT states, not for the filter', async () => {
  await using server = await TestServer.start({
    settings: { xclientFrom: networks('127.0.0.1') },
    limits: { sessionsPerClient: 2 },
  });
  const through = async (address: string) => {
    const peer = await SocketPeer.greeted(server.port);
    return { peer, answer: await peer.command(`XCLIENT ADDR=${address}`) };
  };
  const sessions = [];
  for (const address of ['198.51.100.7', '198.51.100.7', '198.51.100.8', '198.51.100.9'])
    sessions.push(await through(address));
  assert.ok(sessions.every(({ answer }) => answer.startsWith('220')));
  await using one = (await through('198.51.100.7')).peer;
  await one.over();
  assert.match(String(server.logged('refused').at(-1)?.reply), /^421 4\.7\.0/);
  for (const { peer } of sessions) await peer[Symbol.asyncDispose]();
  await server.empty();
  await using again = await through('198.51.100.7').then(({ peer }) => peer);
  assert.ok(!again.isOver, 'those who left are counted no more');
});

test('with real TLS: the certificate lets the filter relay, and nobody behind it', async () => {
  const file = (name: string) => readFileSync(new URL(`../src/client/testdata/${name}`, import.meta.url));
  const [cert, key] = [file('cert.pem'), file('key.pem')];
  const shown = new X509Certificate(cert).fingerprint256.replaceAll(':', '').toLowerCase();
  const byFingerprint = new Map([[`sha256:${shown}`, { name: 'filter' }]]);
  await using server = await TestServer.start({
    listener: { tls: 'implicit' },
    settings: {
      xclientFrom: networks('127.0.0.1'),
      clientCertificates: 'listed',
      policy: createPolicy(policyOptions({ certificates: { byFingerprint, trusted: false } })),
    },
  });
  for (const [xclient, code] of [
    [[], '250'],
    [['XCLIENT ADDR=198.51.100.7'], '550'],
    [['XCLIENT NAME=client.example'], '550'],
    [['XCLIENT ADDR=198.51.100.7', 'XCLIENT ADDR=127.0.0.1'], '550'],
  ] as const) {
    const socket = connectTls({ host: '127.0.0.1', port: server.port, cert, key, rejectUnauthorized: false });
    const lines = createInterface(socket)[Symbol.asyncIterator]();
    const reply = async () => {
      for (;;) {
        const { value = '' } = await lines.next();
        if (value[3] !== '-') return value.slice(0, 3);
      }
    };
    await reply();
    let last = '';
    for (const line of [
      ...xclient,
      'EHLO c.example',
      'MAIL FROM:<a@b.example>',
      'RCPT TO:<u@third.example>',
    ]) {
      socket.write(`${line}\r\n`);
      last = await reply();
    }
    assert.equal(last, code, xclient.join());
    socket.destroy();
  }
});

test('whoever spoke for others and is taken off the list is heard no more', async () => {
  let settings = testSettings({ settings: { xclientFrom: networks('127.0.0.1') } });
  await using peer = await MemoryPeer.identified({ settings, current: () => settings });
  await peer.expect(
    ['XCLIENT ADDR=203.0.113.9', 220],
    ['EHLO client.example', 250],
    ['MAIL FROM:<a@b.example>', 250],
    ['RSET', 250],
  );
  settings = { ...settings, xclientFrom: networks() };
  assert.match(await peer.command('MAIL FROM:<a@b.example>'), /^421 4\.7\.0 /);
  await peer.over();
});
