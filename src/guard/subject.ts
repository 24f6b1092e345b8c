/** The subject of a message, against whose budgets it counts. */
import { blockOf, canonicalIp } from '../base/index.ts';
import type { Origin } from '../mail/index.ts';

/**
 * The kinds of subjects: `identity` for a user, from any number of addresses; `address` for a client of an open relay;
 * `network` for one in `relay.networks`. IPv4 addresses are exact; of IPv6 the /64 counts, because a client has all of
 * it to choose from.
 */
export type SubjectKind = 'identity' | 'address' | 'network';

/** `identity:alice`, `address:192.0.2.1`, `network:2001:db8:0:1::/64`. */
export type SubjectKey = `${SubjectKind}:${string}`;

/** The kind in a key. */
export function kindOf(key: SubjectKey): SubjectKind {
  if (key.startsWith('identity:')) return 'identity';
  return key.startsWith('address:') ? 'address' : 'network';
}

/**
 * The subject of a message; `undefined` if no budget applies. A grant for a recipient of ours cannot be abused, a
 * local user is the operator's own affair, and a trap delivers nothing.
 */
export function subjectOf({
  ground,
  identity,
  client,
}: Pick<Origin, 'ground' | 'identity' | 'client'>): SubjectKey | undefined {
  if (ground === 'local' || ground === 'trap') return undefined;
  if (identity !== undefined) return identitySubject(identity);
  switch (ground) {
    case 'recipient':
      return undefined;
    case 'network':
      return `network:${blockOf(client)}`;
    default:
      // Also for a ground whose identity is missing: the address is all that is left.
      return `address:${blockOf(client)}`;
  }
}

/** Logins at other servers come as they were typed: another spelling must not begin another budget. */
export function identitySubject(name: string): SubjectKey {
  return `identity:${name.normalize('NFC').toLowerCase()}`;
}

/** Parses a subject as an operator writes it. Without a kind, an IP address is `address`, anything else an identity. */
export function parseSubject(text: string): SubjectKey | undefined {
  const match = /^(identity|address|network):(.*)$/s.exec(text.trim());
  const name = match?.[2] ?? text.trim();
  if (name === '' || name.length > 512 || /[\p{Cc}]/u.test(name)) return undefined;
  const ip = canonicalIp(name.replace(/\/64$/, ''));
  const kind = match?.[1] ?? (ip === undefined ? 'identity' : 'address');
  if (kind === 'identity') return identitySubject(name);
  if (ip === undefined) return undefined;
  return kind === 'network' ? `network:${blockOf(ip)}` : `address:${blockOf(ip)}`;
}
