import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { IpSet, parseCidr } from '../src/base/index.ts';
import { type Config, loadConfig } from '../src/config/index.ts';
import { createPolicy } from '../src/policy/index.ts';
import type { ClientFacts, RelayRequest } from '../src/receiver/index.ts';
import { policyOptions } from '../src/relay/settings.ts';
import { parseCommand } from '../src/smtp/index.ts';

/**
 * For no configuration without an explicit `open` does a stranger's message to a foreign domain get a grant,
 * whatever it says of itself. The configurations are generated as their text, so that what the reader of the
 * file makes of it is part of what is tested.
 */

const ours = ['ours.example', 'list.example', 'backup.example', 'ask.example'];
const stranger = '198.51.100.7';

const networks = [
  '10.0.0.0/8',
  '192.168.0.0/16',
  '127.0.0.0/8',
  '::1/128',
  '2001:db8:1::/48',
  '203.0.113.0/28',
];
const yaml = JSON.stringify;

const domain = fc.oneof(
  fc.record({ name: fc.constant('ours.example'), deliver: fc.constant('capture') }),
  fc.record({
    name: fc.constant('list.example'),
    deliver: fc.constant('lmtp://127.0.0.1:24'),
    recipients: fc.constant(['known', 'team@list.example']),
    catchAll: fc.constantFrom('known@list.example', undefined),
  }),
  fc.record({ name: fc.constant('backup.example'), backup: fc.constant(true) }),
  fc.record({
    name: fc.constant('ask.example'),
    deliver: fc.constant('smtp://127.0.0.1:2525'),
    recipients: fc.constant('verify'),
    tagSeparator: fc.constantFrom('+', '+-', 'none'),
  }),
);

const listener = fc.record({
  role: fc.constantFrom('mx', 'internal'),
  address: fc.constantFrom('0.0.0.0:0', '127.0.0.1:0', '"[::]:0"'.replaceAll('"', ''), '192.0.2.1:0'),
  networks: fc.subarray(networks),
  proxyProtocolFrom: fc.subarray(['10.9.9.9/32', '192.0.2.9/32']),
});

const configuration = fc.record({
  hostname: fc.constant('relay.example'),
  listeners: fc.array(listener, { minLength: 1, maxLength: 3 }),
  domains: fc.uniqueArray(domain, { selector: ({ name }) => name, maxLength: 4 }),
  xclientFrom: fc.subarray(networks),
  relay: fc.record({
    networks: fc.subarray(networks),
    authenticated: fc.boolean(),
    open: fc.constant(false),
    openAcknowledgement: fc.constantFrom(undefined, 'I would like an open relay but said no'),
    certificates: fc.constantFrom([], [{ fingerprint: `sha256:${'ab'.repeat(32)}`, name: 'fax' }]),
  }),
  routes: fc.constantFrom(
    [],
    [{ to: '*', via: 'capture' }],
    [{ to: '*', from: '*@ours.example', via: 'capture' }],
  ),
});

/** Any claims of a stranger about himself, and any facts about where he is. */
const client = fc.record({
  helo: fc.oneof(
    fc.constantFrom('ours.example', 'localhost', '[127.0.0.1]', '10.1.2.3', 'relay.example', ''),
    fc.string(),
  ),
  name: fc.constantFrom(undefined, 'ours.example', 'localhost'),
  isVouchedFor: fc.boolean(),
  tls: fc.constantFrom<ClientFacts['tls']>(undefined, {
    version: 'TLSv1.3',
    cipher: 'x',
    certificate: {
      fingerprint: `sha256:${'cd'.repeat(32)}`,
      subject: 'CN=fax',
      isTrusted: true,
      names: ['fax', 'ours.example'],
    },
  }),
});

const senders = [
  '<>',
  '<u@ours.example>',
  '<postmaster@relay.example>',
  '<u@[127.0.0.1]>',
  '<u@third.example>',
];
const third = 'third.example';
const recipients = [
  `<u@${third}>`,
  ...ours.flatMap((name) => [
    `<u%${third}@${name}>`,
    `<${third}!u@${name}>`,
    `<"u@${third}"@${name}>`,
    `<@${name}:u@${third}>`,
    `<u@${third}@${name}>`,
    `<u@${name}.${third}>`,
    `<u@x${name}>`,
    `<u@sub.${name}>`,
    `<known+x%${third}@${name}>`,
    `<"u\\@${third}"@${name}>`,
  ]),
  '<u@[198.51.100.1]>',
  '<u@[IPv6:2001:db8::9]>',
  `<u@${third.toUpperCase()}>`,
  `<u@${third}.>`,
];

function load(text: string): Config {
  const loaded = loadConfig(text, { file: '/etc/posthouse.yaml' });
  assert.ok(loaded.ok, loaded.ok ? '' : JSON.stringify(loaded.problems));
  return loaded.config;
}

function optionsOf(config: Config) {
  return policyOptions(config, {
    verify: async () => 'known',
    untruth: () => undefined,
    interfaceHas: () => false,
    window: (address) =>
      address === '203.0.113.200'
        ? { names: ['u@ours.example'], source: 'pop3', expiresAt: 1, needsAuth: false }
        : undefined,
  });
}

/** The request of these command lines; `undefined` when one of them is refused as a line. */
function requestOf(mail: string, rcpt: string, facts: ClientFacts): RelayRequest | undefined {
  const sender = parseCommand(`MAIL FROM:${mail}`);
  const recipient = parseCommand(`RCPT TO:${rcpt}`);
  if (sender.verb !== 'mail' || recipient.verb !== 'rcpt' || recipient.forwardPath === 'postmaster')
    return undefined;
  return { client: facts, reversePath: sender.reversePath, recipient: recipient.forwardPath };
}

test('no stranger relays under a configuration that does not say open', async () => {
  let asked = 0;
  await fc.assert(
    fc.asyncProperty(
      configuration,
      client,
      fc.constantFrom(...senders),
      fc.nat(10),
      async (given, said, sender, at) => {
        const config = load(yaml(given));
        const policy = createPolicy(optionsOf(config));
        const { name, role } = config.listeners[at % config.listeners.length] ?? assert.fail();
        const facts: ClientFacts = { ...said, address: stranger, port: 1, listener: name, role };
        const domains = new Set<string>(config.domains.map((each) => each.name));
        for (const recipient of recipients) {
          const request = requestOf(sender, recipient, facts);
          if (request === undefined) continue;
          asked++;
          const decision = (await policy.refuseSender(request)) ?? (await policy.decide(request));
          if (decision.kind === 'refusal') continue;
          assert.equal(decision.ground, 'recipient');
          for (const to of decision.to) assert.ok(domains.has(to.domain), `${recipient} → ${to.text}`);
          assert.doesNotMatch(decision.to.map(({ localPart }) => localPart).join(), /[%!@]/);
        }
      },
    ),
    { numRuns: 300 },
  );
  assert.ok(asked > 1000);
});

test('what a client says of itself changes nothing for anybody', async () => {
  const inside = fc.constantFrom(stranger, '10.1.2.3', '127.0.0.1', '203.0.113.5', '203.0.113.200');
  await fc.assert(
    fc.asyncProperty(
      configuration,
      inside,
      fc.string(),
      fc.constantFrom(...senders),
      async (given, address, helo, mail) => {
        const config = load(yaml(given));
        const policy = createPolicy(optionsOf(config));
        const { name, role } = config.listeners[0] ?? assert.fail();
        const facts = { address, port: 1, helo: 'client.example', listener: name, role, isVouchedFor: false };
        const plain = requestOf('<u@ours.example>', `<u@${third}>`, facts);
        const disguised = requestOf(mail, `<u@${third}>`, { ...facts, helo, name: 'ours.example' });
        assert.ok(plain !== undefined && disguised !== undefined);
        const before = await policy.decide(plain);
        const after = await policy.decide(disguised);
        // A reverse-path may take a grant away, and never give one.
        if (before.kind === 'refusal') assert.equal(after.kind, 'refusal');
      },
    ),
    { numRuns: 300 },
  );
});

test('what means everybody needs what open needs', () => {
  const wide = ['0.0.0.0/0', '::/0', '0.0.0.0/1', '128.0.0.0/1'];
  for (const network of wide) {
    assert.equal(
      loadConfig(yaml({ relay: { networks: [network] } }), { file: '/x.yaml' }).ok,
      false,
      network,
    );
    const local = { listeners: [{ role: 'internal', address: '10.0.0.1:25', networks: [network] }] };
    assert.equal(loadConfig(yaml(local), { file: '/x.yaml' }).ok, false, network);
  }
  assert.equal(
    loadConfig(yaml({ domains: [{ name: '*', deliver: 'capture' }] }), { file: '/x.yaml' }).ok,
    false,
  );
});

test('open needs private listeners, or a sentence of the operator', () => {
  const table = [
    ['127.0.0.1:25', undefined, true],
    ['10.1.2.3:25', undefined, true],
    ['0.0.0.0:25', undefined, false],
    ['[::]:25', undefined, false],
    ['192.0.2.1:25', undefined, false],
    ['192.0.2.1:25', 'yes', false],
    ['192.0.2.1:25', 'I want strangers to relay here', true],
  ] as const;
  for (const [address, openAcknowledgement, isGood] of table) {
    const given = { listeners: [{ role: 'mx', address }], relay: { open: true, openAcknowledgement } };
    assert.equal(
      loadConfig(yaml(given), { file: '/x.yaml' }).ok,
      isGood,
      `${address} ${openAcknowledgement}`,
    );
  }
});

test('the networks of the tests leave the stranger out', () => {
  assert.ok(!new IpSet(networks.flatMap((text) => parseCidr(text) ?? [])).has(stranger));
});
