/** Dovecot as the one who knows the users. */
import assert from 'node:assert/strict';
import { startDovecot } from './dovecot.ts';
import { type Peers, peerTest, run } from './support.ts';

const needs = ['root', 'openssl', 'smtp-sink', 'dovecot', 'swaks', 'gsasl'];

async function relay(peers: Peers, socket: string) {
  const sink = await peers.sink();
  const certificate = await peers.certificate();
  const posthouse = await peers.posthouse({
    tls: certificate,
    users: { dovecot: { socket, domain: 'client.test', timeout: '2s' } },
    relay: { authenticated: true },
    listeners: [{ role: 'submission', address: '127.0.0.1:0' }],
    routes: [{ to: '*', via: `smtp://127.0.0.1:${sink.port}` }],
  });
  const send = (mechanism: string, user: string, password: string, from = 'anna@client.test') =>
    run('swaks', [
      ...['--server', `127.0.0.1:${posthouse.port('submission')}`, '--tls', '--helo', 'client.test'],
      ...['--auth', mechanism, '--auth-user', user, '--auth-password', password],
      ...['--from', from, '--to', 'u@away.test', '--header', `From: ${from}`],
    ]);
  return { posthouse, sink, certificate, send };
}

peerTest('users of Dovecot log in with PLAIN, LOGIN and SCRAM, and others do not', needs, async (peers) => {
  const dovecot = await startDovecot(peers, { anna: 'open sesame', 'bob@client.test': 'other' });
  const { posthouse, sink, certificate, send } = await relay(peers, dovecot.socket);
  for (const mechanism of ['PLAIN', 'LOGIN']) {
    const { code, stdout } = await send(mechanism, 'anna', 'open sesame');
    assert.equal(code, 0, stdout);
  }
  assert.equal((await send('PLAIN', 'bob@client.test', 'other', 'bob@client.test')).code, 0);
  for (const [user, password] of [
    ['anna', 'wrong'],
    ['anna', ''],
    ['nobody', 'open sesame'],
  ] as const)
    assert.match((await send('PLAIN', user, password)).stdout, /<~\* 5(?:35|01) /, `${user} ${password}`);
  assert.match((await send('PLAIN', 'anna', 'open sesame', 'bob@client.test')).stdout, /<~\* 550 5\.7\.1 /);
  const scram = await run('gsasl', [
    ...[
      '--smtp',
      '--connect',
      `localhost:${posthouse.port('submission')}`,
      '--x509-ca-file',
      certificate.cert,
    ],
    ...[
      '--mechanism',
      'SCRAM-SHA-256',
      '--no-cb',
      '--authentication-id',
      'anna',
      '--password',
      'open sesame',
    ],
  ]);
  assert.equal(scram.code, 0, scram.stdout + scram.stderr);
  await sink.received('u@away.test', 3);
  const identities = posthouse.log().filter(({ event }) => event === 'auth-succeeded');
  assert.deepEqual(new Set(identities.map(({ identity }) => identity)), new Set(['anna', 'bob@client.test']));
});

peerTest('while Dovecot is away logins are put off, and afterwards they go on', needs, async (peers) => {
  const dovecot = await startDovecot(peers, { anna: 'open sesame' });
  const { posthouse, send } = await relay(peers, dovecot.socket);
  assert.equal((await send('PLAIN', 'anna', 'open sesame')).code, 0);
  await dovecot.stop();
  // Its children still serve a connection that they have.
  await posthouse.command('reload');
  assert.match((await send('PLAIN', 'anna', 'open sesame')).stdout, /<~\* 454 4\.7\.0 /);
});
