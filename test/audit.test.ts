import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { AuditEvent } from '../src/audit/commands.ts';
import { stranger } from '../src/audit/plan.ts';
import { IpSet, isLoopback } from '../src/base/index.ts';
import { SocketPeer } from './support/peer.ts';
import { type Keys, openRelay, type TestRelay, testConfig, testFolder } from './support/relay.ts';
import { until } from './support/server.ts';

const cert = join(import.meta.dirname, '../src/client/testdata/cert.pem');
const key = join(import.meta.dirname, '../src/client/testdata/key.pem');

type Ended = AuditEvent & { readonly event: 'end' };
type Case = AuditEvent & { readonly event: 'case' };
type Listener = AuditEvent & { readonly event: 'listener' };

/** Everything that an audit tells, by kind. */
async function audited({ control }: TestRelay) {
  const found = { cases: [] as Case[], listeners: [] as Listener[], end: undefined as Ended | undefined };
  for await (const event of control.audit()) {
    if (event.event === 'case') found.cases.push(event);
    if (event.event === 'listener') found.listeners.push(event);
    if (event.event === 'end') found.end = event;
  }
  return found;
}

/** Which listener and way came to which verdict. */
const shown = (listeners: readonly Listener[]) =>
  listeners.map(({ listener, over, domain, verdict }) => `${listener} ${over} ${domain} ${verdict}`);

/** Nothing of a run is left, and its log lines are marked. */
async function nothingLeft(test: TestRelay): Promise<void> {
  const left = [];
  for await (const item of test.control.list({ selector: { match: {} } })) left.push(item);
  assert.deepEqual(left, []);
  // A removal is seen in the store a moment before it is counted.
  const patience = AbortSignal.timeout(5000);
  while ((await test.control.status()).messages > 0 && !patience.aborted) await setImmediate();
  assert.equal((await test.control.status()).messages, 0);
  for (const line of test.log.lines) {
    if (JSON.stringify(line).includes('.invalid')) assert.ok(line.audit !== undefined, JSON.stringify(line));
  }
}

const closed: Keys = {
  domains: [
    { name: 'ours.test', deliver: 'capture', recipients: 'any', aliases: {} },
    { name: 'list.test', deliver: 'capture', recipients: ['known'] },
    { name: 'backup.test', backup: true },
  ],
  routes: [{ to: '*', via: 'capture' }],
};

async function open(t: TestContext, keys: Keys = closed): Promise<TestRelay> {
  const { domains = [], ...others } = keys;
  const known = Array.isArray(domains) ? domains.map(({ aliases: _, ...domain }) => domain) : domains;
  return openRelay(t, { ...others, domains: known });
}

test('a closed relay is shown to be closed, on every listener, in clear and under TLS', async (t) => {
  const relay = await open(t, {
    ...closed,
    tls: { cert, key },
    xclientFrom: '127.0.0.1',
    listeners: [
      { role: 'mx', name: 'front', address: '127.0.0.1:0' },
      {
        role: 'internal',
        name: 'proxied',
        address: '127.0.0.1:0',
        tls: 'none',
        proxyProtocolFrom: '127.0.0.1',
      },
      { role: 'mx', name: 'six', address: '[::1]:0', tls: 'implicit' },
    ],
  });
  const { cases, listeners, end } = await audited(relay);
  assert.deepEqual(end, {
    event: 'end',
    verdict: 'closed',
    because: 'nothing of a stranger reached a third party',
  });
  assert.deepEqual(shown(listeners), [
    'front plain ours.test closed',
    'front plain backup.test closed',
    'front starttls ours.test closed',
    'front starttls backup.test closed',
    'proxied plain+proxy ours.test closed',
    'proxied plain+proxy backup.test closed',
    'six tls ours.test closed',
    'six tls backup.test closed',
  ]);
  assert.ok(cases.length > 8 * 350);
  // Mail for our own domains was accepted, and seen to stay.
  assert.ok(cases.some(({ verdict }) => verdict === 'kept'));
  const outward = cases.filter(({ lanes }) => lanes.some((lane) => lane.startsWith('mx:')));
  for (const { arrived } of outward) for (const to of arrived) assert.match(to, /@backup\.test$/);
  await nothingLeft(relay);
  assert.deepEqual(
    await readdir(join(relay.folder, 'capture')).catch(() => []),
    [],
    'nothing came to the inbox',
  );
});

test('an open relay is shown to be open by what arrives, and nothing leaves', async (t) => {
  const relay = await open(t, { ...closed, relay: { open: true } });
  const { cases, listeners, end } = await audited(relay);
  assert.equal(end?.verdict, 'open');
  assert.deepEqual(
    listeners.map(({ verdict, because }) => [verdict, because]).filter(([verdict]) => verdict !== 'open'),
    [],
  );
  const plain = cases.find(({ id }) => id === 'r01s03h1') ?? assert.fail();
  assert.equal(plain.verdict, 'relayed');
  assert.match(plain.arrived.join(), /^rt-r01s03h1-.*@third\.audit-[0-9a-f]{16}\.invalid$/);
  assert.ok(plain.evidence.some((line) => line.startsWith('S: 250')));
  await nothingLeft(relay);
  assert.deepEqual(await readdir(join(relay.folder, 'capture')).catch(() => []), []);
});

test('a trap is reported as one: it takes mail for anybody, and nothing of it comes out of the queue', async (t) => {
  const relay = await open(t, {
    ...closed,
    listeners: [
      { role: 'mx', name: 'front', address: '127.0.0.1:0' },
      { role: 'trap', name: 'honey', address: '127.0.0.1:0' },
    ],
  });
  const { cases, listeners, end } = await audited(relay);
  assert.equal(end?.verdict, 'closed');
  const trap = listeners.find(({ role }) => role === 'trap') ?? assert.fail();
  assert.equal(trap.verdict, 'trap');
  assert.equal(trap.because, 'it accepts mail for any recipient, and none of it came out of the queue');
  const [only, ...others] = cases.filter(({ listener }) => listener === 'honey');
  assert.deepEqual([only?.verdict, only?.arrived, others.length], ['accepted-unconfirmed', [], 0]);
});

test('a relay that trusts the whole of a documentation network is attacked from another', async (t) => {
  const relay = await open(t, { ...closed, relay: { networks: ['192.0.2.0/24', '127.0.0.0/8'] } });
  assert.equal((await audited(relay)).end?.verdict, 'closed');
});

test('a disguise never lends trust', async (t) => {
  const folder = await testFolder(t);
  const all = ['192.0.2.0/24', '198.51.100.0/24', '203.0.113.0/24', '2001:db8::/32', '3fff::/20'];
  const pose = (networks: readonly string[], host: string) =>
    stranger(testConfig(folder, { relay: { networks } }), host);
  assert.equal(pose(all, '127.0.0.1'), undefined, 'a stranger would be trusted where we are not');
  assert.equal(pose(all, '::1'), undefined);
  assert.ok(pose([...all, '127.0.0.0/8'], '127.0.0.1') !== undefined, 'everybody is trusted, and so are we');
  for (const networks of [
    [],
    ['192.0.2.0/24'],
    ['192.0.2.0/24', '198.51.100.0/24'],
    ['127.0.0.0/8', '10.0.0.0/8'],
  ]) {
    const address = pose(networks, '127.0.0.1') ?? assert.fail();
    const { relay } = testConfig(folder, { relay: { networks } });
    assert.ok(!new IpSet(relay.networks).has(address) && !isLoopback(address));
  }
});

test('an audit of a relay where every stranger is trusted and it is not says what it cannot show', async (t) => {
  const relay = await open(t, {
    ...closed,
    relay: { networks: ['192.0.2.0/24', '198.51.100.0/24', '203.0.113.0/24'] },
  });
  const { end, listeners } = await audited(relay);
  assert.equal(end?.verdict, 'inconclusive');
  assert.match(listeners[0]?.because ?? '', /every address that could be a stranger/);
});

test('other mail goes its way while an audit runs, and only connections of the audit are disguised', async (t) => {
  const relay = await open(t);
  const audit = relay.control.audit()[Symbol.asyncIterator]();
  assert.equal((await audit.next()).value?.event, 'begin');
  // From loopback, which is trusted: a disguise would refuse this.
  assert.match(await relay.send({ to: 'somebody@elsewhere.test' }), /^250/);
  const [line] = await relay.log.logged('delivered', { to: 'somebody@elsewhere.test' });
  assert.equal(line?.relay, 'capture');
  assert.equal(line?.audit, undefined);
  await audit.return?.();
  assert.match(await relay.send({ to: 'another@elsewhere.test' }), /^250/);
  await relay.log.logged('delivered', { to: 'another@elsewhere.test' });
});

test('a second audit is refused while one runs, and may begin when that is over', async (t) => {
  const relay = await open(t, { listeners: [{ role: 'mx', address: '127.0.0.1:0' }] });
  const first = relay.control.audit()[Symbol.asyncIterator]();
  await first.next();
  await assert.rejects(audited(relay), /an audit is under way/);
  await first.return?.();
  // The relay learns a moment later that nobody listens to the first any more.
  let second: Awaited<ReturnType<typeof audited>> | undefined;
  await until(async () => {
    second = await audited(relay).catch((error: unknown) => {
      assert.match(String(error), /an audit is under way/);
      return undefined;
    });
    return second !== undefined;
  });
  assert.equal(second?.end?.verdict, 'closed');
});

test('a server that takes nobody is no proof', async (t) => {
  const relay = await open(t, { ...closed, limits: { sessions: 1 } });
  await using _ = await SocketPeer.greeted(relay.port);
  const { end, listeners } = await audited(relay);
  assert.equal(end?.verdict, 'inconclusive');
  assert.match(listeners[0]?.because ?? '', /1 of \d+ forms tried|lost connection/);
});

test('a low limit of errors spoils nothing', async (t) => {
  const relay = await open(t, { ...closed, limits: { commandErrors: 3 } });
  assert.equal((await audited(relay)).end?.verdict, 'closed');
});
