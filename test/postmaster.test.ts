import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IpSet } from '../src/base/index.ts';
import { createPolicy } from '../src/policy/index.ts';
import { address, domain, localDomain, policyOptions } from '../src/policy/testing.ts';
import type { ListenerRole } from '../src/receiver/index.ts';
import { MemoryPeer, SocketPeer } from './support/peer.ts';
import { type ServerOptions, TestServer } from './support/server.ts';

/** `<Postmaster>` reaches somebody, whatever the server is for (RFC 5321 §4.5.1). */

const keeper = 'keeper@elsewhere.example';
const unlisted = { recipients: { kind: 'list' as const, names: new Set(['known']) } };

/** Servers that differ in their domains. */
const setUps: Readonly<Record<string, Parameters<typeof policyOptions>[0]>> = {
  'no domain': {},
  'a domain that knows no postmaster': { domains: [localDomain('ours.example', unlisted)] },
  'a domain that is asked': {
    domains: [localDomain('elsewhere.example', { recipients: { kind: 'verify' } })],
  },
  'a backup domain alone': { backupDomains: new Set([domain('backup.example')]) },
};

function server(changes: Parameters<typeof policyOptions>[0], role: ListenerRole = 'mx'): ServerOptions {
  const policy = createPolicy(policyOptions({ postmaster: address(keeper), ...changes }));
  const settings = { policy, postmasterDomain: domain('elsewhere.example') };
  return { listener: { role }, settings };
}

async function rcpt(options: ServerOptions, path: string): Promise<string> {
  await using peer = await MemoryPeer.identified(options);
  await peer.expect(['MAIL FROM:<>', 250]);
  const answer = await peer.command(`RCPT TO:${path}`);
  if (!answer.startsWith('250')) return answer;
  await peer.expect(['DATA', 354], ['.', 250]);
  return peer.intake.messages[0]?.envelope.recipients.map((one) => one.address.text).join() ?? '';
}

for (const [name, changes] of Object.entries(setUps))
  for (const role of ['mx', 'internal'] as const)
    test(`${name}: <Postmaster> is taken from a stranger on a listener of the role ${role}`, async () => {
      for (const path of ['<Postmaster>', '<postmaster>', '<POSTMASTER>', ' <PostMaster>'])
        assert.equal(await rcpt(server(changes, role), path), keeper, path);
      for (const path of ['<postmaster@relay.example.org>', '<POSTMASTER@Relay.Example.ORG>'])
        assert.equal(await rcpt(server(changes, role), path), keeper, path);
    });

test('a postmaster elsewhere is none of ours, and no other name comes in with him', async () => {
  const paths = [
    '<postmaster@third.example>',
    '<postmaster@elsewhere.example>',
    '<postmaster@[192.0.2.1]>',
    '<webmaster@relay.example.org>',
    '<postmaster%third.example@relay.example.org>',
    '<@relay.example.org:postmaster@third.example>',
    '<"postmaster@third.example"@relay.example.org>',
  ];
  for (const path of paths) assert.match(await rcpt(server({}), path), /^550 5\.7\.1/, path);
});

test('the postmaster at the address that the client connected to is ours', async () => {
  await using peer = await TestServer.start(server({}));
  await using client = await SocketPeer.greeted(peer.port);
  await client.expect(['EHLO client.example', 250], ['MAIL FROM:<>', 250]);
  await client.expect(['RCPT TO:<postmaster@[127.0.0.1]>', 250], ['RCPT TO:<postmaster@[127.0.0.2]>', 550]);
});

test('a domain of ours has its own postmaster, also where it bears the name of the server', async () => {
  const aliases = { postmaster: ['known'] };
  const ours = localDomain('relay.example.org', { ...unlisted, aliases });
  assert.equal(
    await rcpt(server({ domains: [ours] }), '<postmaster@relay.example.org>'),
    'known@relay.example.org',
  );
  const elsewhere = localDomain('elsewhere.example', { ...unlisted, aliases });
  assert.equal(await rcpt(server({ domains: [elsewhere] }), '<Postmaster>'), 'known@elsewhere.example');
});

test('on a submission listener who is known reaches the postmaster too', async () => {
  const window = () => ({ names: ['anna@ours.example'], source: 'pop3', expiresAt: 1, needsAuth: false });
  await using peer = await MemoryPeer.identified(server({ window, proxies: new IpSet([]) }, 'submission'));
  await peer.expect(['MAIL FROM:<>', 250], ['RCPT TO:<Postmaster>', 250]);
});
