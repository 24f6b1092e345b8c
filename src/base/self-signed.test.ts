import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { connect, createServer } from 'node:tls';
import { selfSigned } from './self-signed.ts';

test('a self-signed certificate is signed by its own key, for its names and for ten years', () => {
  const now = new Date('2026-03-01T12:00:00Z');
  const { cert, key } = selfSigned('relay.example', now);
  const read = new X509Certificate(cert);
  assert.ok(read.verify(read.publicKey));
  assert.ok(read.checkPrivateKey(createPrivateKey(key)));
  assert.equal(read.subject, 'CN=relay.example');
  assert.equal(read.issuer, read.subject);
  assert.equal(
    read.subjectAltName,
    'DNS:relay.example, DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1',
  );
  assert.equal(read.validFromDate.toISOString(), '2026-03-01T12:00:00.000Z');
  assert.equal(read.validToDate.toISOString(), '2036-03-01T12:00:00.000Z');
  assert.notEqual(read.serialNumber, new X509Certificate(selfSigned('relay.example', now).cert).serialNumber);
});

test('names of every length and years beyond 2049 make certificates that can be read', () => {
  const labels = (count: number) => `${`${'x'.repeat(60)}.`.repeat(count)}example`;
  for (const name of ['a', 'localhost', labels(1), labels(2), labels(4)]) {
    for (const year of [2026, 2039, 2040, 2049, 2050]) {
      const read = new X509Certificate(selfSigned(name, new Date(Date.UTC(year, 0, 1))).cert);
      assert.equal(read.validToDate.getUTCFullYear(), year + 10);
      assert.equal(read.checkHost(name), name);
      assert.equal(read.checkIP('::1'), '::1');
    }
  }
});

test('a client that trusts the certificate finds the host verified', async (t) => {
  const pair = selfSigned('relay.example');
  const server = createServer(pair).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const client = connect({ host: '127.0.0.1', port, servername: 'relay.example', ca: pair.cert });
  await once(client, 'secureConnect');
  assert.equal(client.authorized, true);
  client.destroy();
});
