import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatReplyText } from '../mail/index.ts';
import type { RelayRequest } from '../receiver/index.ts';
import { createPolicy, type PolicyOptions } from './index.ts';
import { address, domain, localDomain, policyOptions } from './testing.ts';

function request(to: string, client: Partial<RelayRequest['client']> = {}): RelayRequest {
  const facts: RelayRequest['client'] = {
    address: '198.51.100.7',
    port: 1025,
    helo: 'client.example',
    listener: 'mx',
    role: 'mx',
    isVouchedFor: false,
    ...client,
  };
  return { client: facts, reversePath: address('sender@client.example'), recipient: address(to) };
}

/** The decision in a few words: the ground and where it goes, or the reply. */
async function decide(options: PolicyOptions, asked: RelayRequest): Promise<string> {
  const decision = await createPolicy(options).decide(asked);
  assert.ok(decision.because !== '', 'every decision says why');
  if (decision.kind === 'refusal') return formatReplyText(decision.reply).slice(0, 9);
  return `${decision.ground}: ${decision.to.map(({ text }) => text).join(' ')}`;
}

const full = policyOptions({
  domains: [
    localDomain('ours.example'),
    localDomain('list.example', { recipients: { kind: 'list', names: new Set(['known']) } }),
  ],
  backupDomains: new Set([domain('backup.example')]),
  networks: ['10.0.0.0/8', '2001:db8:1::/48'],
});

test('the first rule that fits decides, and without one nobody relays', async () => {
  const outside = '198.51.100.7';
  const table = [
    [outside, 'u@ours.example', 'recipient: u@ours.example'],
    [outside, 'known@list.example', 'recipient: known@list.example'],
    [outside, 'other@list.example', '550 5.1.1'],
    [outside, 'u@backup.example', 'recipient: u@backup.example'],
    [outside, 'u@elsewhere.example', '550 5.7.1'],
    [outside, 'u@sub.ours.example', '550 5.7.1'],
    [outside, 'u@xours.example', '550 5.7.1'],
    [outside, 'u@ours.example.elsewhere.example', '550 5.7.1'],
    [outside, 'u@[198.51.100.1]', '550 5.7.1'],
    [outside, 'postmaster@elsewhere.example', '550 5.7.1'],
    ['10.1.2.3', 'u@elsewhere.example', 'network: u@elsewhere.example'],
    ['2001:db8:1::5', 'u@elsewhere.example', 'network: u@elsewhere.example'],
    ['2001:db8:2::5', 'u@elsewhere.example', '550 5.7.1'],
    ['11.1.2.3', 'u@elsewhere.example', '550 5.7.1'],
    // Recipients of our domains are judged as such for every client.
    ['10.1.2.3', 'other@list.example', '550 5.1.1'],
    ['10.1.2.3', 'u%elsewhere.example@ours.example', '550 5.7.1'],
    ['unknown', 'u@elsewhere.example', '550 5.7.1'],
    ['', 'u@elsewhere.example', '550 5.7.1'],
  ] as const;
  for (const [client, to, expected] of table) {
    assert.equal(await decide(full, request(to, { address: client })), expected, `${client} → ${to}`);
  }
});

test('routes are refused for domains of ours and for those that we are a backup of', async () => {
  for (const local of ['u%there.example', 'there.example!u', '"u@there.example"', 'known+x%there.example']) {
    for (const name of ['ours.example', 'list.example', 'backup.example']) {
      assert.equal(await decide(full, request(`${local}@${name}`)), '550 5.7.1', `${local}@${name}`);
    }
  }
});

test('no HELO and no reverse-path changes a decision', async () => {
  const policy = createPolicy(full);
  const recipients = ['u@ours.example', 'x@list.example', 'u@backup.example', 'u@elsewhere.example'].map(
    address,
  );
  const senders = [null, ...recipients, address('postmaster@ours.example'), address('u@[127.0.0.1]')];
  const helos = fc.oneof(
    fc.constantFrom('ours.example', 'localhost', '[127.0.0.1]', '10.1.2.3', 'relay.example', ''),
    fc.string(),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...recipients),
      helos,
      fc.constantFrom(...senders),
      fc.constantFrom('198.51.100.7', '10.1.2.3'),
      async (recipient, helo, reversePath, client) => {
        const plain = { ...request('u@ours.example', { address: client }), recipient };
        const disguised = { ...plain, reversePath, client: { ...plain.client, helo } };
        assert.deepEqual(await policy.decide(disguised), await policy.decide(plain));
      },
    ),
    { numRuns: 500 },
  );
});

test('a name that the client merely has gives no grant', async () => {
  const named = request('u@elsewhere.example', { name: 'trusted.ours.example' });
  assert.equal(await decide(full, named), '550 5.7.1');
});

test('a destination is asked where the domain says so, and its silence is no grant', async () => {
  for (const [answer, expected] of [
    ['known', 'recipient: u@ask.example'],
    ['unknown', '550 5.1.1'],
    ['unavailable', '450 4.1.1'],
  ] as const) {
    const options = policyOptions({
      domains: [localDomain('ask.example', { recipients: { kind: 'verify' } })],
      verify: async () => answer,
    });
    assert.equal(await decide(options, request('u@ask.example')), expected);
  }
});

test('the catch-all takes whom the destination does not know, and nobody while it cannot be asked', async () => {
  const ask = (answer: 'unknown' | 'unavailable') =>
    policyOptions({
      domains: [
        localDomain('ask.example', { recipients: { kind: 'verify' }, catchAll: address('all@ask.example') }),
      ],
      verify: async () => answer,
    });
  assert.equal(await decide(ask('unknown'), request('u@ask.example')), 'recipient: all@ask.example');
  assert.equal(await decide(ask('unavailable'), request('u@ask.example')), '450 4.1.1');
});

test('whom a destination knows gets mail with a tag, and without it where the destination wants none', async () => {
  for (const [keepsTag, expected] of [
    [true, 'recipient: u+tag@ask.example'],
    [false, 'recipient: u@ask.example'],
  ] as const) {
    const options = policyOptions({
      domains: [localDomain('ask.example', { recipients: { kind: 'verify' }, keepsTag })],
      verify: async () => 'known',
    });
    assert.equal(await decide(options, request('u+tag@ask.example')), expected);
  }
});

test('an alias is taken whether or not the server of a member can be asked; the catch-all of its domain is', async () => {
  const answers = new Map([
    ['gone@ask.example', 'unknown'],
    ['late@ask.example', 'unavailable'],
  ] as const);
  const options = policyOptions({
    domains: [
      localDomain('ours.example', {
        aliases: { all: ['u@ask.example', 'gone@ask.example', 'late@ask.example'] },
      }),
      localDomain('ask.example', { recipients: { kind: 'verify' }, catchAll: address('rest@ours.example') }),
    ],
    verify: async ({ text }) => answers.get(text as 'gone@ask.example') ?? 'known',
  });
  assert.equal(
    await decide(options, request('all@ours.example')),
    'recipient: u@ask.example rest@ours.example late@ask.example',
  );
});

test('a route is refused without asking the destination', async () => {
  let asked = 0;
  const options = policyOptions({
    domains: [localDomain('ask.example', { recipients: { kind: 'verify' } })],
    verify: async () => {
      asked++;
      return 'known';
    },
  });
  assert.equal(await decide(options, request('u%there.example@ask.example')), '550 5.7.1');
  assert.equal(asked, 0);
});
