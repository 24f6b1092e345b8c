/** Policies and domains for tests. */
import { IpSet, parseCidr } from '../base/index.ts';
import { type Address, type Domain, parseDomain, parseMailbox } from '../mail/index.ts';
import type { LocalDomain, PolicyOptions } from './index.ts';

export function address(text: string): Address {
  const parsed = parseMailbox(text, { smtputf8: true });
  if (parsed === undefined) throw new Error(`not an address: ${text}`);
  return parsed;
}

export function domain(text: string): Domain {
  const parsed = parseDomain(text);
  if (parsed === undefined) throw new Error(`not a domain: ${text}`);
  return parsed;
}

/** A domain with all recipients, unless told otherwise. */
export function localDomain(
  name: string,
  changes: Partial<Omit<LocalDomain, 'name' | 'aliases'>> & {
    readonly aliases?: Readonly<Record<string, readonly string[]>>;
  } = {},
): LocalDomain {
  const { aliases = {}, ...rest } = changes;
  return {
    name: domain(name),
    recipients: { kind: 'any' },
    aliases: new Map(Object.entries(aliases)),
    tagSeparators: '+',
    keepsTag: true,
    ...rest,
  };
}

export function tableOf(...domains: readonly LocalDomain[]): ReadonlyMap<Domain, LocalDomain> {
  return new Map(domains.map((each) => [each.name, each]));
}

/** A policy without domains and trust, with these changes. */
export function policyOptions(
  changes: Partial<Omit<PolicyOptions, 'domains' | 'networks'>> & {
    readonly domains?: readonly LocalDomain[];
    readonly networks?: readonly string[];
  } = {},
): PolicyOptions {
  const { domains = [], networks = [], ...rest } = changes;
  return {
    domains: tableOf(...domains),
    backupDomains: new Set(),
    networks: new IpSet(networks.flatMap((text) => parseCidr(text) ?? [])),
    postmaster: address('admin@boss.example'),
    verify: async () => 'unavailable',
    listenerHas: () => false,
    proxies: new IpSet([]),
    untruth: () => undefined,
    authenticated: false,
    certificates: { byFingerprint: new Map(), trusted: false },
    window: () => undefined,
    open: () => false,
    ...rest,
  };
}
