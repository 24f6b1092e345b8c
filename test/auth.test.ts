import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePattern, reply } from '../src/mail/index.ts';
import { createPolicy } from '../src/policy/index.ts';
import { localDomain, policyOptions } from '../src/policy/testing.ts';
import type { Authenticator, Identity, SaslExchange, SaslStep } from '../src/receiver/index.ts';
import { MemoryPeer, SocketPeer } from './support/peer.ts';
import { TestServer, testSettings } from './support/server.ts';

/** AUTH as a dialogue (RFC 4954), with mechanisms that are as simple as can be. */

const anna: Identity = {
  name: 'anna@example.org',
  mechanism: 'SECRET',
  senders: ['anna@example.org', '*@sales.example.org'].flatMap((text) => parsePattern(text) ?? []),
};
const wrong = reply(535, '7.8', 'authentication failed');
const broken = reply(454, '7.0', 'temporary authentication failure');

/** `SECRET` takes one response; `ASK` says something first; `HANG` never answers. */
class FakeAuthenticator implements Authenticator {
  cancelled = 0;

  mechanisms({ tls }: Parameters<Authenticator['mechanisms']>[0]) {
    return tls === undefined ? [] : ['SECRET', 'ASK', 'HANG'];
  }

  begin(mechanism: string, client: Parameters<Authenticator['begin']>[1]): SaslExchange | undefined {
    if (!this.mechanisms(client).includes(mechanism)) return undefined;
    const cancel = () => {
      this.cancelled++;
    };
    const isAsk = mechanism === 'ASK';
    let asked = false;
    const step = async (response: Buffer | undefined): Promise<SaslStep> => {
      if (mechanism === 'HANG') await new Promise(() => {});
      if (response === undefined || (isAsk && !asked)) {
        asked = true;
        return { kind: 'challenge', octets: Buffer.from(isAsk ? 'who?' : '') };
      }
      const text = response.toString();
      if (text === 'broken') return { kind: 'failure', reply: broken, because: 'the backend is away' };
      if (text !== 'sesame') return { kind: 'failure', reply: wrong, because: 'wrong secret' };
      return { kind: 'success', identity: anna };
    };
    return { takesInitial: !isAsk, step, cancel };
  }

  renew(identity: Identity): Identity | undefined | 'unavailable' {
    return this.today(identity);
  }

  today = (identity: Identity): Identity | undefined | 'unavailable' => identity;

  why(mechanism: string) {
    return mechanism === 'CRAM-MD5' ? 'CRAM-MD5 needs passwords in clear' : undefined;
  }
}

const base64 = (text: string) => Buffer.from(text).toString('base64');
const sesame = base64('sesame');

function start(authenticator = new FakeAuthenticator(), authenticated = true) {
  const policy = createPolicy(policyOptions({ domains: [localDomain('example.org')], authenticated }));
  return TestServer.start({
    listener: { role: 'submission', offersAuth: true },
    settings: { authenticator, policy },
  });
}

/** A peer under TLS, after EHLO. */
async function secured(server: TestServer) {
  const peer = await SocketPeer.greeted(server.port);
  await peer.expect(['EHLO client.example', 250], ['STARTTLS', 220]);
  await peer.startTls();
  return peer;
}

async function offer(peer: SocketPeer): Promise<readonly string[]> {
  peer.send('EHLO client.example\r\n');
  const lines: string[] = [];
  do lines.push(await peer.line());
  while (lines.at(-1)?.[3] === '-');
  return lines.filter((line) => line.includes('AUTH'));
}

test('AUTH is offered where it can be used', async () => {
  await using server = await start();
  await using peer = await SocketPeer.greeted(server.port);
  assert.deepEqual(await offer(peer), []);
  await peer.expect(['STARTTLS', 220]);
  await peer.startTls();
  assert.deepEqual(await offer(peer), ['250-AUTH SECRET ASK HANG']);
  await peer.expect([`AUTH SECRET ${sesame}`, 235]);
  assert.deepEqual(await offer(peer), ['250-AUTH SECRET ASK HANG'], 'for the AUTH parameter of MAIL');
});

test('AUTH is no command where nobody may log in', async () => {
  await using server = await TestServer.start();
  await using peer = await secured(server);
  assert.deepEqual(await offer(peer), []);
  await peer.expect(['AUTH PLAIN', 502]);
});

test('right and wrong secrets in clear are answered alike', async () => {
  await using server = await start();
  await using peer = await SocketPeer.greeted(server.port);
  await peer.expect(['EHLO client.example', 250]);
  const right = await peer.command(`AUTH SECRET ${sesame}`);
  assert.match(right, /^538 5\.7\.11 /);
  assert.equal(await peer.command(`AUTH SECRET ${base64('no')}`), right);
  assert.equal(await peer.command('AUTH NONSENSE'), right);
});

test('a challenge is base64 on one line, an empty one keeps its blank, and the client may go on', async () => {
  await using server = await start();
  await using peer = await secured(server);
  await peer.expect(['EHLO client.example', 250]);
  assert.equal(await peer.command('AUTH ASK'), `334 ${base64('who?')}`);
  await peer.expect([base64('no'), 535]);
  assert.equal(await peer.command('AUTH SECRET'), '334 ');
  await peer.expect([base64('broken'), 454]);
  assert.equal(await peer.command('auth secret'), '334 ');
  assert.match(await peer.command(sesame), /^235 2\.7\.0 /);
});

test('malformed exchanges are refused, and the session goes on without anybody', async () => {
  const authenticator = new FakeAuthenticator();
  await using server = await start(authenticator);
  await using peer = await secured(server);
  await peer.expect(['AUTH SECRET', 503], ['EHLO client.example', 250]);
  const table = [
    ['AUTH', 501],
    ['AUTH SECRET =', 535],
    ['AUTH SECRET ===', 501],
    ['AUTH SECRET c2Vz*W1l', 501],
    [`AUTH SECRET ${sesame.slice(0, 3)}`, 501],
    [`AUTH ASK ${sesame}`, 501],
    ['AUTH NONSENSE', 504],
    ['AUTH SECRET', 334],
    ['*', 501],
    ['AUTH SECRET', 334],
    ['not base64!', 501],
    ['AUTH SECRET', 334],
    ['MAIL FROM:<anna@example.org>', 501],
    ['AUTH SECRET', 334],
    ['c2VzYW1l\u0000', 501],
    ['AUTH SECRET', 334],
    ['A'.repeat(12_400), 500],
    ['AUTH SECRET', 334],
    ['A'.repeat(12_288), 535],
    ['MAIL FROM:<anna@example.org>', 530],
    ['NOOP', 250],
  ] as const;
  for (const [line, code] of table) {
    const answer = await peer.command(line);
    assert.ok(answer.startsWith(`${code} `), `${line.slice(0, 40)}: ${answer}`);
  }
  assert.match(await peer.command('AUTH CRAM-MD5'), /^504 5\.5\.4 CRAM-MD5 needs passwords in clear$/);
  assert.equal(authenticator.cancelled, 9);
});

test('AUTH has its place: once, outside a transaction, after EHLO', async () => {
  await using server = await start();
  await using peer = await secured(server);
  await peer.expect(
    ['HELO client.example', 250],
    [`AUTH SECRET ${sesame}`, 503],
    ['EHLO client.example', 250],
    [`AUTH SECRET ${sesame}`, 235],
    [`AUTH SECRET ${sesame}`, 503],
    ['MAIL FROM:<anna@example.org>', 250],
    [`AUTH SECRET ${sesame}`, 503],
    ['RSET', 250],
    ['EHLO again.example', 250],
    ['MAIL FROM:<anna@example.org> AUTH=anna', 501],
    ['MAIL FROM:<anna@example.org> AUTH=<>', 250],
  );
});

test('what was pipelined behind AUTH ends the session', async () => {
  await using server = await start();
  await using peer = await secured(server);
  await peer.expect(['EHLO client.example', 250]);
  peer.send(`AUTH SECRET ${sesame}\r\nMAIL FROM:<anna@example.org>\r\n`);
  assert.match(await peer.reply(), /^554 /);
  await peer.over();
});

test('nobody sends on a submission listener without a login, and then only as himself', async () => {
  await using server = await start();
  await using peer = await secured(server);
  await peer.expect(
    ['EHLO client.example', 250],
    ['MAIL FROM:<>', 530],
    ['MAIL FROM:<anna@example.org>', 530],
    ['RCPT TO:<u@example.org>', 503],
    [`AUTH SECRET ${sesame}`, 235],
    ['MAIL FROM:<boss@example.org>', 550],
    ['MAIL FROM:<x@sales.example.org>', 250],
    ['RCPT TO:<u@elsewhere.example>', 250],
    ['RCPT TO:<u@example.org>', 250],
    ['DATA', 354],
  );
  peer.send('From: Anna <anna@example.org>\r\n\r\nhello\r\n.\r\n');
  assert.match(await peer.reply(), /^250 /);
  const [message] = server.intake.messages;
  assert.equal(message?.envelope.origin.ground, 'authenticated');
  assert.equal(message?.envelope.origin.identity, 'anna@example.org');
  assert.match(message?.octets.toString() ?? '', /with ESMTPSA\s+id/);
});

test('a login ends with the TLS session or the client that it was made in', async () => {
  await using server = await start();
  await using peer = await SocketPeer.greeted(server.port);
  await peer.expect(['EHLO client.example', 250], ['STARTTLS', 220]);
  await peer.startTls();
  await peer.expect(['EHLO client.example', 250], [`AUTH SECRET ${sesame}`, 235], ['STARTTLS', 503]);
  await peer.expect(['MAIL FROM:<anna@example.org>', 250]);
});

test('an exchange ends with its session', async () => {
  const authenticator = new FakeAuthenticator();
  await using server = await start(authenticator);
  {
    await using peer = await secured(server);
    await peer.expect(['EHLO client.example', 250], ['AUTH SECRET', 334]);
  }
  await server.empty();
  assert.equal(authenticator.cancelled, 1);
});

test('somebody who would not be let in today is not let on: the session ends at the next MAIL', async () => {
  const authenticator = new FakeAuthenticator();
  await using server = await start(authenticator);
  const login = async () => {
    const peer = await secured(server);
    await peer.expect(['EHLO client.example', 250], [`AUTH SECRET ${sesame}`, 235]);
    return peer;
  };
  await using peer = await login();
  await peer.expect(['MAIL FROM:<anna@example.org>', 250], ['RCPT TO:<bob@example.org>', 250], ['DATA', 354]);
  authenticator.today = () => undefined;
  // A transfer that is under way may end.
  await peer.expect(['From: <anna@example.org>\r\n\r\n.', 250]);
  assert.match(await peer.command('MAIL FROM:<anna@example.org>'), /^421 4\.7\.0 your login/);
  await peer.over();
  await using other = await login();
  authenticator.today = () => 'unavailable';
  await other.expect(['MAIL FROM:<anna@example.org>', 451]);
  authenticator.today = (identity) => ({ ...identity, senders: [] });
  await other.expect(['MAIL FROM:<anna@example.org>', 550]);
  authenticator.today = () => anna;
  await other.expect(['MAIL FROM:<anna@example.org>', 250]);
});

test('networks, certificates, authorities and logins that a reload takes away count for open sessions no more', async () => {
  const domains = [localDomain('example.org')];
  const tls = { version: 'TLSv1.3', cipher: 'x' };
  const certificate = { fingerprint: 'sha256:1', subject: 'CN=fax', isTrusted: true, names: ['fax'] };
  const grants = {
    network: { networks: ['203.0.113.0/24'] },
    certificate: {
      certificates: { byFingerprint: new Map([['sha256:1', { name: 'fax' }]]), trusted: false },
    },
    authority: { certificates: { byFingerprint: new Map(), trusted: true } },
    nobody: {},
  };
  for (const [ground, before] of Object.entries(grants)) {
    let settings = testSettings({
      settings: { policy: createPolicy(policyOptions({ domains, ...before })) },
    });
    const peer = await MemoryPeer.identified({
      address: '203.0.113.9',
      current: () => settings,
      tls: { ...tls, certificate },
    });
    await using _peer = peer;
    const answer = async () => {
      await peer.expect(['MAIL FROM:<a@b.example>', 250]);
      const [code] = (await peer.command('RCPT TO:<x@away.example>')).split(' ');
      await peer.expect(['RSET', 250]);
      return code;
    };
    settings = { ...settings };
    assert.equal(await answer(), ground === 'nobody' ? '550' : '250', ground);
    const after = ground === 'authority' ? before : {};
    settings = {
      ...settings,
      policy: createPolicy(policyOptions({ domains, ...after })),
      clientAuthorities: 'another one',
    };
    assert.equal(await answer(), '550', ground);
  }
});
