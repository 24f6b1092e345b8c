import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IpSet, manualClock, memoryLog, parseCidr } from '../base/index.ts';
import { formatReplyText, type Pattern, parsePattern } from '../mail/index.ts';
import type { ClientFacts, Identity, RelayRequest } from '../receiver/index.ts';
import { createPolicy, type PolicyOptions, watchNames } from './index.ts';
import { address, localDomain, policyOptions } from './testing.ts';

/** The grounds other than the recipient's domain. */

const fingerprint = `sha256:${'ab'.repeat(32)}`;

function patterns(...texts: readonly string[]) {
  return texts.flatMap((text) => parsePattern(text) ?? []);
}

function identity(name: string, ...senders: readonly string[]): Identity {
  return { name, mechanism: 'PLAIN', senders: patterns(...senders) };
}

function asking(client: Partial<ClientFacts>, from = 'anna@ours.example', to = 'u@elsewhere.example') {
  const facts: ClientFacts = {
    address: '203.0.113.9',
    port: 1025,
    helo: 'client.example',
    listener: 'in',
    role: 'mx',
    isVouchedFor: false,
    ...client,
  };
  const request: RelayRequest = {
    client: facts,
    reversePath: from === '' ? null : address(from),
    recipient: address(to),
  };
  return request;
}

/** The ground and its identity, or the reply at MAIL or RCPT. */
async function outcome(options: PolicyOptions, request: RelayRequest): Promise<string> {
  const policy = createPolicy(options);
  const sender = await policy.refuseSender(request);
  const late = createPolicy({ ...options, window: async (client) => options.window(client) });
  assert.deepEqual(await late.refuseSender(request), sender, 'a window that is told later is the same');
  assert.deepEqual(await late.decide(request), await policy.decide(request));
  if (sender !== undefined) return `MAIL ${formatReplyText(sender.reply).slice(0, 9)}`;
  const decision = await policy.decide(request);
  const { decision: explained } = await policy.explain(request);
  assert.deepEqual(explained, decision, 'explain says what decide does');
  if (decision.kind === 'refusal') return formatReplyText(decision.reply).slice(0, 9);
  return decision.identity === undefined ? decision.ground : `${decision.ground} ${decision.identity}`;
}

function textOf(pattern: Pattern): string {
  return pattern.kind === 'mailbox' ? `${pattern.localPart}@${pattern.domain}` : pattern.kind;
}

async function table(options: PolicyOptions, rows: readonly (readonly [RelayRequest, string])[]) {
  for (const [request, expected] of rows)
    assert.equal(await outcome(options, request), expected, JSON.stringify(request));
}

const domains = [localDomain('ours.example')];
const openWindow = { names: ['anna@ours.example'], source: 'pop3', expiresAt: 0, needsAuth: false };
const denied = '550 5.7.1';

test('who logged in relays when that is configured, as one of his own senders', async () => {
  const anna = { identity: identity('anna', 'anna@ours.example', '*@sales.example') };
  const on = policyOptions({ domains, authenticated: true });
  await table(on, [
    [asking(anna), 'authenticated anna'],
    [asking(anna, 'ANNA@ours.example'), 'authenticated anna'],
    [asking(anna, 'x@sales.example'), 'authenticated anna'],
    [asking(anna, ''), 'authenticated anna'],
    [asking(anna, 'boss@ours.example'), 'MAIL 550 5.7.1'],
    [asking(anna, 'anna@ours.example.elsewhere.example'), 'MAIL 550 5.7.1'],
    [asking({}), denied],
  ]);
  await table(policyOptions({ domains }), [[asking(anna), denied]]);
});

test('on a submission listener everybody is known by name, to recipients of ours too', async () => {
  const options = policyOptions({
    domains,
    networks: ['203.0.113.0/24'],
    open: () => true,
    authenticated: true,
  });
  for (const role of ['submission', 'submissions'] as const) {
    await table(options, [
      [asking({ role }), 'MAIL 530 5.7.0'],
      [asking({ role }, ''), 'MAIL 530 5.7.0'],
      [asking({ role }, 'a@b.example', 'u@ours.example'), 'MAIL 530 5.7.0'],
      [asking({ role, identity: identity('anna', '*') }), 'authenticated anna'],
      [asking({ role, identity: identity('anna', '*') }, 'a@b.example', 'u@ours.example'), 'recipient'],
    ]);
    const decision = await createPolicy(options).decide(asking({ role }));
    assert.equal(decision.kind === 'refusal' && decision.reply.code, 530, 'RCPT alone is refused too');
  }
});

test('a listed certificate relays for its senders, a trusted one for any, another one not', async () => {
  const shown = (isTrusted: boolean, print = fingerprint) => ({
    tls: {
      version: 'TLSv1.3',
      cipher: 'x',
      certificate: { fingerprint: print, subject: 'CN=fax', isTrusted, names: ['fax.ours.example'] },
    },
  });
  const grant = { name: 'fax', senders: patterns('fax@ours.example') };
  const listed = policyOptions({
    certificates: { byFingerprint: new Map([[fingerprint, grant]]), trusted: false },
  });
  await table(listed, [
    [asking(shown(false), 'fax@ours.example'), 'certificate fax'],
    [asking(shown(false), 'anna@ours.example'), denied],
    [asking(shown(false, `sha256:${'cd'.repeat(32)}`), 'fax@ours.example'), denied],
    [asking(shown(true, `sha256:${'cd'.repeat(32)}`), 'fax@ours.example'), denied],
  ]);
  const trusting = policyOptions({ certificates: { byFingerprint: new Map(), trusted: true } });
  await table(trusting, [
    [asking(shown(true)), 'certificate fax.ours.example'],
    [asking(shown(false)), denied],
    [asking({ ...shown(true), role: 'submission' }), 'certificate fax.ours.example'],
    [asking({ ...shown(false), role: 'submission' }), 'MAIL 530 5.7.0'],
  ]);
});

test('a mailbox login opens the relay to that address, for the senders who logged in', async () => {
  const window = (names: readonly string[], needsAuth = false) =>
    policyOptions({
      domains,
      window: (client) =>
        client === '203.0.113.9' ? { names, source: 'pop3', expiresAt: 1, needsAuth } : undefined,
    });
  await table(window(['anna@ours.example']), [
    [asking({}), 'pop-before-smtp anna@ours.example'],
    [asking({}, ''), 'pop-before-smtp anna@ours.example'],
    [asking({}, 'boss@ours.example'), denied],
    [asking({ address: '203.0.113.10' }), denied],
    [asking({ role: 'submission' }), 'pop-before-smtp anna@ours.example'],
  ]);
  await table(window(['bob', 'anna']), [
    [asking({}), 'pop-before-smtp anna'],
    [asking({}, 'anna@elsewhere.example'), denied],
  ]);
  await table(window(['anna'], true), [
    [asking({}), denied],
    [asking({ role: 'submission' }), 'MAIL 530 5.7.0'],
  ]);
});

test('every ground that knows a name binds what may stand in the header, and no other does', async () => {
  const options = policyOptions({
    open: (listener) => listener === 'open',
    domains: [...domains, localDomain('sales.example')],
    authenticated: true,
    networks: ['203.0.113.0/24'],
    certificates: {
      byFingerprint: new Map([[fingerprint, { name: 'fax', senders: patterns('fax@ours.example') }]]),
      trusted: true,
    },
    window: (client) =>
      client === '203.0.113.9' ? { ...openWindow, names: ['bob', 'anna@ours.example'] } : undefined,
  });
  const shown = (print: string, isTrusted = false) => ({
    tls: {
      version: 'TLSv1.3',
      cipher: 'x',
      certificate: { fingerprint: print, subject: 'CN=fax', isTrusted, names: [] },
    },
  });
  const bound = async (client: Partial<ClientFacts>, to: string, from = '') => {
    const decision = await createPolicy(options).decide(asking(client, from, to));
    assert.equal(decision.kind, 'grant');
    if (decision.kind !== 'grant') return undefined;
    const { ground, binding } = decision;
    return binding ? `${ground} ${binding.name}: ${binding.senders.map(textOf).join(' ')}` : ground;
  };
  const ofWindow = 'bob@ours.example bob@sales.example anna@ours.example';
  const [there, ours] = ['x@there.example', 'x@ours.example'];
  assert.equal(await bound({}, there), `pop-before-smtp bob: ${ofWindow}`);
  assert.equal(await bound({}, there, 'ANNA@ours.example'), `pop-before-smtp anna@ours.example: ${ofWindow}`);
  assert.equal(await bound({ address: '203.0.113.7' }, there), 'network');
  assert.equal(await bound({ address: '192.0.2.8', listener: 'open' }, there), 'open');
  assert.equal(await bound({}, ours), 'recipient');
  assert.equal(await bound({ role: 'submission' }, ours), `recipient bob: ${ofWindow}`);
  assert.equal(await bound(shown(fingerprint), there), 'certificate fax: fax@ours.example');
  const anna = 'anna@ours.example';
  assert.equal(await bound(shown(fingerprint), there, anna), `pop-before-smtp ${anna}: ${ofWindow}`);
  assert.equal(
    await bound({ ...shown(fingerprint), role: 'submission' }, ours),
    'recipient fax: fax@ours.example',
  );
  assert.equal(
    await bound({ ...shown(fingerprint), role: 'submission' }, ours, anna),
    `recipient ${anna}: ${ofWindow}`,
  );
  assert.equal(await bound(shown('sha256:00', true), there), 'certificate', 'a certificate for any sender');
  // A login binds by itself.
  assert.equal(await bound({ identity: identity('anna', anna), role: 'submission' }, ours), 'recipient');
});

test('on a submission listener a window or a certificate is for its senders, towards our own people too', async () => {
  const options = policyOptions({
    domains,
    certificates: {
      byFingerprint: new Map([[fingerprint, { name: 'fax', senders: patterns('fax@ours.example') }]]),
      trusted: false,
    },
    window: (client) => (client === '203.0.113.9' ? openWindow : undefined),
  });
  const certificate = { fingerprint, subject: 'CN=fax', isTrusted: false, names: [] };
  const tls = { version: 'TLSv1.3', cipher: 'x', certificate };
  const ours = 'bob@ours.example';
  await table(options, [
    [asking({ role: 'submission' }, 'anna@ours.example', ours), 'recipient'],
    [asking({ role: 'submission' }, 'boss@ours.example', ours), 'MAIL 550 5.7.1'],
    [asking({ role: 'submission' }, '', ours), 'recipient'],
    [asking({ role: 'submission', address: '192.0.2.1', tls }, 'fax@ours.example', ours), 'recipient'],
    [asking({ role: 'submission', address: '192.0.2.1', tls }, 'anna@ours.example', ours), 'MAIL 550 5.7.1'],
    [asking({ role: 'submission', tls }, 'anna@ours.example'), 'pop-before-smtp anna@ours.example'],
  ]);
});

test('a login named like a pattern opens a window for no more than itself', async () => {
  for (const name of ['*', '*@ours.example', '<>', '@ours.example', '*@*']) {
    const options = policyOptions({ domains, window: () => ({ ...openWindow, names: [name] }) });
    await table(options, [[asking({}), denied]]);
  }
});

test('an address that cannot be the client’s own opens nothing, and the log says why', async () => {
  const untruth = () => ({ because: 'our default gateway', remedy: 'send the PROXY protocol' });
  const everywhere = policyOptions({
    networks: ['203.0.113.0/24'],
    window: () => ({ names: ['anna@ours.example'], source: 'pop3', expiresAt: 1, needsAuth: false }),
    untruth,
  });
  await table(everywhere, [
    [asking({}), denied],
    [asking({ isVouchedFor: true }), denied],
    [asking({ role: 'submission' }), 'MAIL 530 5.7.0'],
  ]);
  const { because } = await createPolicy(everywhere).decide(asking({}));
  assert.match(because, /in networks, but 203\.0\.113\.9 is our default gateway \(send the PROXY protocol\)/);
});

test('a listed proxy is no client until it says for whom it speaks', async () => {
  const options = policyOptions({
    networks: ['203.0.113.0/24'],
    proxies: new IpSet(cidrs('203.0.113.9/32')),
  });
  await table(options, [
    [asking({}), denied],
    [asking({ isVouchedFor: true }), 'network'],
    [asking({ address: '203.0.113.10' }), 'network'],
    [asking({ address: '198.51.100.1', isVouchedFor: true }), denied],
  ]);
});

test('a network of one listener counts there only', async () => {
  const options = policyOptions({
    listenerHas: (listener, client) => listener === 'vpn' && client === '10.8.0.7',
  });
  await table(options, [
    [asking({ listener: 'vpn', role: 'internal', address: '10.8.0.7' }), 'network'],
    [asking({ listener: 'in', address: '10.8.0.7' }), denied],
    [asking({ listener: 'vpn', role: 'internal', address: '10.9.0.7' }), denied],
  ]);
});

test('an open relay takes everything, but not on a submission listener', async () => {
  const options = policyOptions({ open: () => true });
  await table(options, [
    [asking({}), 'open'],
    [asking({}, ''), 'open'],
    [asking({ role: 'submission' }), 'MAIL 530 5.7.0'],
  ]);
});

test('a trap takes everything on the ground of being one', async () => {
  await table(policyOptions({ domains }), [
    [asking({ role: 'trap' }), 'trap'],
    [asking({ role: 'trap' }, '', 'nobody@ours.example'), 'trap'],
  ]);
});

test('every rule is explained, and what comes behind the one that decided is told too', async () => {
  const options = policyOptions({ domains, networks: ['203.0.113.0/24'], open: () => true });
  const { findings, sender } = await createPolicy(options).explain(asking({}));
  assert.equal(sender, undefined);
  assert.deepEqual(
    findings.map(({ rule, outcome: found, isDeciding }) => `${rule} ${found}${isDeciding ? ' !' : ''}`),
    [
      'trap passes',
      'submission passes',
      'our domain passes',
      'backup domain passes',
      'authenticated passes',
      'certificate passes',
      'pop-before-smtp passes',
      'network grants !',
      'open grants',
    ],
  );
  for (const { looksAt, because } of findings) assert.ok(looksAt !== '' && because !== '');
});

test('many names behind one trusted address raise one alarm a day and change no decision', async () => {
  const log = memoryLog();
  const clock = manualClock();
  const options = policyOptions({ networks: ['203.0.113.0/24'], noteName: watchNames({ log, clock }) });
  const policy = createPolicy(options);
  const say = (helo: string) => policy.decide(asking({ helo }));
  for (let i = 0; i < 10; i++) await say(`host${i}`);
  for (let i = 0; i < 100; i++) await say('host0');
  assert.equal(log.lines.length, 0);
  for (let i = 0; i < 500; i++) assert.equal((await say(`host${i}`)).kind, 'grant');
  assert.deepEqual(
    log.lines.map(({ event, fields }) => [event, fields.client]),
    [['many-names', '203.0.113.9']],
  );
  clock.advance(86_400_000 + 1);
  for (let i = 0; i < 20; i++) await say(`later${i}`);
  assert.equal(log.lines.length, 2);
});

test('a client is known by a login, a certificate, a window or a trusted network, and by nothing else', async () => {
  const options = policyOptions({
    domains: [localDomain('ours.example')],
    networks: ['10.0.0.0/8'],
    certificates: { byFingerprint: new Map([[fingerprint, { name: 'fax' }]]), trusted: false },
    window: (client) => windows.get(client),
    proxies: new IpSet(cidrs('10.0.0.2')),
    untruth: (client) => (client === '10.0.0.3' ? { because: 'a gateway', remedy: 'x' } : undefined),
    open: () => true,
  });
  const windows = new Map([
    ['192.0.2.1', openWindow],
    ['192.0.2.2', { ...openWindow, needsAuth: true }],
    ['10.0.0.3', openWindow],
  ]);
  const certified = (of: string) => ({
    tls: {
      version: 'TLSv1.3',
      cipher: 'x',
      certificate: { fingerprint: of, subject: 'CN=fax', isTrusted: false, names: [] },
    },
  });
  const rows: readonly (readonly [Partial<ClientFacts>, boolean])[] = [
    [{}, false],
    [{ helo: 'ours.example', name: 'mx.ours.example' }, false],
    [{ identity: identity('anna', 'anna@ours.example') }, true],
    [certified(fingerprint), true],
    [certified(`sha256:${'cd'.repeat(32)}`), false],
    [{ address: '10.0.0.1' }, true],
    [{ address: '10.0.0.1', role: 'submission' }, true],
    [{ address: '10.0.0.1', isStandIn: true }, false],
    [{ address: '10.0.0.2' }, false],
    [{ address: '10.0.0.2', isVouchedFor: true }, true],
    [{ address: '10.0.0.3' }, false],
    [{ address: '192.0.2.1' }, true],
    [{ address: '192.0.2.2' }, false],
  ];
  const late = { ...options, window: async (client: string) => windows.get(client) };
  for (const [client, isKnown] of rows)
    for (const each of [options, late])
      assert.equal(await createPolicy(each).knows?.(asking(client).client), isKnown, JSON.stringify(client));
});

test('few names in an hour are no alarm, however many come in a week', async () => {
  const log = memoryLog();
  const clock = manualClock();
  const note = watchNames({ log, clock });
  for (let i = 0; i < 200; i++) {
    note('10.0.0.1', `host${i}`);
    clock.advance(1_200_000);
  }
  assert.equal(log.lines.length, 0);
});

function cidrs(...texts: readonly string[]) {
  return texts.flatMap((text) => parseCidr(text) ?? []);
}

test('a proxy that spoke for somebody without saying for whom lends nobody its address', async () => {
  const trusted = policyOptions({ networks: ['203.0.113.0/24'], window: () => openWindow });
  await table(trusted, [
    [asking({ isStandIn: true }), denied],
    [asking({ isStandIn: true, role: 'submission' }), 'MAIL 530 5.7.0'],
    [asking({}), 'pop-before-smtp anna@ours.example'],
  ]);
  const refused = await createPolicy(trusted).decide(asking({ isStandIn: true }));
  assert.match(refused.because, /did not say XCLIENT ADDR/);
});
