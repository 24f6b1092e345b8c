/**
 * A route's connections: hosts, TLS, credentials, and the part of a lane's name that tells it from another to the same
 * place.
 */
import { createHash } from 'node:crypto';
import { isIPv6 } from 'node:net';
import type { Domain, LaneName } from '../mail/index.ts';
import type { DeliveryRoute, OauthOptions } from './options.ts';

/** One host of a static route, looked up by address. */
export interface SmtpServer {
  readonly host: string;
  readonly port: number;
  readonly isImplicitTls: boolean;
  readonly user?: string;
}

/** The same with the credentials for a login. */
export interface NextHost extends SmtpServer {
  /** Absent where the user logs in with a token. */
  readonly password?: string;
}

/** A lane that leads to servers. */
export interface RemoteTransport {
  readonly lane: LaneName;
  readonly protocol: 'smtp' | 'lmtp';
  readonly nextHop:
    | { readonly kind: 'mx'; readonly domain: Domain }
    | { readonly kind: 'hosts'; readonly hosts: readonly NextHost[] }
    | { readonly kind: 'socket'; readonly path: string };
  readonly policy: ConnectionPolicy;
  /** Tried when everything before failed for the moment. */
  readonly fallback: readonly NextHost[];
  /** One for each of `nextHop.hosts`; empty: in order. */
  readonly weights: readonly number[];
}

/** The options of a route for its connections. */
export interface ConnectionPolicy {
  readonly tls: 'none' | 'opportunistic' | 'required' | undefined;
  readonly verify: boolean | undefined;
  readonly oauth: OauthOptions | undefined;
  readonly ca: string | undefined;
  readonly fingerprints: readonly string[] | undefined;
  readonly source: string | undefined;
  readonly addresses: 'ipv4' | 'ipv6' | 'any';
}

export const defaultPolicy: ConnectionPolicy = {
  tls: undefined,
  verify: undefined,
  oauth: undefined,
  ca: undefined,
  fingerprints: undefined,
  source: undefined,
  addresses: 'any',
};

/** The part of a route that is about connections. */
export function policyOf(route: DeliveryRoute): ConnectionPolicy {
  const { source, addresses = 'any' } = route;
  const family = isIPv6(source ?? '') ? 'ipv6' : 'ipv4';
  return {
    tls: route.tls,
    verify: route.verify,
    oauth: route.oauth,
    ca: route.ca,
    fingerprints: route.fingerprint === undefined ? undefined : [route.fingerprint].flat().map(formatPin),
    source,
    // A socket bound to an address of one family cannot reach the other.
    addresses: addresses === 'any' && source !== undefined ? family : addresses,
  };
}

/** `sha256:` and 64 hexadecimal digits in lower case; `undefined` when the text is no such fingerprint. */
export function parsePin(text: string): string | undefined {
  const digits = /^sha256:((?:[0-9a-f]{2}:?){31}[0-9a-f]{2})$/i.exec(text)?.[1];
  return digits === undefined ? undefined : `sha256:${digits.replaceAll(':', '').toLowerCase()}`;
}

function formatPin(text: string): string {
  return parsePin(text) ?? text;
}

/** The password for a host, which may be called as something that every object has. */
export function passwordFor(
  host: string,
  { password, passwords = {} }: Pick<DeliveryRoute, 'password' | 'passwords'>,
): string | undefined {
  return Object.hasOwn(passwords, host) ? passwords[host] : password;
}

/** A host of a list with the password of its user. */
export function nextHostOf(
  server: SmtpServer,
  route: Pick<DeliveryRoute, 'password' | 'passwords'>,
): NextHost {
  const { host, port, isImplicitTls, user } = server;
  const next = { host, port, isImplicitTls };
  if (user === undefined) return next;
  const password = passwordFor(host, route);
  return password === undefined ? { ...next, user } : { ...next, user, password };
}

/**
 * The part of a lane's name that tells two lanes to the same place apart: empty for a plain route, else `#` and eight
 * hex digits over users, TLS policy, source, `from` and the like. It reveals no secret: lane names are shown and
 * logged.
 */
export function discriminator(
  route: DeliveryRoute,
  vias: readonly { readonly server?: SmtpServer }[],
): string {
  const users = vias.map(({ server }) => server?.user ?? '');
  const parts = [
    users.some((user) => user !== '') ? users : null,
    route.from ?? null,
    route.tls ?? null,
    route.verify ?? null,
    route.ca ?? null,
    route.source ?? null,
    route.addresses === 'any' ? null : (route.addresses ?? null),
    ...laterParts(route),
  ];
  if (parts.every((part) => part === null)) return '';
  return `#${createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 8)}`;
}

/** Options that routes did not always have: unused ones are left out, so that old names stay. */
function laterParts(route: DeliveryRoute): readonly unknown[] {
  const { identity, fallback, balance, weights, fingerprint, oauth } = route;
  const used = {
    identity,
    fallback,
    balance: balance === 'ordered' ? undefined : balance,
    weights,
    fingerprint,
  };
  const account = oauth && { ...oauth, clientSecret: undefined };
  const named = Object.entries({ ...used, account }).filter(([, value]) => value !== undefined);
  return named.length === 0 ? [] : [Object.fromEntries(named)];
}
