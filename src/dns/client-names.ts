/** Finds the verified name of a client's address. */
import { isPrivate } from '../base/index.ts';
import type { Resolver } from './resolver.ts';
import { reverseName } from './reverse-name.ts';

const timeoutMs = 5_000;

/**
 * Finds the name of a client's address: its PTR, confirmed by the address of that name (RFC 8601 §2.7.3,
 * `iprev`). Private addresses are not asked about. Never rejects.
 */
export function createClientNames(
  resolver: Resolver,
): (address: string) => Promise<string | undefined> | undefined {
  const ask = async (address: string) => {
    const signal = AbortSignal.timeout(timeoutMs);
    const pointer = reverseName(address);
    if (pointer === undefined) return undefined;
    const found = await resolver.lookup(pointer, 'PTR', signal);
    if (found.kind !== 'found') return undefined;
    for (const name of found.records.slice(0, 3)) {
      const type = address.includes(':') ? 'AAAA' : 'A';
      const confirmed = await resolver.lookup(name, type, signal);
      if (confirmed.kind === 'found' && confirmed.records.some((record) => record === address)) return name;
    }
    return undefined;
  };
  return (address) => (isPrivate(address) ? undefined : ask(address));
}
