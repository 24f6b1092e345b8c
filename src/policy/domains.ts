/** Looks a recipient up in its domain: lists, aliases, tags, catch-all. */
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
  readonly catchAll?: Address;
  /** Separators of sub-addresses, for example `+`; empty turns them off. */
  readonly tagSeparators: string;
  /** Its destination gets the address with the tag; else without it. */
  readonly keepsTag: boolean;
}

/** The result of looking a recipient up in its domain, before any destination is asked. */
export type Lookup =
  /** A mailbox of that destination: the address, perhaps without its tag. */
  | { readonly kind: 'mailbox'; readonly address: Address; readonly because: string }
  /** Other recipients, each of which is looked up in turn; `name` is the name that stands for them. */
  | {
      readonly kind: 'others';
      readonly to: readonly Address[];
      readonly name: string;
      readonly because: string;
    }
  | { readonly kind: 'unknown'; readonly because: string }
  | { readonly kind: 'ask'; readonly because: string };

/** The domains and names in which recipients are looked up. */
export interface RecipientOptions {
  readonly domains: ReadonlyMap<Domain, LocalDomain>;
  /** Domains for which we are a backup MX: onwards by MX. */
  readonly backupDomains: ReadonlySet<Domain>;
  readonly postmaster: Address;
}

/**
 * Looks a recipient up in its domain: alias, then the name itself, then the name without its tag, then
 * `postmaster` and `abuse` (RFC 5321 §4.5.1, RFC 2142), then the catch-all. The first that fits wins.
 */
export function lookUp(address: Address, domain: LocalDomain, { postmaster }: RecipientOptions): Lookup {
  const name = nameOf(address);
  // A tag that hides a route (`user+x%there`) would reach the destination behind a name that we know.
  const untagged = hidesRoute(address) ? name : withoutTag(name, domain.tagSeparators);
  for (const candidate of untagged === name ? [name] : [name, untagged]) {
    const targets = domain.aliases.get(candidate);
    if (targets === undefined) continue;
    const to = targets.flatMap((text) => targetOf(text, domain) ?? []);
    return { kind: 'others', to, name: candidate, because: `alias ${candidate}` };
  }
  const { recipients } = domain;
  if (recipients.kind === 'list') {
    for (const candidate of [name, untagged]) {
      if (!recipients.names.has(candidate) && !recipients.names.has(`${candidate}@${domain.name}`)) continue;
      const to = candidate === name || domain.keepsTag ? address : withLocalPart(address, candidate);
      return { kind: 'mailbox', address: to, because: `listed as ${candidate}` };
    }
  }
  if (untagged === 'postmaster' || untagged === 'abuse') {
    const because = `${untagged} always goes to the postmaster`;
    return { kind: 'others', to: [postmaster], name: untagged, because };
  }
  if (hidesRoute(address)) return { kind: 'unknown', because: 'the local part hides a route' };
  if (recipients.kind === 'any') {
    const to = untagged === name || domain.keepsTag ? address : withLocalPart(address, untagged);
    return { kind: 'mailbox', address: to, because: 'any recipient' };
  }
  if (recipients.kind === 'verify') return { kind: 'ask', because: 'verified by callout' };
  if (domain.catchAll === undefined) return { kind: 'unknown', because: 'not in the list' };
  return { kind: 'others', to: [domain.catchAll], name: catchAllName, because: 'catch-all' };
}

/** The name of a domain's catch-all; no local part is written like it. */
export const catchAllName = '*';

/** A local part as names are compared: without regard to case. Its letters were composed when it was parsed. */
export function nameOf({ localPart }: Address): string {
  return localPart.toLowerCase();
}

/** The address that an alias names: with a domain, or of the domain of the alias. */
export function targetOf(text: string, domain: LocalDomain): Address | undefined {
  return parseMailbox(text.includes('@') ? text : `${text}@${domain.name}`, { smtputf8: true });
}

/** The mailbox of an address: without the tag, where its destination wants none. */
export function mailboxOf(address: Address, { keepsTag, tagSeparators }: LocalDomain): Address {
  const name = nameOf(address);
  const untagged = withoutTag(name, tagSeparators);
  return keepsTag || untagged === name ? address : withLocalPart(address, untagged);
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
