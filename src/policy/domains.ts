import { type Address, type Domain, formatLocalPart, hidesRoute, parseMailbox } from '../mail/index.ts';

/** How a domain of ours knows its recipients. */
export type KnownRecipients =
  | { readonly kind: 'any' }
  /** Ask the destination with RCPT; the answer is cached. */
  | { readonly kind: 'verify' }
  /** Local parts (`user`) or whole addresses (`user@domain`), in lower case. */
  | { readonly kind: 'list'; readonly names: ReadonlySet<string> };

/** One of our domains as the policy sees it. */
export interface LocalDomain {
  readonly name: Domain;
  readonly recipients: KnownRecipients;
  /** Lower-case local part → addresses (with a domain) or local parts of the same domain. */
  readonly aliases: ReadonlyMap<string, readonly string[]>;
  readonly catchAll?: Address | undefined;
  /** Separators of sub-addresses, for example `+`; empty turns them off. */
  readonly tagSeparators: string;
  /** Its destination gets the address with the tag; else without it. */
  readonly keepsTag: boolean;
}

/** What is known of a recipient of ours before anybody is asked. */
export type Lookup =
  | { readonly kind: 'known'; readonly to: readonly Address[]; readonly because: string }
  | { readonly kind: 'unknown'; readonly because: string }
  | { readonly kind: 'ask'; readonly because: string };

/**
 * Looks a recipient up in its domain: alias, then the name itself, then the name without its tag, then
 * `postmaster` and `abuse` (RFC 5321 §4.5.1, RFC 2142), then the catch-all. The first that fits wins.
 */
export function lookUpRecipient(
  address: Address,
  domain: LocalDomain,
  options: { readonly postmaster: Address; readonly domains: ReadonlyMap<Domain, LocalDomain> },
): Lookup {
  const name = address.localPart.toLowerCase();
  // A tag that hides a route (`user+x%there`) would reach the destination behind a name that we know.
  const untagged = hidesRoute(address) ? name : withoutTag(name, domain.tagSeparators);
  for (const candidate of untagged === name ? [name] : [name, untagged]) {
    if (domain.aliases.has(candidate)) {
      const to = expandAlias(address, candidate, { domain, domains: options.domains });
      return { kind: 'known', to, because: `alias ${candidate}` };
    }
  }
  const { recipients } = domain;
  if (recipients.kind === 'list') {
    for (const candidate of [name, untagged]) {
      if (!recipients.names.has(candidate) && !recipients.names.has(`${candidate}@${domain.name}`)) continue;
      const to = candidate === name || domain.keepsTag ? address : withLocalPart(address, candidate);
      return { kind: 'known', to: [to], because: `listed as ${candidate}` };
    }
  }
  if (untagged === 'postmaster' || untagged === 'abuse') {
    return { kind: 'known', to: [options.postmaster], because: `${untagged} always reaches somebody` };
  }
  if (hidesRoute(address)) return { kind: 'unknown', because: 'the local part hides a route' };
  if (recipients.kind === 'any') {
    const to = untagged === name || domain.keepsTag ? address : withLocalPart(address, untagged);
    return { kind: 'known', to: [to], because: 'any recipient' };
  }
  if (recipients.kind === 'verify') return { kind: 'ask', because: 'verified by callout' };
  if (domain.catchAll !== undefined) return { kind: 'known', to: [domain.catchAll], because: 'catch-all' };
  return { kind: 'unknown', because: 'not in the list' };
}

function withLocalPart(address: Address, localPart: string): Address {
  return parseMailbox(`${formatLocalPart(localPart)}@${address.domain}`, { smtputf8: true }) ?? address;
}

/** `user+tag` → `user`. A tag at the start is part of the name. */
function withoutTag(name: string, separators: string): string {
  for (const separator of separators) {
    const at = name.indexOf(separator);
    if (at > 0) return name.slice(0, at);
  }
  return name;
}

interface AliasScope {
  readonly domain: LocalDomain;
  readonly domains: ReadonlyMap<Domain, LocalDomain>;
}

/**
 * Expands an alias through all our domains. Each name is expanded once, so a loop ends at the members that
 * it has besides itself; one that has none is the mailbox of the name that was asked for.
 */
function expandAlias(address: Address, name: string, scope: AliasScope): readonly Address[] {
  const found = new Map<string, Address>();
  const seen = new Set<string>();
  const waiting = [{ local: name, domain: scope.domain }];
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const { local, domain } = next;
    const key = `${local}@${domain.name}`;
    if (seen.has(key)) continue;
    seen.add(key);
    for (const text of domain.aliases.get(local) ?? []) {
      const target = parseMailbox(text.includes('@') ? text : `${text}@${domain.name}`, { smtputf8: true });
      if (target === undefined) continue;
      const targetName = target.localPart.toLowerCase();
      const targetKey = `${targetName}@${target.domain}`;
      const targetDomain = scope.domains.get(target.domain);
      // An alias that names itself (`user: user, copy@…`) keeps the mailbox of that name.
      if (targetKey !== key && targetDomain?.aliases.has(targetName)) {
        waiting.push({ local: targetName, domain: targetDomain });
      } else found.set(targetKey, target);
    }
  }
  return found.size > 0 ? [...found.values()] : [address];
}
