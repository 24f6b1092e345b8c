/** The attacks of an audit: each listener, in clear and under TLS. */
import { networkInterfaces } from 'node:os';
import { type Cidr, canonicalIp, IpSet, parseCidr } from '../base/index.ts';
import type { Address, Domain } from '../mail/index.ts';
import type { ListeningAddress } from '../receiver/index.ts';

/** One attack of an audit: a listener, a way to talk to it, and a domain to take for the relay's own. */
export interface PlannedAttack {
  readonly listener: ListeningAddress;
  readonly over: 'plain' | 'starttls' | 'tls';
  /** Whether the listener expects a PROXY header; the audit then sends one that names the stranger. */
  readonly isProxied: boolean;
  readonly domain: Domain;
  /** Where we connect to, and from. */
  readonly host: string;
  /** The address that the attack pretends to come from; undefined if every possible one is trusted. */
  readonly stranger: string | undefined;
}

/** The part of the configuration that determines how the relay is reached, and which clients it trusts. */
export interface AuditedConfig {
  readonly hostname: Domain;
  readonly listeners: readonly AuditedListener[];
  readonly domains: readonly {
    readonly name: Domain;
    readonly isBackup: boolean;
    readonly aliases: ReadonlyMap<string, readonly string[]>;
    readonly catchAll?: Address;
  }[];
  readonly relay: { readonly networks: readonly Cidr[] };
  readonly xclientFrom: readonly Cidr[];
  readonly postmaster: Address;
  /** Present when there is a certificate. */
  readonly tls?: object;
}

interface AuditedListener {
  readonly name: string;
  readonly tls: 'none' | 'starttls' | 'implicit';
  readonly networks: readonly Cidr[];
  readonly proxyProtocolFrom: readonly Cidr[];
}

/** Addresses that are in use nowhere (RFC 5737, RFC 3849). */
const strangers = {
  ipv4: ['192.0.2.77', '198.51.100.77', '203.0.113.77'],
  ipv6: ['2001:db8:77::77', '2001:db8:aaaa::77', '3fff:77::77'],
} as const;

/** Every listener, in clear and under TLS, with a domain of each kind of ours. */
export function planAttacks(
  config: AuditedConfig,
  addresses: readonly ListeningAddress[],
): readonly PlannedAttack[] {
  const options = new Map(config.listeners.map((listener) => [listener.name, listener]));
  return addresses.flatMap((listener) => {
    const known = options.get(listener.name);
    if (known === undefined) return [];
    const host = hostToDial(listener.host);
    const attack = {
      listener,
      host,
      isProxied: new IpSet(known.proxyProtocolFrom).has(host),
      stranger: stranger(config, host),
    };
    const [domain = config.hostname, ...others] = targetDomains(config);
    if (listener.role === 'trap') return [{ ...attack, over: ways(known, config)[0] ?? 'plain', domain }];
    return ways(known, config).flatMap((over) =>
      [domain, ...others].map((each) => ({ ...attack, over, domain: each })),
    );
  });
}

function ways({ tls }: AuditedListener, config: AuditedConfig): readonly PlannedAttack['over'][] {
  if (tls === 'implicit') return ['tls'];
  return tls === 'starttls' && config.tls !== undefined ? ['plain', 'starttls'] : ['plain'];
}

/**
 * The first domain with local delivery and the first that is relayed, since their recipients are known in different
 * ways.
 */
function targetDomains({ domains }: AuditedConfig): readonly Domain[] {
  const kept = domains.find(({ isBackup }) => !isBackup);
  const passedOn = domains.find(({ isBackup }) => isBackup);
  return [kept, passedOn].flatMap((domain) => domain?.name ?? []);
}

function hostToDial(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  return host === '::' ? '::1' : host;
}

/**
 * An address that no rule trusts. If all are trusted, the finding is right with any address, as long as we are trusted
 * ourselves and the disguise adds nothing.
 */
export function stranger(config: AuditedConfig, host: string): string | undefined {
  const trusted = trustedBy(config);
  const near = ownNetworks();
  const candidates = strangers[host.includes(':') ? 'ipv6' : 'ipv4'];
  const unknown = candidates.find((address) => !trusted.has(address) && !near.has(address));
  return unknown ?? (trusted.has(host) ? candidates[0] : undefined);
}

/** Every network of the configuration that gives trust of some kind. */
function trustedBy(config: AuditedConfig): IpSet {
  const listeners = config.listeners.flatMap(({ networks, proxyProtocolFrom }): readonly Cidr[] => [
    ...networks,
    ...proxyProtocolFrom,
  ]);
  return new IpSet([...config.relay.networks, ...config.xclientFrom, ...listeners]);
}

/** The networks of our interfaces, since a listener may trust them by name. */
function ownNetworks(): IpSet {
  const addresses = Object.values(networkInterfaces()).flatMap((found) => found ?? []);
  return new IpSet(addresses.flatMap(({ cidr }) => parseCidr(cidr ?? '') ?? []));
}

/** Which recipients are none of ours, so that mail for them was relayed. */
export function strangerTest(
  config: AuditedConfig,
): (address: { readonly text: string; readonly domain: string }) => boolean {
  const ours = new Set<string>(config.domains.map(({ name }) => name));
  // Configured addresses of our domains: the postmaster, aliases and catch-alls.
  const named = config.domains.flatMap(({ aliases, catchAll }) => [
    ...[...aliases.values()].flat(),
    catchAll?.text ?? '',
  ]);
  const permitted = new Set([config.postmaster.text, ...named].map((text) => text.toLowerCase()));
  return ({ text, domain }) => !ours.has(domain) && !permitted.has(text.toLowerCase());
}

/** `[192.0.2.1]`, `[IPv6:2001:db8::1]`. */
export function literal(address: string): string {
  const canonical = canonicalIp(address) ?? address;
  return canonical.includes(':') ? `[IPv6:${canonical}]` : `[${canonical}]`;
}
