import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SocketPeer } from './support/peer.ts';
import { TestServer } from './support/server.ts';

const injections = [
  'NOOP\r\n',
  'EHLO injected.example\r\n',
  'MAIL FROM:<injected@evil.example>\r\n',
  'N',
  '\r\n',
  '\0',
];

for (const injected of injections) {
  test(`${JSON.stringify(injected)} in one segment with STARTTLS is never answered under TLS`, async () => {
    await using server = await TestServer.start();
    await using peer = await SocketPeer.greeted(server.port);
    await peer.expect(['EHLO client.example', 250]);
    peer.send(`STARTTLS\r\n${injected}`);
    assert.match(await peer.reply(), /^554 5\.5\.0/);
    await peer.over();
  });

  test(`${JSON.stringify(injected)} after the go-ahead for TLS ends the connection`, async () => {
    await using server = await TestServer.start();
    await using peer = await SocketPeer.greeted(server.port);
    await peer.expect(['EHLO client.example', 250], ['STARTTLS', 220]);
    peer.socket.removeAllListeners('data');
    const heard: Buffer[] = [];
    peer.socket.on('data', (octets: Buffer) => heard.push(octets));
    // Filled up to a record that cannot be TLS, or the handshake would wait for more of it.
    peer.send(injected.padEnd(64, '\r\n'));
    await peer.over();
    assert.doesNotMatch(
      Buffer.concat(heard).toString('latin1'),
      /^[245]\d\d[ -]/m,
      'nothing was carried out',
    );
    assert.equal(server.logged('tls-failed').length, 1);
  });
}

test('a handshake that fails ends the connection and is told in the log', async () => {
  await using server = await TestServer.start();
  await using peer = await SocketPeer.greeted(server.port);
  await peer.expect(['EHLO client.example', 250], ['STARTTLS', 220]);
  peer.send('this is no client hello, and never will be one\r\n');
  peer.socket.removeAllListeners('data');
  peer.socket.resume();
  await peer.over();
  assert.equal(server.logged('tls-failed').length, 1);
  await server.empty();
});
