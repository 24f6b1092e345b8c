import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadConfig } from '../src/config/index.ts';
import { configChecks } from '../src/relay/index.ts';
import { listTrapped, openTrapped } from '../src/trap/index.ts';
import { SocketPeer } from './support/peer.ts';
import { openRelay, type TestRelay } from './support/relay.ts';

const keys = {
  listeners: [
    { role: 'mx', address: '127.0.0.1:0', name: 'mx' },
    { role: 'trap', address: '127.0.0.1:0', name: 'trap' },
  ],
  relay: { networks: ['127.0.0.0/8'] },
  domains: [{ name: 'ours.test', deliver: 'capture' }],
  routes: [{ to: '*', via: 'capture' }],
};

function trapPort(relay: TestRelay): number {
  return relay.relay.addresses.find(({ role }) => role === 'trap')?.port ?? 0;
}

/** The replies of a fresh session, up to the one to each command. */
async function dialogue(port: number, commands: readonly string[]): Promise<string[]> {
  await using peer = await SocketPeer.greeted(port);
  const replies: string[] = [];
  for (const command of commands) replies.push(await peer.command(command));
  return replies;
}

const message = (from: string, to: readonly string[]) => [
  'EHLO bot.test',
  `MAIL FROM:<${from}>`,
  ...to.map((each) => `RCPT TO:<${each}>`),
  'DATA',
  'Subject: test\r\n\r\n..open relay test\r\n.',
  'QUIT',
];

test('a trap takes whatever it is given, for whomever, and nothing of it is delivered', async (t) => {
  const relay = await openRelay(t, keys);
  const recipients = [
    'victim@elsewhere.test',
    'user%elsewhere.test@ours.test',
    '"user@elsewhere.test"@ours.test',
    'elsewhere.test!user@relay.test',
    'nobody@ours.test',
    'postmaster@ours.test',
  ];
  const replies = await dialogue(trapPort(relay), message('spammer@from.test', recipients));
  assert.ok(
    replies.every((reply) => Number(reply.slice(0, 3)) < 400),
    replies.join('\n'),
  );
  const queued = replies.at(-2) ?? '';
  assert.match(queued, /^250 2\.0\.0 queued as [0-9A-Z]{16}/);
  const found = [];
  for await (const each of listTrapped(join(relay.folder, 'trap'))) found.push(each);
  assert.equal(found.length, 1);
  const [{ id, envelope } = assert.fail()] = found;
  assert.equal(envelope.origin.client, '127.0.0.1');
  assert.equal(envelope.origin.helo, 'bot.test');
  assert.equal(envelope.origin.ground, 'trap');
  assert.equal(envelope.recipients.length, recipients.length);
  const pieces: Buffer[] = [];
  for await (const piece of (await openTrapped(join(relay.folder, 'trap'), id))?.octets() ?? [])
    pieces.push(piece);
  const octets = Buffer.concat(pieces).toString('latin1');
  assert.match(octets, /^Received: from bot\.test .*\r\nSubject: test\r\n\r\n\.open relay test\r\n$/s);
  assert.equal((await relay.control.status()).messages, 0, 'the queue has nothing of it');
  await relay.stop();
  assert.ok(!(await readdir(relay.folder)).includes('capture'), 'nor has any destination');
});

test('from outside a trap and a relay say the same', async (t) => {
  const relay = await openRelay(t, keys);
  const commands = [
    ...message('a@from.test', ['b@ours.test']).slice(0, -1),
    'RSET',
    'VRFY b',
    'HELP',
    'NOOP',
    'QUIT',
  ];
  const without = (replies: string[]) => replies.map((reply) => reply.replace(/[0-9A-Z]{16}/, 'ID'));
  const mx = without(await dialogue(relay.port, commands));
  const trap = without(await dialogue(trapPort(relay), commands));
  assert.deepEqual(trap, mx);
});

test('a trap never offers AUTH, whatever the configuration says', async (t) => {
  const relay = await openRelay(t, keys);
  const [hello = '', auth = ''] = await dialogue(trapPort(relay), ['EHLO bot.test', 'AUTH PLAIN AGEAYg==']);
  assert.doesNotMatch(hello, /AUTH/);
  assert.match(auth, /^5/);
});

test('a trap ends with the relay and goes on after a restart', async (t) => {
  const first = await openRelay(t, keys);
  await dialogue(trapPort(first), message('a@from.test', ['b@there.test']));
  await first.stop();
  const again = await openRelay(t, keys, { folder: first.folder });
  await dialogue(trapPort(again), message('a@from.test', ['c@there.test']));
  const to: string[] = [];
  for await (const { envelope } of listTrapped(join(again.folder, 'trap')))
    to.push(envelope.recipients[0]?.address.text ?? '');
  assert.deepEqual(to, ['c@there.test', 'b@there.test']);
});

test('the size of a message and of the archive is bounded', async (t) => {
  const relay = await openRelay(t, { ...keys, trap: { maxMessages: 2, messageSize: '64KB' } });
  const big = 'x'.repeat(900);
  const text = `Subject: big\r\n\r\n${`${big}\r\n`.repeat(100)}.`;
  const replies = await dialogue(trapPort(relay), [
    ...message('a@from.test', ['b@there.test']).slice(0, 4),
    text,
  ]);
  assert.match(replies.at(-1) ?? '', /^552 5\.3\.4 /);
  for (let n = 0; n < 4; n++) await dialogue(trapPort(relay), message('a@from.test', [`r${n}@there.test`]));
  await relay.stop();
  let count = 0;
  for await (const _ of listTrapped(join(relay.folder, 'trap'))) count++;
  assert.equal(count, 2);
});

test('a configuration that raises the budgets of an open relay beyond the ceiling does not load', () => {
  const load = (messages: readonly string[]) => {
    const text = JSON.stringify({ guard: { address: { messages } } });
    const loaded = loadConfig(text, { file: '/etc/p.yaml', checks: configChecks });
    return loaded.ok ? [] : loaded.problems.map(({ path, message: why }) => `${path}: ${why}`);
  };
  assert.deepEqual(load(['3000/1h']), []);
  assert.deepEqual(load(['100/1m', '3000/1h']), []);
  for (const wrong of [['3001/1h'], ['100/1m'], []]) {
    assert.deepEqual(load(wrong), ['guard.address.messages: an open relay has a guard: 3000/1h is the most']);
  }
  assert.match(load(['40 per minute'])[0] ?? '', /not a budget/);
  assert.match(load(['0/1m'])[0] ?? '', /not a budget/);
});
