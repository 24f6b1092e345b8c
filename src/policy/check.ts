/** Finds faults in the names that a configuration leads mail to, before any mail arrives. */
import type { Domain } from '../mail/index.ts';
import { type LocalDomain, nameOf, type RecipientOptions, targetOf } from './domains.ts';
import { resolve } from './resolve.ts';

/** A name that leads nowhere or in a circle. */
export interface RecipientFault {
  /** The domain of the alias or catch-all; absent for the postmaster. */
  readonly domain?: Domain;
  readonly key: 'aliases' | 'catchAll' | 'postmaster';
  readonly because: string;
}

/**
 * The aliases, catch-alls and postmaster that lead to an unknown recipient, or in a circle: each circle once.
 * Recipients that only a destination knows are not asked about.
 */
export function recipientFaults(options: RecipientOptions): readonly RecipientFault[] {
  const loops = new Set<string>();
  const faultOf = (address: Parameters<typeof resolve>[0]): string | undefined => {
    const found = resolve(address, options);
    if (found.kind === 'unknown') return `"${address.text}" does not exist here: ${found.because}`;
    if (found.kind !== 'loop') return undefined;
    const members = [...new Set(found.because.split(' → '))].sort((a, b) => (a < b ? -1 : 1)).join();
    if (loops.has(members)) return undefined;
    loops.add(members);
    return `a loop: ${found.because}`;
  };
  const faults: RecipientFault[] = [];
  for (const domain of options.domains.values()) {
    const add = (key: RecipientFault['key'], because: string | undefined, of = '') => {
      if (because !== undefined) faults.push({ domain: domain.name, key, because: `${of}${because}` });
    };
    for (const [name, targets] of domain.aliases) {
      for (const target of targets)
        add('aliases', targetFault(target, { name, domain, faultOf }), `alias "${name}": `);
    }
    if (domain.catchAll !== undefined) add('catchAll', faultOf(domain.catchAll));
  }
  const because = faultOf(options.postmaster);
  return because === undefined ? faults : [...faults, { key: 'postmaster', because }];
}

function targetFault(
  target: string,
  of: {
    readonly name: string;
    readonly domain: LocalDomain;
    readonly faultOf: (address: Parameters<typeof resolve>[0]) => string | undefined;
  },
): string | undefined {
  const address = targetOf(target, of.domain);
  if (address === undefined) return `"${target}" is not an address`;
  // A name that stands for itself keeps the mailbox of that name.
  if (nameOf(address) === of.name && address.domain === of.domain.name) return undefined;
  return of.faultOf(address);
}
