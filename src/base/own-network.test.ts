import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type OwnNetworkSource, readOwnNetwork } from './index.ts';

interface Link {
  readonly addresses: readonly string[];
  readonly files?: Readonly<Record<string, string>>;
}

/** A machine with these links and routing tables. */
function machine(links: Readonly<Record<string, Link>>, tables: Readonly<Record<string, string>> = {}) {
  const files = new Map(Object.entries(tables).map(([name, text]) => [`/proc/net/${name}`, text]));
  for (const [name, link] of Object.entries(links))
    for (const [file, text] of Object.entries(link.files ?? {}))
      files.set(`/sys/class/net/${name}/${file}`, text);
  const source: OwnNetworkSource = {
    read: (path) => files.get(path) ?? '',
    exists: (path) => files.has(path),
    interfaces: () =>
      Object.fromEntries(
        Object.entries(links).map(([name, { addresses }]) => [
          name,
          addresses.map((address) => ({ address })),
        ]),
      ),
  };
  return [...readOwnNetwork(source)].map(
    ([address, shared]) => `${address} ${shared.kind}${'interface' in shared ? ` ${shared.interface}` : ''}`,
  );
}

const ethernet = { ifindex: '2\n', iflink: '2\n', type: '1\n', uevent: 'INTERFACE=eth0\nIFINDEX=2\n' };
const routeHead = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n';

test('the default gateways of both families are found, and no other route', () => {
  const route = [
    'eth0\t00000000\t010216AC\t0003\t0\t0\t0\t00000000\t0\t0\t0',
    'eth0\t000216AC\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0',
    'eth0\t0000000A\t020216AC\t0003\t0\t0\t0\t000000FF\t0\t0\t0',
    'tun0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0',
  ].join('\n');
  const none = '0'.repeat(32);
  const ipv6 = [
    `${none} 00 ${none} 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003 eth0`,
    `${none} 00 ${none} 00 ${none} ffffffff 00000001 00000000 00200200 lo`,
    `20010db8000000000000000000000000 20 ${none} 00 20010db8000000000000000000000009 00000400 00000001 00000000 00000003 eth0`,
  ].join('\n');
  const links = { eth0: { addresses: ['172.22.2.5'], files: ethernet } };
  assert.deepEqual(machine(links, { route: routeHead + route, ipv6_route: ipv6 }), [
    '172.22.2.1 gateway',
    'fe80::1 gateway',
  ]);
});

test('our addresses on bridges and veth pairs are found; those on other links are not', () => {
  const links = {
    lo: { addresses: ['127.0.0.1', '::1'], files: { ifindex: '1', iflink: '1', type: '772' } },
    eth0: { addresses: ['192.0.2.5'], files: ethernet },
    docker0: { addresses: ['172.17.0.1', 'fe80::42%docker0'], files: { ...ethernet, bridge: '' } },
    veth1: { addresses: ['10.0.3.1'], files: { ...ethernet, iflink: '9\n' } },
    'eth0.5': { addresses: ['10.5.0.1'], files: { ...ethernet, iflink: '9\n', uevent: 'DEVTYPE=vlan\n' } },
    wg0: { addresses: ['10.8.0.1'], files: { ifindex: '7', iflink: '7', type: '65534' } },
    sit0: { addresses: ['::10.8.0.1'], files: { ifindex: '8', iflink: '0', type: '776' } },
  };
  assert.deepEqual(machine(links), [
    '172.17.0.1 bridge docker0',
    'fe80::42 bridge docker0',
    '10.0.3.1 veth veth1',
  ]);
});

test('tables that cannot be read, or make no sense, name nobody', () => {
  assert.deepEqual(machine({}), []);
  assert.deepEqual(
    machine({}, { route: 'garbage\n\n\0 00000000 x 3 0 0 0 00000000', ipv6_route: '0 0 0' }),
    [],
  );
});

test('this machine can be asked', () => {
  assert.ok(readOwnNetwork() instanceof Map);
  assert.ok(!readOwnNetwork().has('127.0.0.1'));
});
