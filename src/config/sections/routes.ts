/** `routes`: where mail goes. */
import { z } from 'zod';
import type { DeliveryRoute } from '../../delivery/options.ts';
import type { KeyPath } from '../problem.ts';
import { type Site, section } from '../section.ts';
import { destination } from '../values/destination.ts';
import { ipAddress } from '../values/place.ts';
import { count } from '../values/quantity.ts';
import { fingerprint, passwordOf, secretFile } from '../values/secret.ts';
import { boolean, choice, listOf, path, text } from '../values/value.ts';
import { oauthOf, oauthSchema } from './routes-oauth.ts';

const pattern = () => listOf(text());

const schema = z.strictObject({
  to: pattern()
    .prefault('*')
    .describe('Recipients: `*`, `example.org`, `*.example.org` (subdomains only), `user@example.org`.'),
  from: pattern()
    .optional()
    .describe(
      'Reverse-paths, in the same forms; also `*@example.org` and `<>`. A reverse-path is the client’s claim: see `anySender`.',
    ),
  identity: pattern()
    .optional()
    .describe(
      'The login name of the client that sent the message; `*` is any characters. Default: any client.',
    ),
  via: listOf(destination()).describe(
    'Where to: `smtp://[user@]host[:port]`, `smtps://…`, `lmtp://…`, `maildir:/path`, `capture`, `mx` (the exchangers of the domain) or `mx:example.net`. A list of smtp and smtps is tried in order.',
  ),
  balance: choice(['ordered', 'weighted'])
    .prefault('ordered')
    .describe(
      '`weighted` spreads messages over the list by `weights`. Either way hosts that fail are passed over for a while that grows, and tried again.',
    ),
  weights: listOf(count(1, 1000))
    .optional()
    .describe('One number for each host of `via`, such as `[3, 1]`. Required for `weighted`. Default: none.'),
  fallback: listOf(destination())
    .optional()
    .describe(
      'Hosts, smtp and smtps, that are tried when all of `via` failed for the moment. Default: none.',
    ),
  password: secretFile('A file that holds the password and nothing else.')
    .optional()
    .describe('The password of the users in `via` and `fallback`. It travels over TLS only.'),
  passwords: z
    .record(z.string().toLowerCase(), secretFile('A file that holds the password of that host.'))
    .meta({ type: 'mapping of host to `{ file: PATH }`' })
    .optional()
    .describe(
      'Passwords of single hosts: `{ smart1.example: { file: one.secret } }`; `password` is for the others.',
    ),
  oauth: oauthSchema.optional().describe('The users log in with a token instead of a password (OAuth 2.0).'),
  anySender: boolean()
    .prefault(false)
    .describe(
      'A route with a login and `from` or `identity` takes only mail whose sender is proven (authenticated, certificate, pop-before-smtp, local). True: it also takes mail that merely claims the sender.',
    ),
  tls: choice(['none', 'opportunistic', 'required'])
    .optional()
    .describe('Default: `opportunistic`; `required` when there is a user or a fingerprint.'),
  verify: boolean()
    .optional()
    .describe('Whether the certificate must be valid for the host. Default: only when there is a user.'),
  ca: path().optional().describe('Trusted roots, PEM, instead of the usual ones.'),
  fingerprint: listOf(fingerprint())
    .optional()
    .describe(
      'The only certificates to accept, `sha256:…`, of any issuer. The name in them is not checked, unless `verify` is set. Default: any that `verify` takes.',
    ),
  source: ipAddress().optional().describe('The address to connect from.'),
  addresses: choice(['any', 'ipv4', 'ipv6']).prefault('any').describe('The address families to use.'),
});

type Parsed = z.output<typeof schema>;

export const routes = section({
  schema: listOf(schema)
    .prefault([])
    .describe('Where mail goes. The first route that matches is taken; without one the MX of the domain.'),
  effect: 'reload',
  resolve: (value, site): readonly DeliveryRoute[] =>
    value.map((route, i) => routeOf(route, ['routes', i], site)),
});

/** Reads the files of a route. Delivery reports contradictions within it. */
function routeOf(route: Parsed, path: KeyPath, site: Site): DeliveryRoute {
  const { password, passwords, oauth, ca, ...plain } = route;
  const secret = password && passwordOf(password.file, [...path, 'password', 'file'], site);
  const roots = ca === undefined ? undefined : site.read([...path, 'ca'], ca);
  return {
    ...withoutAbsent(plain),
    to: route.to,
    via: route.via,
    ...(secret === undefined ? {} : { password: secret }),
    ...(passwords === undefined ? {} : { passwords: passwordsOf(passwords, [...path, 'passwords'], site) }),
    ...(oauth === undefined ? {} : { oauth: oauthOf(oauth, [...path, 'oauth'], site) }),
    ...(roots === undefined ? {} : { ca: roots }),
  };
}

type Present<T> = { [K in keyof T]: Exclude<T[K], undefined> };

/** An absent option is an absent property. */
function withoutAbsent<T extends object>(options: T): Partial<Present<T>> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<
    Present<T>
  >;
}

function passwordsOf(
  passwords: NonNullable<Parsed['passwords']>,
  path: KeyPath,
  site: Site,
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(passwords).map(([host, { file }]) => [
      host,
      passwordOf(file, [...path, host, 'file'], site) ?? '',
    ]),
  );
}
