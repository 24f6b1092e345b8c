import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPolicy } from '../src/policy/index.ts';
import { localDomain, policyOptions } from '../src/policy/testing.ts';
import type { ListenerRole } from '../src/receiver/index.ts';
import { MemoryPeer, SocketPeer } from './support/peer.ts';
import { openRelay } from './support/relay.ts';
import { type ServerOptions, testPolicy } from './support/server.ts';

/** Each line, and what strangers hear. */
const odd = [
  ['EHLO my file (1).eml', 501],
  ['HELO b\u00fccher', 501],
  ['MAIL FROM:\t<a@b.example>', 501],
  ['RSET', 250],
  ['MAIL FROM:a@b.example SIZE=10', 501],
  ['RCPT TO: u@example.org', 501],
  ['RCPT TO:\tu@example.org', 501],
  ['RCPT TO:< postmaster >', 501],
] as const;

async function talk(options: ServerOptions): Promise<{ codes: number[]; lenient: unknown[] }> {
  await using peer = await MemoryPeer.identified(options);
  const codes: number[] = [];
  for (const [line] of odd) codes.push(Number((await peer.command(line)).slice(0, 3)));
  const lenient = peer.log.lines
    .filter(({ event }) => event === 'lenient')
    .map(({ fields }) => fields.client);
  return { codes, lenient };
}

const window = () => ({ names: ['a@b.example'], source: 'pop3', expiresAt: 1, needsAuth: false });
const domains = [localDomain('example.org')];

test('clients of ours may speak as they always did, and it is told once', async () => {
  const ours: Readonly<Record<string, ServerOptions>> = {
    internal: { listener: { role: 'internal' } },
    local: { listener: { role: 'local' } },
    submission: {
      listener: { role: 'submission' },
      settings: { policy: createPolicy(policyOptions({ domains, window })) },
    },
    'a trusted network': { settings: { policy: testPolicy(['127.0.0.0/8']) } },
  };
  for (const [name, options] of Object.entries(ours)) {
    const { codes, lenient } = await talk(options);
    // The second greeting was HELO, so SIZE is no parameter of it.
    assert.deepEqual(codes, [250, 250, 250, 250, 555, 503, 503, 503], name);
    assert.deepEqual(lenient, ['127.0.0.1'], name);
  }
});

test('strangers speak by the letter', async () => {
  const strangers: readonly (readonly [ListenerRole, string[]])[] = [
    ['mx', []],
    ['mx', ['10.0.0.0/8']],
    ['trap', ['127.0.0.0/8']],
  ];
  for (const [role, networks] of strangers) {
    const settings = { policy: testPolicy(networks) };
    const { codes, lenient } = await talk({ listener: { role }, settings });
    assert.deepEqual(
      codes,
      odd.map(([, code]) => code),
      role,
    );
    assert.deepEqual(lenient, []);
  }
});

test('a printer that knows no brackets gets its mail through, and its name into no header', async () => {
  await using peer = await MemoryPeer.identified({ settings: { policy: testPolicy(['127.0.0.0/8']) } });
  await peer.expect(
    ['EHLO HP LaserJet <script>', 250],
    ['MAIL FROM:scanner@example.org SIZE=100', 250],
    ['RCPT TO:u@third.example', 250],
    ['DATA', 354],
    ['Subject: scan\r\n\r\n.', 250],
  );
  const [message] = peer.intake.messages;
  assert.match(String(message?.octets), /^Received: from HP\?LaserJet\?\?script\? /);
  assert.deepEqual(
    message?.envelope.recipients.map(({ address }) => address.text),
    ['u@third.example'],
  );
});

test('each client is told of once, not each of its sessions', async (t) => {
  const relay = await openRelay(t);
  for (let i = 0; i < 3; i++) {
    await using peer = await SocketPeer.greeted(relay.port);
    await peer.expect(['EHLO my file (1).eml', 250], ['QUIT', 221]);
    await peer.over();
  }
  assert.equal((await relay.log.logged('lenient')).length, 1);
});
