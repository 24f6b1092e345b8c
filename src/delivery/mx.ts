/** Finds the mail exchangers of a domain and the addresses of a host. */
import { isIP } from 'node:net';
import { canonicalIp, embeddedIpv4, isGlobal, isUnspecified } from '../base/index.ts';
import type { LookupResult, MxRecord, Resolver } from '../dns/index.ts';
import { type Domain, isLiteral, type Reply, reply } from '../mail/index.ts';

/** One place to dial. */
export interface HostAddress {
  readonly host: string;
  readonly address: string;
}

/** Where to dial, best first; or why nowhere: a 5yz reply is final, a 4yz one is not. */
export type HostList =
  | { readonly kind: 'hosts'; readonly hosts: readonly HostAddress[] }
  | { readonly kind: 'failed'; readonly reply: Reply };

export interface MxOptions {
  readonly resolver: Resolver;
  readonly families: 'ipv4' | 'ipv6' | 'any';
  /** Our names in MX lists, lower-case. */
  readonly ownNames: ReadonlySet<string>;
  /** Our addresses, canonical. */
  readonly ownAddresses: ReadonlySet<string>;
  readonly refusePrivate: boolean;
  /** 0 ≤ n < 1; shuffles exchangers of equal preference. */
  readonly random: () => number;
}

/** Exchangers looked at: more than any real domain has, few enough that a hostile list costs little. */
const maxExchangers = 20;
/** Addresses looked at, for the same reason; how many of them one attempt tries is another matter. */
const maxAddresses = 100;

/**
 * Finds the mail exchangers of a domain (RFC 5321 §5.1, RFC 7505): MX, or the domain itself when it has
 * none. Of equal preference they are shuffled. When one of them is ourselves, it and all that are not
 * better are dropped. Never rejects.
 */
export async function findExchangers(
  domain: Domain,
  options: MxOptions,
  signal: AbortSignal,
): Promise<HostList> {
  if (isLiteral(domain)) return literalHost(domain, options);
  const found = await options.resolver.lookup(domain, 'MX', signal);
  const exchangers = exchangersOf(domain, found);
  if ('code' in exchangers) return failed(exchangers);
  const sorted = sortExchangers(exchangers, options.random).slice(0, maxExchangers);
  const names = [...new Set(sorted.map((exchanger) => exchanger.exchange))];
  const looked = await Promise.all(names.map((name) => lookUpHost(name, options, signal)));
  const resolved = new Map(names.map((name, i) => [name, looked[i]]));
  return selectHosts(domain, sorted, resolved, options);
}

/** The addresses of a host of a static route, in order of dialling: no MX, no test for ourselves. */
export async function findHost(
  host: string,
  options: Pick<MxOptions, 'resolver' | 'families'>,
  signal: AbortSignal,
): Promise<HostList> {
  if (isIP(host) !== 0) return { kind: 'hosts', hosts: [{ host, address: host }] };
  const { addresses, isUncertain } = isLocalhost(host)
    ? { addresses: localhostAddresses(options.families), isUncertain: false }
    : await lookUpHost(host, options, signal);
  if (addresses.length > 0) {
    return {
      kind: 'hosts',
      hosts: addresses.slice(0, maxAddresses).map((address) => ({ host, address })),
    };
  }
  // A smart host without an address is a mistake of ours or of the moment, never the sender's.
  return failed(reply(451, isUncertain ? '4.3' : '4.4', `No address found for relay ${host}`));
}

/** Never asked of the DNS (RFC 6761 §6.3). */
function isLocalhost(host: string): boolean {
  return /^(?:.+\.)?localhost\.?$/i.test(host);
}

function localhostAddresses(families: MxOptions['families']): readonly string[] {
  return ['127.0.0.1', '::1'].filter(
    (address) => families === 'any' || isIP(address) === (families === 'ipv4' ? 4 : 6),
  );
}

function exchangersOf(domain: Domain, found: LookupResult<'MX'>): readonly MxRecord[] | Reply {
  switch (found.kind) {
    case 'unavailable':
      return reply(451, '4.3', `Name service error for ${domain}: ${found.because}`);
    case 'none':
      return found.reason === 'nxdomain'
        ? reply(550, '1.2', `Domain ${domain} does not exist`)
        : [{ preference: 0, exchange: domain }];
    case 'found': {
      const named = found.records.filter((record) => record.exchange !== '.');
      // Only alone is the root a null MX; among others it is a mistake that is passed over (RFC 7505 §3).
      return named.length === 0
        ? reply(556, '1.10', `Domain ${domain} does not accept mail (null MX)`)
        : named;
    }
  }
}

/** By preference; equal ones in random order (RFC 5321 §5.1). */
function sortExchangers(exchangers: readonly MxRecord[], random: () => number): readonly MxRecord[] {
  return exchangers
    .map((exchanger) => ({ exchanger, order: random() }))
    .sort((a, b) => a.exchanger.preference - b.exchanger.preference || a.order - b.order)
    .map(({ exchanger }) => exchanger);
}

interface HostLookup {
  readonly addresses: readonly string[];
  /** Some lookup gave no answer: that there are no (more) addresses is not certain. */
  readonly isUncertain: boolean;
}

async function lookUpHost(
  name: string,
  options: Pick<MxOptions, 'resolver' | 'families'>,
  signal: AbortSignal,
): Promise<HostLookup> {
  const none: LookupResult<never> = { kind: 'none', reason: 'nodata' };
  const [six, four] = await Promise.all([
    options.families === 'ipv4' ? none : options.resolver.lookup(name, 'AAAA', signal),
    options.families === 'ipv6' ? none : options.resolver.lookup(name, 'A', signal),
  ]);
  const isUncertain = six.kind === 'unavailable' || four.kind === 'unavailable';
  const v6 = six.kind === 'found' ? six.records : [];
  const v4 = four.kind === 'found' ? four.records : [];
  // In turn, so that a limit on addresses leaves some of each family.
  const addresses: string[] = [];
  for (let i = 0; i < Math.max(v6.length, v4.length); i++) {
    for (const address of [v6[i], v4[i]]) {
      const canonical = address === undefined ? undefined : canonicalIp(address);
      if (canonical !== undefined && !addresses.includes(canonical)) addresses.push(canonical);
    }
  }
  return { addresses, isUncertain };
}

function selectHosts(
  domain: Domain,
  sorted: readonly MxRecord[],
  resolved: ReadonlyMap<string, HostLookup | undefined>,
  options: MxOptions,
): HostList {
  const isOurs = ({ exchange }: MxRecord): boolean =>
    options.ownNames.has(exchange) ||
    (resolved.get(exchange)?.addresses.some((address) => isOwn(address, options)) ?? false);
  const ourPreference = sorted.find(isOurs)?.preference ?? Number.POSITIVE_INFINITY;
  const better = sorted.filter(({ preference }) => preference < ourPreference);
  if (better.length === 0) return failed(reply(550, '4.6', `Mail for ${domain} loops back to this host`));
  const all = better.flatMap(({ exchange }) =>
    (resolved.get(exchange)?.addresses ?? []).map((address) => ({ host: exchange, address })),
  );
  const hosts = all.filter(({ address }) => mayDial(address, options));
  if (hosts.length > 0) return { kind: 'hosts', hosts: hosts.slice(0, maxAddresses) };
  if (better.some(({ exchange }) => resolved.get(exchange)?.isUncertain === true)) {
    return failed(reply(451, '4.3', `Name service error for the mail exchangers of ${domain}`));
  }
  if (all.length > 0) return failed(privateOnly(domain));
  const isImplicit = better.every(({ exchange }) => exchange === domain);
  return failed(
    isImplicit
      ? reply(550, '1.2', `Domain ${domain} has neither mail exchanger nor address`)
      : reply(550, '4.4', `The mail exchangers of ${domain} have no address`),
  );
}

/** Ours as it stands, or led to through a translator. */
function isOwn(address: string, { ownAddresses }: MxOptions): boolean {
  return ownAddresses.has(address) || embeddedIpv4(address).some((inner) => ownAddresses.has(inner));
}

/** Whether an address from a foreign DNS may be dialled. The unspecified ones would be this machine. */
function mayDial(address: string, { refusePrivate }: MxOptions): boolean {
  return refusePrivate ? isGlobal(address) : !isUnspecified(address);
}

/** `user@[192.0.2.1]`: that host, without the DNS (RFC 5321 §5.1). */
function literalHost(domain: Domain, options: MxOptions): HostList {
  const address = canonicalIp(domain.slice(1, -1).replace(/^IPv6:/i, ''));
  if (address === undefined) return failed(reply(550, '1.2', `Not an address: ${domain}`));
  if (isOwn(address, options)) return failed(reply(550, '4.6', `Mail for ${domain} loops back to this host`));
  if (!mayDial(address, options)) return failed(privateOnly(domain));
  const family = isIP(address) === 4 ? 'ipv4' : 'ipv6';
  if (options.families !== 'any' && options.families !== family) {
    return failed(reply(550, '4.4', `The address family of ${domain} is not used here`));
  }
  return { kind: 'hosts', hosts: [{ host: domain, address }] };
}

function privateOnly(domain: Domain): Reply {
  return reply(550, '4.4', `The mail exchangers of ${domain} are not on the public Internet`);
}

function failed(why: Reply): HostList {
  return { kind: 'failed', reply: why };
}
