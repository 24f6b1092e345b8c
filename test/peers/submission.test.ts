/** Logging in as people and programs do: each mechanism with a client that speaks it. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { editUsers, hashPassword, makeScramVerifier, scramValue } from '../../src/identity/index.ts';
import { type Certificate, type Peers, type Posthouse, peerTest, run, type SmtpSink } from './support.ts';

const issuer = 'https://login.test';

interface Site {
  readonly posthouse: Posthouse;
  readonly sink: SmtpSink;
  readonly certificate: Certificate;
  readonly letter: string;
  /** An access token for anna. */
  readonly token: string;
}

/** A relay for people who log in, where loopback is no ground: anna has the password `open sesame`. */
async function site(peers: Peers): Promise<Site> {
  const sink = await peers.sink();
  const certificate = await peers.certificate();
  const folder = await peers.folder('site');
  const users = join(folder, 'users.yaml');
  const password = 'open sesame';
  const [hash, scram] = await Promise.all([hashPassword(password), makeScramVerifier(password)]);
  await editUsers(users, (file) => {
    file.set('anna@client.test', 'hash', hash);
    file.set('anna@client.test', 'scram', scramValue(scram));
  });
  const { publicKey, privateKey } = await generateKeyPair('RS256');
  const keys = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'k', alg: 'RS256' }] });
  const web = createServer((_request, response) => void response.end(keys));
  await new Promise<void>((resolve) => {
    web.listen(0, '127.0.0.1', resolve);
  });
  peers.use({ [Symbol.asyncDispose]: async () => void web.close().closeAllConnections() });
  const token = await new SignJWT({ email: 'anna@client.test', email_verified: true })
    .setProtectedHeader({ alg: 'RS256', kid: 'k' })
    .setIssuer(issuer)
    .setExpirationTime('5m')
    .sign(privateKey);
  const posthouse = await peers.posthouse({
    tls: certificate,
    users: {
      file: users,
      oauth: { issuer, jwks: `http://127.0.0.1:${(web.address() as AddressInfo).port}/` },
    },
    relay: { authenticated: true },
    listeners: [
      { role: 'submission', address: '127.0.0.1:0' },
      { role: 'submissions', address: '127.0.0.1:0' },
    ],
    routes: [{ to: '*', via: `smtp://127.0.0.1:${sink.port}` }],
  });
  const letter = join(folder, 'letter.eml');
  await writeFile(letter, 'From: anna@client.test\r\nTo: u@away.test\r\nSubject: hello\r\n\r\nHello.\r\n');
  return { posthouse, sink, certificate, letter, token };
}

/** The mechanisms by which somebody got in, in order. */
function loggedIn(posthouse: Posthouse): readonly unknown[] {
  return posthouse
    .log()
    .filter(({ event }) => event === 'auth-succeeded')
    .map(({ mechanism }) => mechanism);
}

async function arrives({ posthouse, sink }: Site, count: number): Promise<void> {
  const found = await sink.received('u@away.test', count);
  for (const { message } of found) assert.match(message, /with ESMTPSA/);
  const accepted = posthouse.log().filter(({ event }) => event === 'accepted');
  assert.deepEqual(new Set(accepted.map(({ ground }) => ground)), new Set(['authenticated']));
}

const needs = ['root', 'openssl', 'smtp-sink'];

peerTest(
  'msmtp logs in with SCRAM-SHA-256, PLAIN and LOGIN, and by a token',
  [...needs, 'msmtp'],
  async (peers) => {
    const all = await site(peers);
    const { posthouse, certificate, letter, token } = all;
    const send = (mechanism: string, password: string, role = 'submission') =>
      run(
        'sh',
        ['-c', `exec "$@" < '${letter}'`, 'sh', 'msmtp', '--host=localhost', `--port=${posthouse.port(role)}`]
          .concat([
            '--tls=on',
            `--tls-starttls=${role === 'submission' ? 'on' : 'off'}`,
            `--tls-trust-file=${certificate.cert}`,
          ])
          .concat([
            `--auth=${mechanism}`,
            '--user=anna@client.test',
            `--passwordeval=printf %s '${password}'`,
          ])
          .concat(['--from=anna@client.test', 'u@away.test']),
      );
    const ways = [
      ['scram-sha-256', 'open sesame', 'submission'],
      ['scram-sha-256', 'open sesame', 'submissions'],
      ['plain', 'open sesame', 'submissions'],
      ['login', 'open sesame', 'submission'],
      ['oauthbearer', token, 'submission'],
      ['xoauth2', token, 'submissions'],
    ] as const;
    for (const [mechanism, password, role] of ways) {
      const { code, stderr } = await send(mechanism, password, role);
      assert.equal(code, 0, `${mechanism}: ${stderr}`);
    }
    assert.deepEqual(loggedIn(posthouse), [
      'SCRAM-SHA-256',
      'SCRAM-SHA-256',
      'PLAIN',
      'LOGIN',
      'OAUTHBEARER',
      'XOAUTH2',
    ]);
    for (const mechanism of ['scram-sha-256', 'plain', 'oauthbearer']) {
      const { code, stderr } = await send(mechanism, 'wrong');
      assert.notEqual(code, 0);
      assert.match(stderr, /535/, mechanism);
    }
    await arrives(all, ways.length);
  },
);

peerTest('curl logs in with OAUTHBEARER and PLAIN', [...needs, 'curl'], async (peers) => {
  const all = await site(peers);
  const { posthouse, certificate, letter, token } = all;
  const send = (...how: readonly string[]) =>
    run('curl', [
      ...['--silent', '--show-error', '--cacert', certificate.cert, '--ssl-reqd', '--max-time', '20', ...how],
      ...['--mail-from', 'anna@client.test', '--mail-rcpt', 'u@away.test', '--upload-file', letter],
      `smtp://localhost:${posthouse.port('submission')}/client.test`,
    ]);
  const user = ['--user', 'anna@client.test:'];
  const bearer = await send(...user, '--oauth2-bearer', token, '--login-options', 'AUTH=OAUTHBEARER');
  assert.equal(bearer.code, 0, bearer.stderr);
  const plain = await send('--user', 'anna@client.test:open sesame', '--login-options', 'AUTH=PLAIN');
  assert.equal(plain.code, 0, plain.stderr);
  const bad = await send(...user, '--oauth2-bearer', `${token}x`, '--login-options', 'AUTH=OAUTHBEARER');
  assert.notEqual(bad.code, 0);
  const boss = await send(
    '--user',
    'boss@client.test:',
    '--oauth2-bearer',
    token,
    '--login-options',
    'AUTH=OAUTHBEARER',
  );
  assert.notEqual(boss.code, 0, 'the token of somebody else');
  assert.deepEqual(loggedIn(posthouse), ['OAUTHBEARER', 'PLAIN']);
  await arrives(all, 2);
});

peerTest(
  'gsasl logs in with SCRAM-SHA-256-PLUS, bound to the TLS session',
  [...needs, 'gsasl'],
  async (peers) => {
    const { posthouse, certificate } = await site(peers);
    const login = (mechanism: string, password: string) =>
      run('gsasl', [
        // Where it could bind, it takes an exchange that is not bound for an attack, unless it is told not to bind.
        ...(mechanism === 'SCRAM-SHA-256' ? ['--no-cb'] : []),
        ...[
          '--smtp',
          '--connect',
          `localhost:${posthouse.port('submission')}`,
          '--x509-ca-file',
          certificate.cert,
        ],
        ...['--mechanism', mechanism, '--authentication-id', 'anna@client.test', '--password', password],
      ]);
    for (const mechanism of ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256', 'PLAIN', 'LOGIN']) {
      const { code, stdout, stderr } = await login(mechanism, 'open sesame');
      assert.equal(code, 0, `${mechanism}: ${stdout}${stderr}`);
    }
    assert.deepEqual(loggedIn(posthouse), ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256', 'PLAIN', 'LOGIN']);
    for (const mechanism of ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256']) {
      const { code } = await login(mechanism, 'wrong');
      assert.notEqual(code, 0, mechanism);
    }
    assert.equal(loggedIn(posthouse).length, 4);
  },
);

const smtplib = `
import smtplib, ssl, sys
port, cafile, mechanism, password = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
server = smtplib.SMTP("localhost", port, timeout=20)
server.ehlo()
assert not server.has_extn("auth"), "AUTH in clear"
server.starttls(context=ssl.create_default_context(cafile=cafile))
server.ehlo()
server.user, server.password = "anna@client.test", password
server.auth(mechanism, getattr(server, "auth_" + mechanism.lower()))
try:
    server.sendmail("boss@client.test", ["u@away.test"], "From: boss@client.test\\r\\n\\r\\nx")
    sys.exit("sent as somebody else")
except smtplib.SMTPSenderRefused as refused:
    assert refused.smtp_code == 550, refused
server.sendmail("anna@client.test", ["u@away.test"], "From: anna@client.test\\r\\nBcc: hidden@away.test\\r\\n\\r\\nHello.")
server.quit()
`;

peerTest(
  'Python logs in with PLAIN and LOGIN, and sends as itself only',
  [...needs, 'python3'],
  async (peers) => {
    const all = await site(peers);
    const { posthouse, certificate, sink } = all;
    const send = (mechanism: string, password: string) =>
      run('python3', [
        '-c',
        smtplib,
        String(posthouse.port('submission')),
        certificate.cert,
        mechanism,
        password,
      ]);
    for (const mechanism of ['PLAIN', 'LOGIN']) {
      const { code, stderr } = await send(mechanism, 'open sesame');
      assert.equal(code, 0, `${mechanism}: ${stderr}`);
      assert.match((await send(mechanism, 'wrong')).stderr, /535/);
    }
    assert.match(
      (await send('CRAM_MD5', 'open sesame')).stderr,
      /504|SMTPAuthenticationError|has no attribute/,
    );
    await arrives(all, 2);
    for (const { message } of await sink.captured()) {
      assert.match(message, /^Message-ID: /m);
      assert.match(message, /^Date: /m);
      assert.doesNotMatch(message, /hidden/);
    }
  },
);
