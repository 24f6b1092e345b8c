/** Where a recipient leads: through aliases of aliases, the postmaster and catch-alls of all our domains. */
import { type Address, type Domain, hidesRoute } from '../mail/index.ts';
import {
  catchAllName,
  type LocalDomain,
  lookUp,
  mailboxOf,
  nameOf,
  type RecipientOptions,
} from './domains.ts';

/** Names in a row, each of which stands for the next: Postfix's `virtual_alias_recursion_limit`. */
export const maxDepth = 1000;

/** The resolution of a recipient before any server is asked. */
export type Resolution =
  | {
      readonly kind: 'known';
      readonly to: readonly Address[];
      /** Members whose destination has to be asked; the catch-all of their domain gets those that it does not know. */
      readonly toAsk: readonly Address[];
      readonly because: string;
    }
  /** `isRoute`: for it names a way through us. */
  | { readonly kind: 'unknown'; readonly because: string; readonly isRoute?: true }
  /** Its destination has to be asked. */
  | { readonly kind: 'ask'; readonly because: string }
  /** Names stand for each other in a circle, or too many in a row. */
  | { readonly kind: 'loop'; readonly because: string };

/** A resolution in which the recipient itself needs no question. */
export type Answered = Exclude<Resolution, { readonly kind: 'ask' }>;
type Loop = Resolution & { readonly kind: 'loop' };

/** How we came to a recipient: the names that stand for others, in order. */
export type Way = readonly string[];

/** Resolves a recipient; one of a domain that is not ours is itself. */
export function resolve(recipient: Address, options: RecipientOptions): Resolution {
  const domain = options.domains.get(recipient.domain);
  if (domain === undefined) return resolveElsewhere(recipient, options);
  const found = lookUp(recipient, domain, options);
  switch (found.kind) {
    case 'mailbox':
      return { kind: 'known', to: [found.address], toAsk: [], because: found.because };
    case 'unknown':
      return { ...found, ...(hidesRoute(recipient) && { isRoute: true }) };
    case 'ask':
      return found;
    case 'others': {
      const expansion = new Expansion(options);
      const loop = expansion.add(found.to, keyIn(found.name, domain.name), []);
      return loop ?? expansion.resolution(found.because);
    }
  }
}

/** The primary trusts its backup, so a route that is hidden in the local part would be followed there. */
function resolveElsewhere(recipient: Address, { backupDomains }: RecipientOptions): Answered {
  if (!backupDomains.has(recipient.domain))
    return { kind: 'known', to: [recipient], toAsk: [], because: 'not a domain of ours' };
  if (hidesRoute(recipient))
    return { kind: 'unknown', because: 'the local part hides a route', isRoute: true };
  return { kind: 'known', to: [recipient], toAsk: [], because: 'backup domain' };
}

/** The catch-all of the domain of a recipient that the destination does not know; `unknown` without one. */
export function resolveCatchAll(domain: LocalDomain, options: RecipientOptions, way: Way): Answered {
  if (domain.catchAll === undefined) return { kind: 'unknown', because: 'its destination does not know it' };
  const expansion = new Expansion(options);
  const loop = expansion.add([domain.catchAll], wayOfCatchAll(domain), way);
  return loop ?? expansion.resolution('catch-all');
}

/** The person who reads the mail of this server. */
export function resolvePostmaster(options: RecipientOptions): Answered {
  const expansion = new Expansion(options);
  const loop = expansion.add([options.postmaster], '<postmaster>', []);
  return loop ?? expansion.resolution('the postmaster of this server');
}

/** The catch-all of a domain as a step of a way. */
export function wayOfCatchAll({ name }: LocalDomain): string {
  return keyIn(catchAllName, name);
}

/** Whether some recipient leads to exactly this mailbox, which may therefore be made. */
export function isMailbox(address: Address, options: RecipientOptions): boolean {
  const found = resolve(address, options);
  const key = keyOf(address, true);
  if (found.kind === 'known') return [...found.to, ...found.toAsk].some((to) => keyOf(to, true) === key);
  const domain = options.domains.get(address.domain);
  return found.kind === 'ask' && domain !== undefined && keyOf(mailboxOf(address, domain), true) === key;
}

/** The resolution of members, each of them once. */
class Expansion {
  readonly #options: RecipientOptions;
  readonly #to = new Map<string, Address>();
  readonly #toAsk = new Map<string, Address>();
  readonly #done = new Set<string>();
  #unknown: string | undefined;

  constructor(options: RecipientOptions) {
    this.#options = options;
  }

  /** Adds the members that the name `key` stands for. Returns the loop, if there is one. */
  add(members: readonly Address[], key: string, way: Way): Loop | undefined {
    const next = [...way, key];
    if (way.includes(key)) return { kind: 'loop', because: next.slice(next.indexOf(key)).join(' → ') };
    if (next.length > maxDepth)
      return { kind: 'loop', because: `more than ${maxDepth} names stand for each other, from ${way[0]}` };
    this.#done.add(key);
    for (const member of members) {
      const loop = this.#addMember(member, key, next);
      if (loop !== undefined) return loop;
    }
    return undefined;
  }

  #addMember(member: Address, above: string, way: Way): Loop | undefined {
    const domain = this.#options.domains.get(member.domain);
    if (domain !== undefined) return this.#addOurs(member, domain, { above, way });
    const end = resolveElsewhere(member, this.#options);
    if (end.kind === 'known') this.#to.set(keyOf(member, false), member);
    else this.#unknown ??= `${member.text}: ${end.because}`;
    return undefined;
  }

  #addOurs(
    member: Address,
    domain: LocalDomain,
    { above, way }: { readonly above: string; readonly way: Way },
  ): Loop | undefined {
    const own = keyOf(member, true);
    // A name that stands for itself (`user: user, copy@…`) keeps the mailbox of that name.
    if (own === above) {
      this.#to.set(own, member);
      return undefined;
    }
    const found = lookUp(member, domain, this.#options);
    if (found.kind === 'others') {
      const key = keyIn(found.name, domain.name);
      if (key !== above) return this.#expand(found.to, key, way);
      // So does a catch-all that its domain does not know otherwise.
      this.#to.set(own, mailboxOf(member, domain));
    } else if (found.kind === 'ask') {
      const hasOther = domain.catchAll !== undefined && !way.includes(wayOfCatchAll(domain));
      (hasOther ? this.#toAsk : this.#to).set(own, mailboxOf(member, domain));
    } else if (found.kind === 'mailbox') this.#to.set(keyOf(found.address, true), found.address);
    else this.#unknown ??= `${member.text}: ${found.because}`;
    return undefined;
  }

  /** A name that was expanded before adds nothing; one on the present way is a loop. */
  #expand(members: readonly Address[], key: string, way: Way): Loop | undefined {
    return this.#done.has(key) && !way.includes(key) ? undefined : this.add(members, key, way);
  }

  /** Unknown members are left out, unless there are no others. */
  resolution(because: string): Answered {
    const to = [...this.#to.values()];
    const toAsk = [...this.#toAsk.values()];
    if (to.length + toAsk.length > 0) return { kind: 'known', to, toAsk, because };
    return {
      kind: 'unknown',
      because: `${because}, and it leads to no recipient (${this.#unknown ?? 'no member'})`,
    };
  }
}

/** The case of a local part is nothing where the domain is ours (RFC 5321 §2.4). */
function keyOf(address: Address, isOurs: boolean): string {
  return keyIn(isOurs ? nameOf(address) : address.localPart, address.domain);
}

function keyIn(name: string, domain: Domain): string {
  return `${name}@${domain}`;
}
