/** Finds addresses that cannot be a client's own: gateways, bridges, silent proxies. */
import { networkInterfaces } from 'node:os';
import {
  type Clock,
  canonicalIp,
  IpSet,
  isPrivate,
  parseCidr,
  readOwnNetwork,
  type SharedAddress,
} from '../base/index.ts';
import type { PolicyOptions, Untruth } from './options.ts';

/** Interfaces and routes change while a relay runs: a container starts, a VPN comes up. */
const freshMs = 10_000;

/** Tells of addresses that cannot be a client's own, by the routes and interfaces of the moment. */
export function createClientTruth(clock: Clock, read = readOwnNetwork): PolicyOptions['untruth'] {
  const known = kept(clock, read);
  return (address) => {
    const shared = known().get(address);
    return shared && untruthOf(shared);
  };
}

/** Tells whether an address is in a network of an interface, such as that of a VPN, as it is at the moment. */
export function createInterfaceNetworks(clock: Clock, read = networkInterfaces) {
  const known = kept(clock, () => {
    const sets = Object.entries(read()).map(([name, addresses = []]): [string, IpSet] => {
      const networks = addresses.flatMap(({ cidr }) => (cidr === null ? [] : (parseCidr(cidr) ?? [])));
      // The neighbours on a public network are strangers.
      return [name, new IpSet(networks.filter(({ address }) => isPrivate(address)))];
    });
    return new Map(sets);
  });
  return (name: string, address: string): boolean => known().get(name)?.has(address) ?? false;
}

/** Tells of the addresses of this machine, as they are at the moment. */
export function createOwnAddresses(clock: Clock, read = networkInterfaces): (address: string) => boolean {
  const known = kept(clock, () => {
    const all = Object.values(read()).flatMap((addresses = []) => addresses);
    return new Set(all.map(({ address }) => canonicalIp(address)));
  });
  return (address) => known().has(address);
}

/** The last reading, read again when it is old. */
function kept<T>(clock: Clock, read: () => T): () => T {
  let value = read();
  let readAt = clock.now();
  return () => {
    if (Math.abs(clock.now() - readAt) > freshMs) {
      value = read();
      readAt = clock.now();
    }
    return value;
  };
}

const remedy = 'let the host there send the PROXY protocol or XCLIENT, or let clients log in';

/** Why such an address says nothing of a client, and what to do about that. */
export function untruthOf(shared: SharedAddress): Untruth {
  switch (shared.kind) {
    case 'gateway':
      return { because: 'our default gateway: every client behind it may appear with its address', remedy };
    case 'bridge':
      return {
        because: `our own address on the bridge ${shared.interface}: it masks the clients that connect through it`,
        remedy,
      };
    case 'veth':
      return {
        because: `our own address on ${shared.interface}, the end of a container: it masks its neighbours`,
        remedy,
      };
  }
}
