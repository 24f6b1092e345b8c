/** Reads which addresses around this machine many clients may seem to have: gateways, bridges. */
import { existsSync, readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { canonicalIp } from './ip.ts';

/** An address that others may seem to have, because their traffic comes to us through it. */
export type SharedAddress =
  | { readonly kind: 'gateway' }
  /** Ours, on an interface that other machines or containers are joined by. */
  | { readonly kind: 'bridge' | 'veth'; readonly interface: string };

/** The files of the system that are read. A missing file is empty. */
export interface OwnNetworkSource {
  readonly read: (path: string) => string;
  readonly exists: (path: string) => boolean;
  readonly interfaces: () => Readonly<Record<string, readonly { readonly address: string }[] | undefined>>;
}

const system: OwnNetworkSource = {
  read(path) {
    try {
      return readFileSync(path, 'latin1');
    } catch {
      return '';
    }
  },
  exists: existsSync,
  interfaces: networkInterfaces,
};

/**
 * The addresses of this machine's surroundings that identify no client: the default gateways, and our own addresses on
 * bridges and veth pairs, from which container proxies and masquerading pass on connections of any client. Keys are
 * canonical addresses.
 */
export function readOwnNetwork(source: OwnNetworkSource = system): ReadonlyMap<string, SharedAddress> {
  const found = new Map<string, SharedAddress>();
  for (const [name, addresses = []] of Object.entries(source.interfaces())) {
    const kind = linkKind(name, source);
    if (kind === undefined) continue;
    for (const { address } of addresses) {
      const canonical = canonicalIp(address);
      if (canonical !== undefined) found.set(canonical, { kind, interface: name });
    }
  }
  const gateways = [
    ...ipv4Gateways(source.read('/proc/net/route')),
    ...ipv6Gateways(source.read('/proc/net/ipv6_route')),
  ];
  for (const address of gateways) found.set(address, { kind: 'gateway' });
  return found;
}

/** Linux: a veth end has a peer (another `iflink`) and, unlike a VLAN or macvlan, no device type. */
function linkKind(name: string, { read, exists }: OwnNetworkSource): 'bridge' | 'veth' | undefined {
  const folder = `/sys/class/net/${name}`;
  if (exists(`${folder}/bridge`)) return 'bridge';
  const own = read(`${folder}/ifindex`).trim();
  const peer = read(`${folder}/iflink`).trim();
  const isEthernet = read(`${folder}/type`).trim() === '1';
  const hasType = read(`${folder}/uevent`).includes('DEVTYPE=');
  const isPair = own !== '' && peer !== '' && peer !== '0' && own !== peer;
  return isEthernet && isPair && !hasType ? 'veth' : undefined;
}

/** proc(5): destination, gateway and mask as words of hexadecimal digits in the order of the machine. */
function ipv4Gateways(table: string): string[] {
  return table.split('\n').flatMap((line) => {
    const [, destination, gateway = '', flags = '0', , , , mask] = line.trim().split(/\s+/);
    const isDefault = destination === '00000000' && mask === '00000000';
    if (!isDefault || (Number.parseInt(flags, 16) & 2) === 0 || !/^[0-9A-Fa-f]{8}$/.test(gateway)) return [];
    return [[6, 4, 2, 0].map((at) => Number.parseInt(gateway.slice(at, at + 2), 16)).join('.')];
  });
}

function ipv6Gateways(table: string): string[] {
  return table.split('\n').flatMap((line) => {
    const [destination = '', length, , , gateway = ''] = line.trim().split(/\s+/);
    if (!/^0{32}$/.test(destination) || length !== '00' || !/^[0-9a-f]{32}$/.test(gateway)) return [];
    const address = canonicalIp(gateway.replace(/(....)(?=.)/g, '$1:'));
    return address === undefined || address === '::' ? [] : [address];
  });
}
