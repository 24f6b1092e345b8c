import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { createServer } from 'node:tls';
import { selfSigned } from '../base/index.ts';
import { type ClientError, type ClientOptions, openClient } from './index.ts';
import { clientOptions, fakeServer, testCertificate, testMessage } from './testing.ts';

const beforeTls = `
  S: 220 mx.example
  C: EHLO client.example
  S: 250-mx.example
  S: 250-SIZE 1000
  S: 250 STARTTLS
  C: STARTTLS
  S: 220 go`;
const afterTls = `
  TLS
  C: EHLO client.example
  S: 250-mx.example
  S: 250-AUTH LOGIN PLAIN
  S: 250 PIPELINING`;
const farewell = `
  C: QUIT
  S: 221 bye
  WAIT`;

async function failureOf(port: number, changes: Partial<ClientOptions>): Promise<ClientError> {
  const error = await openClient(clientOptions(port, changes)).then(
    () => assert.fail('it opened'),
    (reason: ClientError) => reason,
  );
  assert.equal(error.name, 'ClientError', String(error.stack));
  return error;
}

test('after STARTTLS the server is asked anew and what it said before is forgotten', async () => {
  await using server = await fakeServer(beforeTls + afterTls + farewell);
  const session = await openClient(clientOptions(server.port, { tls: 'opportunistic' }));
  assert.equal(session.capabilities.size, undefined);
  assert.equal(session.capabilities.pipelining, true);
  assert.equal(session.tls?.version, 'TLSv1.3');
  assert.match(session.tls.cipher, /^TLS_/);
  assert.equal(session.tls.authorized, false);
  await session.quit();
  await server.played;
});

test('a certificate that names the server under a trusted root is authorized', async () => {
  await using server = await fakeServer(beforeTls + afterTls + farewell);
  const options = clientOptions(server.port, { tls: 'required', verify: 'name', ca: testCertificate });
  const session = await openClient(options);
  assert.equal(session.tls?.authorized, true);
  await session.quit();
  await server.played;
});

test('with verify by name an untrusted root or another name is refused', async () => {
  for (const changes of [{}, { ca: testCertificate, serverName: 'mx.other.example' }]) {
    await using server = await fakeServer(`${beforeTls}\nTLS?\nWAIT`);
    const error = await failureOf(server.port, { tls: 'required', verify: 'name', ...changes });
    assert.deepEqual([error.code, error.phase], ['certificate', 'tls']);
  }
});

test('a TLS session is used for no second connection, so each server proves its name anew', async () => {
  const { cert, key } = selfSigned('mx.example');
  const reused: boolean[] = [];
  const server = createServer({ cert, key }, (socket) => {
    reused.push(socket.isSessionReused());
    socket.on('error', () => {});
    socket.write('220 mx.example\r\n');
    socket.on('data', (octets) => {
      if (/^EHLO/.test(String(octets))) socket.write('250 mx.example\r\n');
      else socket.end('221 bye\r\n');
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
  try {
    const options = { tls: 'implicit', verify: 'name', ca: cert } as const;
    for (let n = 0; n < 3; n++) await (await openClient(clientOptions(port, options))).quit();
    assert.deepEqual(reused, [false, false, false]);
    const error = await failureOf(port, { ...options, serverName: 'bank.example' });
    assert.equal(error.code, 'certificate', 'what was proved for one name is nothing for another');
  } finally {
    server.close();
  }
});

test('implicit TLS comes before the greeting', async () => {
  await using server = await fakeServer(`
    TLS
    S: 220 mx.example
    C: EHLO client.example
    S: 250 STARTTLS
    ${farewell}`);
  const session = await openClient(clientOptions(server.port, { tls: 'implicit' }));
  assert.equal(session.tls?.version, 'TLSv1.3');
  await session.quit();
  await server.played;
});

test('a reply slipped in behind the 220 of STARTTLS ends the session', async () => {
  for (const injected of ['S: 250-mx.example', 'S+ 250']) {
    await using server = await fakeServer(`${beforeTls}\n${injected}\nWAIT`);
    const error = await failureOf(server.port, { tls: 'opportunistic' });
    assert.equal(error.code, 'protocol');
    await server.played;
  }
});

test('a handshake that fails says so, so that the caller may dial again in clear', async () => {
  for (const garbage of ['S: 250 this is no TLS', 'END', 'RST']) {
    // The 220 goes out first: the rest has to come after the client began the handshake.
    await using server = await fakeServer(`${beforeTls}\nC*\n${garbage}`);
    const error = await failureOf(server.port, { tls: 'opportunistic' });
    assert.deepEqual([error.code, error.phase], ['tls', 'tls']);
  }
});

test('a handshake that never ends is a timeout', async () => {
  await using server = await fakeServer(`${beforeTls}\nC# 5\nC# 100000`);
  const error = await failureOf(server.port, { tls: 'opportunistic', timeouts: { starttls: 50 } });
  assert.deepEqual([error.code, error.phase], ['timeout', 'tls']);
});

test('STARTTLS declined is clear text when opportunistic and an error when required', async () => {
  const declined = `
    S: 220 mx.example
    C: EHLO client.example
    S: 250-mx.example
    S: 250 STARTTLS
    C: STARTTLS
    S: 454 4.7.0 no key today`;
  await using lax = await fakeServer(declined + farewell);
  const session = await openClient(clientOptions(lax.port, { tls: 'opportunistic' }));
  assert.equal(session.tls, undefined);
  await session.quit();
  await lax.played;
  await using strict = await fakeServer(`${declined}\nC: QUIT\nWAIT`);
  const error = await failureOf(strict.port, { tls: 'required' });
  assert.deepEqual([error.code, error.phase, error.reply?.code], ['rejected', 'starttls', 454]);
});

test('TLS required and not offered is an error', async () => {
  const script = 'S: 220 mx.example\nC: EHLO client.example\nS: 250 mx.example\nC: QUIT\nWAIT';
  await using server = await fakeServer(script);
  const error = await failureOf(server.port, { tls: 'required' });
  assert.deepEqual([error.code, error.phase], ['tls-unavailable', 'starttls']);
  await server.played;
});

const credentials = { user: 'user', password: 'secret' };

test('AUTH PLAIN goes over TLS, and MAIL then says AUTH=<>', async () => {
  await using server = await fakeServer(`
    ${beforeTls}
    ${afterTls}
    C: AUTH PLAIN AHVzZXIAc2VjcmV0
    S: 235 2.7.0 welcome
    C: MAIL FROM:<a@example.org> AUTH=<>
    C: RCPT TO:<b@example.net>
    C: DATA
    S: 250 ok
    S: 250 ok
    S: 354 go
    C.
    S: 250 queued
    ${farewell}`);
  const session = await openClient(clientOptions(server.port, { tls: 'required', credentials }));
  const result = await session.send(testMessage('Subject: x\r\n\r\nhello\r\n'), AbortSignal.timeout(5000));
  assert.equal(result.accepted, 1);
  await session.quit();
  await server.played;
});

test('AUTH PLAIN too long for a command line waits for the challenge', async () => {
  const password = 'x'.repeat(600);
  const response = Buffer.from(`\0user\0${password}`).toString('base64');
  const script = `${beforeTls}${afterTls}
    C: AUTH PLAIN
    S: 334 
    C: ${response}
    S: 235 ok${farewell}`;
  await using server = await fakeServer(script);
  const options = clientOptions(server.port, { tls: 'required', credentials: { user: 'user', password } });
  await (await openClient(options)).quit();
  await server.played;
});

test('AUTH LOGIN is used where only that is offered', async () => {
  const script = `${beforeTls}
    TLS
    C: EHLO client.example
    S: 250-mx.example
    S: 250 AUTH LOGIN
    C: AUTH LOGIN
    S: 334 VXNlcm5hbWU6
    C: dXNlcg==
    S: 334 UGFzc3dvcmQ6
    C: c2VjcmV0
    S: 235 ok${farewell}`;
  await using server = await fakeServer(script);
  await (await openClient(clientOptions(server.port, { tls: 'required', credentials }))).quit();
  await server.played;
});

test('a wrong password is a rejection in the phase auth', async () => {
  const script = `${beforeTls}${afterTls}
    C: AUTH PLAIN AHVzZXIAc2VjcmV0
    S: 535 5.7.8 no
    C: QUIT
    WAIT`;
  await using server = await fakeServer(script);
  const error = await failureOf(server.port, { tls: 'required', credentials });
  assert.deepEqual([error.code, error.phase, error.reply?.code], ['rejected', 'auth', 535]);
  assert(!JSON.stringify(error).includes('secret') && !String(error.stack).includes('secret'));
  await server.played;
});

test('credentials are never sent in clear', async () => {
  const script = 'S: 220 hi\nC: EHLO client.example\nS: 250-hi\nS: 250 AUTH PLAIN\nC: QUIT\nWAIT';
  for (const tls of ['none', 'opportunistic'] as const) {
    await using server = await fakeServer(script);
    const error = await failureOf(server.port, { tls, credentials });
    assert.deepEqual([error.code, error.phase], ['auth-unavailable', 'auth']);
    await server.played;
  }
});

test('no mechanism that we speak is an error', async () => {
  const script = `${beforeTls}
    TLS
    C: EHLO client.example
    S: 250-hi
    S: 250 AUTH GSSAPI
    C: QUIT
    WAIT`;
  await using server = await fakeServer(script);
  const error = await failureOf(server.port, { tls: 'required', credentials });
  assert.deepEqual([error.code, error.phase], ['auth-unavailable', 'auth']);
});
