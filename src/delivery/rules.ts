/** Compiles domains and routes into the rules of the routing table. */
import { type Domain, type Pattern, parseDomain, parsePattern } from '../mail/index.ts';
import type { DeliveryDomain, DeliveryOptions, DeliveryRoute } from './options.ts';
import { checkRoute } from './route-checks.ts';
import { defaultPolicy, discriminator, type NextHost, nextHostOf, policyOf } from './transport.ts';
import { parseVia } from './transports/index.ts';
import type { TransportRule, Via } from './transports/kind.ts';
import { byMx as viaMx } from './transports/mx.ts';

/** One line of the routing table, in the order in which they are asked. */
export interface Rule extends TransportRule {
  readonly to: readonly Pattern[];
  /** Absent: any. */
  readonly from: readonly Pattern[] | undefined;
  /** Absent: any, also none. */
  readonly identity: RegExp | undefined;
  /** It goes by sender and has credentials: only for senders that the ground binds. */
  readonly needsBoundSender: boolean;
  readonly vias: readonly Via[];
  /** The domain of ours that the rule is about: its Maildirs are a lane of their own. */
  readonly domain?: Domain;
}

/** Something in the configuration that cannot be used. */
export interface RouteProblem {
  /** Where: `routes[0].via`, `domains[2].deliver`. */
  readonly path: string;
  readonly message: string;
}

/** The last rule of every table: the MX of the recipient's domain. */
const byMx: Rule = {
  to: [{ kind: 'any' }],
  from: undefined,
  identity: undefined,
  needsBoundSender: false,
  vias: [viaMx],
  hosts: [],
  fallback: [],
  weights: [],
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
  const missing = new Map<string, string>();
  for (const via of rules.flatMap(({ vias }) => vias)) {
    const [key, message] = via.missing?.(options) ?? [];
    if (key !== undefined && message !== undefined) missing.set(key, message);
  }
  for (const [path, message] of missing) problems.push({ path, message });
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
    else if (via.server?.user !== undefined) {
      problems.push({
        path: `domains[${index}].deliver`,
        message: 'credentials need a route, with its password',
      });
    } else {
      const owner = options.owner === undefined ? {} : { owner: options.owner };
      const hosts = via.server === undefined ? [] : [nextHostOf(via.server, {})];
      return [{ ...byMx, to, vias: [via], hosts, domain, ...owner }];
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
  const parse = (key: 'via' | 'fallback'): Via[] =>
    [route[key] ?? []].flat().flatMap((text) => {
      const via = parseVia(text);
      if (typeof via !== 'string') return [via];
      at(key, via);
      return [];
    });
  const vias = parse('via');
  const spare = parse('fallback');
  if (problems.length === before) checkRoute(route, { vias, fallback: spare }, at);
  if (problems.length > before) return [];
  const hosts = hostsOf(vias, route);
  const fallback = hostsOf(spare, route);
  const hasCredentials = [...hosts, ...fallback].some(({ user }) => user !== undefined);
  return [
    {
      to,
      from,
      identity: route.identity === undefined ? undefined : compileIdentity([route.identity].flat()),
      needsBoundSender: goesBySender(route) && hasCredentials && route.anySender !== true,
      vias,
      hosts,
      fallback,
      weights: route.balance === 'weighted' ? (route.weights ?? []) : [],
      policy: policyOf(route),
      suffix: discriminator(route, vias),
    },
  ];
}

function hostsOf(vias: readonly Via[], route: DeliveryRoute): readonly NextHost[] {
  return vias.flatMap(({ server }) => (server === undefined ? [] : nextHostOf(server, route)));
}

function goesBySender({ from, identity }: DeliveryRoute): boolean {
  return from !== undefined || identity !== undefined;
}

/** One expression for all patterns: `*` is any characters, everything else itself. */
function compileIdentity(patterns: readonly string[]): RegExp {
  const texts = patterns.map((pattern) => pattern.split('*').map(literal).join('.*'));
  return new RegExp(`^(?:${texts.join('|')})$`, 'isu');
}

function literal(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}

/**
 * Warnings about valid routes that may be mistakes: a route with credentials that goes by sender. The reverse-path is
 * the client's own choice, on which credentials must not depend.
 */
export function routeWarnings(routes: readonly DeliveryRoute[]): readonly RouteProblem[] {
  return routes.flatMap((route, index) => {
    const hasUser = [route.via, route.fallback ?? []].flat().some((text) => text.includes('@'));
    if (!hasUser || !goesBySender(route)) return [];
    const key = route.from === undefined ? 'identity' : 'from';
    return [
      {
        path: `routes[${index}].${key}`,
        message:
          route.anySender === true
            ? 'anySender: whoever may relay can use these credentials by claiming the sender'
            : 'taken only by senders who are known (authenticated, certificate, pop-before-smtp, local), for it has credentials; others pass it over. anySender: true waives that',
      },
    ];
  });
}
