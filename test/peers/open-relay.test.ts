/**
 * nmap's smtp-open-relay tries its 16 ways from an address that nothing trusts. The relay and nmap stand in two
 * network namespaces joined by a pair of interfaces: loopback would be a special case, and a policy may know it.
 */
import assert from 'node:assert/strict';
import { type Peers, Program, peerTest, run, until } from './support.ts';

const needs = ['root', 'ip', 'nmap', 'smtp-sink'];

interface Net {
  /** Prefixes of commands that run on either side. */
  readonly relay: readonly string[];
  readonly stranger: readonly string[];
  readonly address: string;
}

async function ip(...args: readonly string[]): Promise<void> {
  const outcome = await run('ip', args);
  if (outcome.code !== 0) throw new Error(`ip ${args.join(' ')}: ${outcome.stderr}`);
}

/** Two namespaces: `relay` has 198.51.100.1, `stranger` 198.51.100.2 (RFC 5737). Removed with the test. */
async function twoNamespaces(peers: Peers): Promise<Net> {
  const [relay, stranger] = [`ph-relay-${process.pid}`, `ph-stranger-${process.pid}`];
  peers.use({
    [Symbol.asyncDispose]: async () => {
      for (const name of [relay, stranger]) await run('ip', ['netns', 'delete', name]);
    },
  });
  for (const name of [relay, stranger]) {
    await ip('netns', 'add', name);
    await ip('-n', name, 'link', 'set', 'lo', 'up');
  }
  await ip('link', 'add', 'eth0', 'netns', relay, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', stranger);
  for (const [name, address] of [
    [relay, '198.51.100.1/24'],
    [stranger, '198.51.100.2/24'],
  ] as const) {
    await ip('-n', name, 'address', 'add', address, 'dev', 'eth0');
    await ip('-n', name, 'link', 'set', 'eth0', 'up');
  }
  return {
    relay: ['ip', 'netns', 'exec', relay],
    stranger: ['ip', 'netns', 'exec', stranger],
    address: '198.51.100.1',
  };
}

async function attack(net: Net): Promise<string> {
  const [command = '', ...args] = net.stranger;
  const script = ['--script', 'smtp-open-relay', '-Pn', '-n', '-p', '25', '-v', net.address];
  const outcome = await run(command, [...args, 'nmap', ...script], { timeoutMs: 120_000 });
  assert.equal(outcome.code, 0, outcome.stderr);
  return outcome.stdout;
}

peerTest('the attack sees an open relay where there is one', needs, async (peers) => {
  const net = await twoNamespaces(peers);
  const [command = '', ...args] = net.relay;
  const sink = peers.use(
    new Program(command, [...args, 'smtp-sink', '-u', 'nobody', `inet:${net.address}:25`, '10']),
  );
  await until('smtp-sink', async () => {
    assert.equal(sink.ended, undefined, sink.stderr.join('\n'));
    return (await run(command, [...args, 'ss', '-Htln'])).stdout.includes(':25 ');
  });
  assert.match(await attack(net), /Server is an open relay \(16\/16 tests\)/);
});

peerTest('with nothing configured all 16 tests of nmap are refused', needs, async (peers) => {
  const net = await twoNamespaces(peers);
  const posthouse = await peers.posthouse(
    { hostname: 'relay.test', relay: {}, listeners: [{ role: 'mx', address: `${net.address}:25` }] },
    net.relay,
  );
  assert.match(await attack(net), /Server doesn't seem to be an open relay, all tests failed/);
  assert.deepEqual(
    posthouse.log().filter((line) => line.event === 'accepted'),
    [],
  );
});

peerTest(
  'with a domain and a network of ours all 16 tests are still refused to a stranger',
  needs,
  async (peers) => {
    const net = await twoNamespaces(peers);
    const posthouse = await peers.posthouse(
      {
        hostname: 'relay.test',
        relay: { networks: ['127.0.0.0/8', '10.8.0.0/24'] },
        domains: [{ name: 'ours.test', deliver: 'capture', recipients: 'any' }],
        listeners: [{ role: 'mx', address: `${net.address}:25` }],
      },
      net.relay,
    );
    assert.match(await attack(net), /Server doesn't seem to be an open relay, all tests failed/);
    assert.deepEqual(
      posthouse.log().filter((line) => line.event === 'accepted'),
      [],
    );
  },
);
