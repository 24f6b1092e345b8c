/**
 * A stranger's DNS that leads to private places: by private addresses, and by those of translators. The namespace of
 * the relay sends everything to a far side that takes whatever arrives and says for which address it was.
 */
import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { canonicalIp } from '../../src/base/index.ts';
import type { FakeZone } from '../../src/dns/testing.ts';
import { type Netns, netnsNeeds, relayAndStranger } from './netns.ts';
import { type Peers, type Posthouse, Program, peerTest, until } from './support.ts';

const script = resolve(import.meta.dirname, 'far-side.ts');

const publicPlaces = ['192.31.196.7', '2620:4f:8000::7', '64:ff9b::c01f:c407', '2002:c01f:c407::7'];
const refused = [
  ...['10.9.8.7', '172.16.9.9', '192.168.9.9', '100.64.9.9', '169.254.169.254', '198.18.0.9', '192.88.99.1'],
  ...[
    '192.0.2.77',
    '240.0.0.9',
    '127.0.0.9',
    '64:ff9b::10.9.8.7',
    '64:ff9b::127.0.0.9',
    '64:ff9b:1::10.9.8.7',
  ],
  ...['2002:a09:807::1', '2002:7f00:9::1', '2001:0:c01f:c407::f5f6:f7f8', '2001:0:a09:807::3fe0:3bf8'],
  ...['2600::5efe:10.9.8.7', '2002:c01f:c407::5efe:10.9.8.7', 'fec0::9', 'fd99::9', '100::9', '3fff::9'],
  ...['2001:db8::9', '5f00::9', '::10.9.8.7', '::ffff:10.9.8.7', '0.0.0.0', '::'],
];

/** A domain for each address, half of them by an MX. */
function zoneOf(addresses: readonly string[]): FakeZone {
  const names = addresses.flatMap((address, i): [string, FakeZone[string]][] => {
    const record = address.includes(':') ? { AAAA: [address] } : { A: [address] };
    const mx: FakeZone[string] = { MX: [[10, `mx${i}.far.test`]] };
    return i % 2 === 0
      ? [[`d${i}.far.test`, record]]
      : [
          [`d${i}.far.test`, mx],
          [`mx${i}.far.test`, record],
        ];
  });
  return Object.fromEntries(names);
}

async function inside(peers: Peers, netns: Netns, ...args: readonly string[]): Promise<Program> {
  const [ip = '', ...prefix] = netns.prefix;
  const program = peers.use(new Program(ip, [...prefix, process.execPath, script, ...args]));
  await program.line(() => true);
  return program;
}

/** Sends one message to every domain and waits until each was tried. */
async function tryAll(posthouse: Posthouse, count: number): Promise<ReadonlyMap<string, string>> {
  const to = Array.from({ length: count }, (_, i) => ['--to', `x@d${i}.far.test`]).flat();
  // It ends with a code of its own for what is not delivered.
  await posthouse.command('send', ...to).catch(() => {});
  const tried = () =>
    new Map(
      posthouse
        .log()
        .filter(({ event }) => event === 'bounced' || event === 'deferred')
        .map(({ to, reply }) => [String(to), String(reply)]),
    );
  return await until('every recipient to be tried', () => tried().size === count && tried());
}

peerTest('a stranger’s DNS cannot make the relay dial private places', netnsNeeds, async (peers) => {
  const { relay, stranger: far } = await relayAndStranger(peers, {
    relay: '172.31.77.1/24',
    stranger: '172.31.77.2/24',
  });
  for (const [netns, address] of [
    [relay, 'fd77::1/64'],
    [far, 'fd77::2/64'],
  ] as const)
    await netns.ip('address', 'add', address, 'dev', 'eth0', 'nodad');
  await relay.ip('route', 'add', 'default', 'via', '172.31.77.2');
  await relay.ip('-6', 'route', 'add', 'default', 'via', 'fd77::2');
  // Every address is the far side's own, other than those of the link.
  await far.ip('route', 'add', 'local', 'default', 'dev', 'lo', 'table', 'main');
  await far.ip('-6', 'route', 'add', 'local', 'default', 'dev', 'lo', 'table', 'main');
  const addresses = [...publicPlaces, ...refused];
  const dns = await inside(peers, relay, 'dns', JSON.stringify(zoneOf(addresses)));
  const [here, there] = [
    await inside(peers, relay, 'door', '2500'),
    await inside(peers, far, 'door', '2500'),
  ];
  const dialled = () =>
    new Set(
      [...here.stdout, ...there.stdout].filter((line) => line !== 'open').map((line) => canonicalIp(line)),
    );
  const relayWith = (refusePrivateMx: boolean) =>
    peers.posthouse(
      {
        relay: { networks: ['127.0.0.0/8'] },
        dns: { servers: [dns.stdout[0]], refusePrivateMx },
        delivery: { mxPort: 2500 },
        routes: [{ to: '*', via: 'mx' }],
      },
      relay.prefix,
    );
  const replies = await tryAll(await relayWith(true), addresses.length);
  for (const [i, address] of addresses.entries()) {
    const reply = replies.get(`x@d${i}.far.test`) ?? '';
    assert.match(reply, publicPlaces.includes(address) ? /^421 / : /^550 5\.4\.4 /, address);
  }
  assert.deepEqual(dialled(), new Set(publicPlaces));
  // The doors would have seen it: where it is asked for, those places are dialled.
  await tryAll(await relayWith(false), addresses.length);
  for (const address of ['10.9.8.7', '192.168.9.9', '64:ff9b::a09:807', '2002:a09:807::1', '127.0.0.9'])
    assert.ok(dialled().has(address), address);
});
