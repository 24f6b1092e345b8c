/** nmap's smtp-open-relay tries its 16 ways from an address that nothing trusts. */
import assert from 'node:assert/strict';
import { netnsNeeds, relayAndStranger } from './netns.ts';
import { type Peers, type Posthouse, Program, peerTest, until } from './support.ts';

const needs = [...netnsNeeds, 'nmap', 'smtp-sink'];
const address = '198.51.100.1';

/** Two namespaces, with addresses of RFC 5737. */
function twoNamespaces(peers: Peers): ReturnType<typeof relayAndStranger> {
  return relayAndStranger(peers, { relay: `${address}/24`, stranger: '198.51.100.2/24' });
}

async function attack({ stranger }: Awaited<ReturnType<typeof twoNamespaces>>): Promise<string> {
  const facts = `smtp-open-relay.domain=third.test,smtp-open-relay.ip=${address},smtp-open-relay.from=antispam,smtp-open-relay.to=relaytest`;
  const args = [
    '--script',
    'smtp-open-relay',
    '--script-args',
    facts,
    '-Pn',
    '-n',
    '-p',
    '25',
    '-v',
    address,
  ];
  const outcome = await stranger.run('nmap', args, { timeoutMs: 120_000 });
  assert.equal(outcome.code, 0, outcome.stderr);
  return outcome.stdout;
}

/** Each of the 16 was refused for good, and nothing else was. */
async function assertSixteenRefused(posthouse: Posthouse): Promise<void> {
  const refusals = () => posthouse.log().filter((line) => line.event === 'refused');
  // nmap may have ended before the last lines of the log are read.
  await until('sixteen refusals', async () => refusals().length >= 16 || undefined);
  const refused = refusals().map(({ reply }) => String(reply));
  assert.deepEqual(
    refused.filter((reply) => !/^5\d\d /.test(reply)),
    [],
  );
  assert.equal(refused.length, 16, refused.join('\n'));
  assert.deepEqual(
    posthouse.log().filter((line) => line.event === 'accepted'),
    [],
  );
}

peerTest('the attack sees an open relay where there is one', needs, async (peers) => {
  const net = await twoNamespaces(peers);
  const [command = '', ...args] = net.relay.prefix;
  const sink = peers.use(
    new Program(command, [...args, 'smtp-sink', '-u', 'nobody', `inet:${address}:25`, '10']),
  );
  await until('smtp-sink', async () => {
    assert.equal(sink.ended, undefined, sink.stderr.join('\n'));
    return (await net.relay.run('ss', ['-Htln'])).stdout.includes(':25 ');
  });
  assert.match(await attack(net), /Server is an open relay \(16\/16 tests\)/);
});

peerTest('with nothing configured all 16 tests of nmap are refused by 5yz', needs, async (peers) => {
  const net = await twoNamespaces(peers);
  const posthouse = await peers.posthouse(
    { hostname: 'relay.test', relay: {}, listeners: [{ role: 'mx', address: `${address}:25` }] },
    net.relay.prefix,
  );
  assert.match(await attack(net), /Server doesn't seem to be an open relay, all tests failed/);
  await assertSixteenRefused(posthouse);
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
        listeners: [{ role: 'mx', address: `${address}:25` }],
      },
      net.relay.prefix,
    );
    assert.match(await attack(net), /Server doesn't seem to be an open relay, all tests failed/);
    await assertSixteenRefused(posthouse);
  },
);

peerTest(
  'a limit of errors that is lower than the number of tests makes none of them pass',
  needs,
  async (peers) => {
    const net = await twoNamespaces(peers);
    const posthouse = await peers.posthouse(
      {
        hostname: 'relay.test',
        relay: {},
        limits: { commandErrors: 5 },
        listeners: [{ role: 'mx', address: `${address}:25` }],
      },
      net.relay.prefix,
    );
    assert.doesNotMatch(await attack(net), /is an open relay/);
    assert.deepEqual(
      posthouse.log().filter((line) => line.event === 'accepted'),
      [],
    );
  },
);

peerTest('a relay that is open on purpose is reported as open', needs, async (peers) => {
  const net = await twoNamespaces(peers);
  await peers.posthouse(
    {
      hostname: 'relay.test',
      relay: { open: true, openAcknowledgement: 'this is a test in a network of two machines' },
      routes: [{ to: '*', via: 'capture' }],
      listeners: [{ role: 'mx', address: `${address}:25` }],
    },
    net.relay.prefix,
  );
  assert.match(await attack(net), /Server is an open relay \(\d+\/16 tests\)/);
});
