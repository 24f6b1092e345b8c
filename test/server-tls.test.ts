import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { loadConfig } from '../src/config/index.ts';
import type { ReceiverSettings } from '../src/receiver/index.ts';
import { receiverSettings } from '../src/relay/settings.ts';
import { SocketPeer } from './support/peer.ts';
import { certificates, TestServer } from './support/server.ts';

async function subject(peer: SocketPeer): Promise<unknown> {
  return peer.tls.getPeerCertificate().subject.CN;
}

async function secured(port: number): Promise<SocketPeer> {
  const peer = await SocketPeer.greeted(port);
  await peer.expect(['EHLO client.example', 250], ['STARTTLS', 220]);
  await peer.startTls();
  return peer;
}

test('new keys are for new sessions; those under way keep what they began with', async () => {
  await using server = await TestServer.start();
  await using before = await SocketPeer.greeted(server.port);
  await before.expect(['EHLO client.example', 250]);
  await using running = await secured(server.port);
  assert.equal(await subject(running), 'mx.example');
  server.change({ settings: { secureContext: certificates.renewed } });
  await using after = await secured(server.port);
  assert.equal(await subject(after), 'renewed.example');
  await running.expect(['EHLO client.example', 250]);
  await before.expect(['STARTTLS', 220]);
  await before.startTls();
  assert.equal(await subject(before), 'mx.example');
});

test('new limits are for new sessions too', async () => {
  await using server = await TestServer.start();
  await using before = await SocketPeer.greeted(server.port);
  server.change({ limits: { messageBytes: 10 } });
  await using after = await SocketPeer.greeted(server.port);
  await before.expect(['EHLO a.example', 250], ['MAIL FROM:<> SIZE=11', 250]);
  await after.expect(['EHLO a.example', 250], ['MAIL FROM:<> SIZE=11', 552]);
});

test('implicit TLS begins without a word in clear', async () => {
  await using server = await TestServer.start({ listener: { tls: 'implicit' } });
  await using peer = await SocketPeer.connect(server.port, 'implicit');
  assert.match(await peer.reply(), /^220/);
  await peer.expect(['EHLO client.example', 250], ['STARTTLS', 503], ['MAIL FROM:<>', 250]);
  await peer.expect(['RCPT TO:<u@example.org>', 250], ['DATA', 354], ['x\r\n.', 250], ['QUIT', 221]);
  await peer.over();
  assert.match(server.intake.messages[0]?.octets.toString('latin1') ?? '', /with ESMTPS\s.*tls TLS_/s);
});

test('a plain client of an implicit TLS listener is cut off', async () => {
  await using server = await TestServer.start({ listener: { tls: 'implicit' } });
  await using peer = await SocketPeer.connect(server.port);
  peer.socket.removeAllListeners('data');
  peer.socket.resume();
  peer.send('EHLO client.example\r\n');
  await peer.over();
  await server.empty();
});

test('without keys nobody is let in on an implicit TLS listener', async () => {
  await using server = await TestServer.start({ listener: { tls: 'implicit' } });
  const { secureContext: _, ...settings } = server.receiver.settings;
  server.receiver.settings = settings;
  await using peer = await SocketPeer.connect(server.port);
  await peer.over();
});

test('versions before TLS 1.2 are refused', async () => {
  await using server = await TestServer.start({ listener: { tls: 'implicit' } });
  const { promise, resolve } = Promise.withResolvers<string>();
  const socket = connectTls({
    port: server.port,
    host: '127.0.0.1',
    rejectUnauthorized: false,
    minVersion: 'TLSv1',
    maxVersion: 'TLSv1.1',
    ciphers: 'DEFAULT@SECLEVEL=0',
  });
  socket.on('error', (error) => resolve(error.message));
  socket.on('secureConnect', () => resolve(`agreed on ${socket.getProtocol()}`));
  assert.doesNotMatch(await promise, /^agreed/);
  socket.destroy();
});

/** The keys of a configuration, as the relay makes them. */
function configured(tls: string): Partial<ReceiverSettings> {
  const folder = new URL('support/testdata/', import.meta.url).pathname;
  const text = `hostname: relay.example.org\ntls: { cert: renewed-cert.pem, key: renewed-key.pem${tls} }\n`;
  const loaded = loadConfig(text, { file: `${folder}posthouse.yaml` });
  assert.ok(loaded.ok, loaded.ok ? '' : JSON.stringify(loaded.problems));
  const parts = {
    verify: async () => 'unavailable' as const,
    clientName: async () => undefined,
    untruth: () => undefined,
    interfaceHas: () => false,
  };
  return { secureContext: receiverSettings(loaded.config, parts).secureContext ?? certificates.first };
}

/** Whether a client may take a session up again. */
async function isResumed(port: number, version: 'TLSv1.2' | 'TLSv1.3'): Promise<boolean> {
  const open = (session?: Buffer) =>
    connectTls({
      port,
      host: '127.0.0.1',
      rejectUnauthorized: false,
      minVersion: version,
      maxVersion: version,
      ...(session === undefined ? {} : { session }),
    });
  const first = open();
  const [session] = await once(first, 'session');
  const second = open(session);
  await once(second, 'secureConnect');
  const isReused = second.isSessionReused();
  first.destroy();
  second.destroy();
  return isReused;
}

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`a session is taken up again by its ticket, unless tickets are turned off (${version})`, async () => {
    for (const [tls, expected] of [
      [', sessionTickets: false', false],
      ['', true],
    ] as const) {
      await using server = await TestServer.start({
        listener: { tls: 'implicit' },
        settings: configured(tls),
      });
      assert.equal(await isResumed(server.port, version), expected);
    }
  });
}

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`a session is taken up again where certificates are asked for, too (${version})`, async () => {
    await using server = await TestServer.start({
      listener: { tls: 'implicit' },
      settings: { ...configured(''), clientCertificates: 'listed' },
    });
    assert.equal(await isResumed(server.port, version), true);
  });
}
