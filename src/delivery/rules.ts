import { isIP } from 'node:net';
import { type Domain, type Pattern, parseDomain, parsePattern } from '../mail/index.ts';
import type { DeliveryDomain, DeliveryOptions, DeliveryRoute, MaildirOwner } from './options.ts';
import { type ConnectionPolicy, defaultPolicy, discriminator, policyOf } from './transport.ts';
import { parseVia, type Via } from './via.ts';

/** One line of the routing table, in the order in which they are asked. */
export interface Rule {
  readonly to: readonly Pattern[];
  /** Absent: any. */
  readonly from: readonly Pattern[] | undefined;
  readonly vias: readonly Via[];
  readonly policy: ConnectionPolicy;
  readonly suffix: string;
  /** The domain of ours that the rule is about: its Maildirs are a lane of their own. */
  readonly domain?: Domain;
  /** Who gets the files of its Maildirs. */
  readonly owner?: MaildirOwner;
}

/** Something in the configuration that cannot be used. */
export interface RouteProblem {
  /** Where: `routes[0].via`, `domains[2].deliver`. */
  readonly path: string;
  readonly message: string;
}

/** What stands behind every table: the MX of the recipient's domain. */
const byMx: Rule = {
  to: [{ kind: 'any' }],
  from: undefined,
  vias: [{ kind: 'mx' }],
  policy: defaultPolicy,
  suffix: '',
};

type RoutingOptions = Pick<DeliveryOptions, 'domains' | 'routes' | 'capture'>;

/**
 * Makes the table: domains with `deliver`; then, for backup domains, the routes that name the domain and
 * after them its MX (a catch-all smart host is not for mail that we only pass on to its better exchangers);
 * then the routes; then MX.
 */
export function compileRules(options: RoutingOptions): {
  readonly rules: readonly Rule[];
  readonly problems: readonly RouteProblem[];
} {
  const problems: RouteProblem[] = [];
  const routes = (options.routes ?? []).flatMap((route, index) => compileRoute(route, index, problems));
  const own = (options.domains ?? []).flatMap((domain, index) =>
    compileDomain(domain, index, routes, problems),
  );
  const rules = [...own, ...routes, byMx];
  if (
    options.capture === undefined &&
    rules.some((rule) => rule.vias.some((via) => via.kind === 'capture'))
  ) {
    problems.push({ path: 'capture', message: 'a route leads to capture, but no capture folder is set' });
  }
  return { rules, problems };
}

function compileDomain(
  options: DeliveryDomain,
  index: number,
  routes: readonly Rule[],
  problems: RouteProblem[],
): Rule[] {
  const domain = parseDomain(options.name);
  if (domain === undefined) {
    problems.push({ path: `domains[${index}].name`, message: `not a domain: "${options.name}"` });
    return [];
  }
  const to: readonly Pattern[] = [{ kind: 'domain', domain }];
  if (options.deliver !== undefined) {
    const via = parseVia(options.deliver);
    if (typeof via === 'string') problems.push({ path: `domains[${index}].deliver`, message: via });
    else if (via.kind === 'smtp' && via.user !== undefined) {
      problems.push({
        path: `domains[${index}].deliver`,
        message: 'credentials need a route, with its password',
      });
    } else {
      const owner = options.owner === undefined ? {} : { owner: options.owner };
      return [{ ...byMx, to, vias: [via], domain, ...owner }];
    }
    return [];
  }
  if (options.backup !== true) return [];
  const naming = routes.flatMap((rule) => {
    const patterns = rule.to.filter(
      (p) => (p.kind === 'domain' || p.kind === 'mailbox') && p.domain === domain,
    );
    return patterns.length === 0 ? [] : [{ ...rule, to: patterns }];
  });
  return [...naming, { ...byMx, to }];
}

function compileRoute(route: DeliveryRoute, index: number, problems: RouteProblem[]): Rule[] {
  const before = problems.length;
  const at = (key: string, message: string) => problems.push({ path: `routes[${index}].${key}`, message });
  const patterns = (key: 'to' | 'from'): Pattern[] =>
    [route[key] ?? []].flat().flatMap((text) => {
      const pattern = parsePattern(text);
      if (pattern === undefined || (key === 'to' && pattern.kind === 'null'))
        at(key, `not a pattern: "${text}"`);
      return pattern ?? [];
    });
  const to = route.to === undefined ? byMx.to : patterns('to');
  const from = route.from === undefined ? undefined : patterns('from');
  const vias = [route.via].flat().flatMap((text) => {
    const via = parseVia(text);
    if (typeof via !== 'string') return [via];
    at('via', via);
    return [];
  });
  if (problems.length === before) checkRoute(route, vias, at);
  if (problems.length > before) return [];
  return [{ to, from, vias, policy: policyOf(route), suffix: discriminator(route, vias) }];
}

/** The rules that concern more than one key. */
function checkRoute(
  route: DeliveryRoute,
  vias: readonly Via[],
  at: (key: string, message: string) => void,
): void {
  if (vias.length === 0) at('via', 'no destination');
  if (vias.length > 1 && vias.some((via) => via.kind !== 'smtp'))
    at('via', 'only smtp and smtps can be in a list');
  const withUser = vias.filter((via) => via.kind === 'smtp' && via.user !== undefined);
  if (withUser.length > 0 && route.password === undefined) at('password', 'there is a user, but no password');
  if (withUser.length === 0 && route.password !== undefined)
    at('password', 'there is a password, but no user');
  const inClear = withUser.some((via) => via.kind === 'smtp' && !via.isImplicitTls);
  if (inClear && (route.tls === 'none' || route.tls === 'opportunistic')) {
    at('tls', 'credentials need TLS: use "required" or smtps://');
  }
  if (route.verify === true && (route.tls === 'none' || route.tls === 'opportunistic')) {
    at('verify', 'a certificate can only be verified where TLS is required');
  }
  const source = isIP(route.source ?? '');
  if (route.source !== undefined && source === 0) at('source', `not an address: "${route.source}"`);
  else if ((source === 4 && route.addresses === 'ipv6') || (source === 6 && route.addresses === 'ipv4')) {
    at('addresses', 'the source address is of the other family');
  }
}
