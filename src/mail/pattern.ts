/** Patterns of addresses in the configuration. */
import { type Address, type Domain, parseDomain, parseMailbox } from './address.ts';
import type { ReversePath } from './envelope.ts';

/** A set of addresses: of a route, or of the addresses that an identity may send as. */
export type Pattern =
  | { readonly kind: 'any' }
  | { readonly kind: 'null' }
  | { readonly kind: 'domain'; readonly domain: Domain }
  /** Subdomains: `suffix` begins with a dot. */
  | { readonly kind: 'subdomains'; readonly suffix: string }
  | { readonly kind: 'mailbox'; readonly localPart: string; readonly domain: Domain };

/** Parses `*`, `<>`, `example.org`, `*@example.org`, `*.example.org`, `*@*.example.org`, `user@example.org`. */
export function parsePattern(text: string): Pattern | undefined {
  if (text === '*' || text === '*@*') return { kind: 'any' };
  if (text === '<>') return { kind: 'null' };
  const at = text.lastIndexOf('@');
  const localPart = at < 0 ? '*' : text.slice(0, at).normalize('NFC').toLowerCase();
  const name = text.slice(at + 1);
  if (name.startsWith('*.')) {
    const domain = parseDomain(name.slice(2));
    return domain === undefined || localPart !== '*'
      ? undefined
      : { kind: 'subdomains', suffix: `.${domain}` };
  }
  const domain = parseDomain(name);
  if (domain === undefined || localPart === '') return undefined;
  return localPart === '*' ? { kind: 'domain', domain } : { kind: 'mailbox', localPart, domain };
}

/**
 * The pattern of one address only: `*@example.org` is a lawful address (RFC 5321 §4.1.2), and its owner does not have
 * those of the others. `undefined` if the name is no address.
 */
export function ownPattern(name: string): Pattern | undefined {
  const own = parseMailbox(name, { smtputf8: true });
  return (
    own && { kind: 'mailbox', localPart: own.localPart.normalize('NFC').toLowerCase(), domain: own.domain }
  );
}

/** Whether some mailbox of the domain can match. */
export function coversDomain(pattern: Pattern, domain: Domain): boolean {
  switch (pattern.kind) {
    case 'any':
      return true;
    case 'null':
      return false;
    case 'subdomains':
      return domain.endsWith(pattern.suffix);
    default:
      return domain === pattern.domain;
  }
}

/** Whether the path matches. Local parts are compared without regard to case. */
export function matchesPath(pattern: Pattern, path: ReversePath): boolean {
  if (pattern.kind === 'any') return true;
  if (path === null) return pattern.kind === 'null';
  return coversDomain(pattern, path.domain) && matchesLocalPart(pattern, path);
}

function matchesLocalPart(pattern: Pattern, address: Address): boolean {
  return pattern.kind !== 'mailbox' || address.localPart.toLowerCase() === pattern.localPart;
}
