/** The subject of a message: whose budget it counts against. */
import { blockOf, canonicalIp } from '../base/index.ts';
import type { Origin } from '../mail/index.ts';

/**
 * Whose budget it is: `identity` for somebody known by name, from however many addresses; `address` for a
 * client of an open relay; `network` for one in `relay.networks`. IPv4 addresses are exact; of IPv6 the /64
 * counts, because a client has all of it to choose from.
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
 * Whose message it is; `undefined` when nobody's budget is concerned. A grant for a recipient of ours gives
 * nobody anything to abuse, somebody on this machine is the operator's own affair, and a trap delivers nothing.
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
      // Also a ground that names somebody but did not say whom: the address is what is left.
      return `address:${blockOf(client)}`;
  }
}

/** Logins at other servers come as they were typed: another spelling must not begin another budget. */
export function identitySubject(name: string): SubjectKey {
  return `identity:${name.normalize('NFC').toLowerCase()}`;
}

/** Parses what an operator writes. Without a kind, an IP address is `address`, anything else an identity. */
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
