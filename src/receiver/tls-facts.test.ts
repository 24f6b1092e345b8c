import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { selfSigned } from '../base/index.ts';
import { tlsFacts } from './tls-facts.ts';

/** Its names are `guest.example`, `guest@guest.example`, and a URI that looks like more of them. */
const certificate = `-----BEGIN CERTIFICATE-----
MIIBszCCAVmgAwIBAgIUYwRuR1G98LKUaa5ymjYXg2Ok734wCgYIKoZIzj0EAwIw
EDEOMAwGA1UEAwwFZ3Vlc3QwIBcNMjYxMTMwMjM0MzMzWhgPMjEyNjExMDYyMzQz
MzNaMBAxDjAMBgNVBAMMBWd1ZXN0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE
Eng+ckP2tzqkeE4LpfO8wRy2JvvL6y3RCLlAwWDAZrL4c4uoHvTDFqoUOcPcqLHn
6/rxJEJlLaCfTFAS1Dad96OBjjCBizBqBgNVHREEYzBhhjtodHRwOi8veCwgRE5T
Om14LmZpbHRlci5leGFtcGxlLCBlbWFpbDpib3NzQGhvbWUuZXhhbXBsZSwgeYIN
Z3Vlc3QuZXhhbXBsZYETZ3Vlc3RAZ3Vlc3QuZXhhbXBsZTAdBgNVHQ4EFgQUv0K6
1PJE4GOJukdAfOMn9IAimfcwCgYIKoZIzj0EAwIDSAAwRQIhAOsRz1Gl3a4eje6k
Lq33GgNGRI9mvNjKE8cJJvHg1qjrAiAaAomI6scbDQXDhKpVpd/lbGM61mBgLof8
OZ8eTGdkRg==
-----END CERTIFICATE-----
`;
const key = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg4BqYIXJSXdWSYAVj
W7SS4EHnJHx9EUjnStwADvZwHomhRANCAAQSeD5yQ/a3OqR4Tgul87zBHLYm+8vr
LdEIuUDBYMBmsvhzi6ge9MMWqhQ5w9yosefr+vEkQmUtoJ9MUBLUNp33
-----END PRIVATE KEY-----
`;

test('a name within another name of a certificate is none', async () => {
  const server = createServer({ ...selfSigned('mx.example'), requestCert: true, rejectUnauthorized: false });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
  const client = connect({ host: '127.0.0.1', port, cert: certificate, key, rejectUnauthorized: false });
  client.on('error', () => {});
  try {
    const [socket]: TLSSocket[] = await once(server, 'secureConnection');
    assert.ok(socket !== undefined);
    assert.match(socket.getPeerX509Certificate()?.subjectAltName ?? '', /mx\.filter\.example/);
    const { certificate: shown } = tlsFacts(socket, { hasAuthorities: false });
    assert.deepEqual(shown?.names, ['guest.example', 'guest@guest.example']);
    assert.deepEqual([shown?.subject, shown?.isTrusted], ['CN=guest', false]);
    socket.destroy();
  } finally {
    client.destroy();
    server.close();
  }
});
