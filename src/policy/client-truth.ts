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

/** Recognises addresses that cannot be a client's own, by the present routes and interfaces. */
export function createClientTruth(clock: Clock, read = readOwnNetwork): PolicyOptions['untruth'] {
  const known = kept(clock, read);
  return (address) => {
    const shared = known().get(address);
    return shared && untruthOf(shared);
  };
}

/** Tests whether an address is in a network of an interface, such as that of a VPN, at present. */
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

/** Tests whether an address is one of this machine, at present. */
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

/** The reason why such an address does not identify a client, and the remedy. */
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
