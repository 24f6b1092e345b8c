import { z } from 'zod';
import {
  boolean,
  choice,
  count,
  destination,
  duration,
  fingerprint,
  ipAddress,
  listOf,
  path,
  text,
} from './scalar.ts';

const pattern = () => listOf(text());
const secret = (prose: string) => z.strictObject({ file: path().describe(prose) });

const oauth = z.strictObject({
  tokenUrl: text().describe('The token endpoint, `https://…`.'),
  grant: choice(['client-credentials', 'refresh-token']).describe(
    '`client-credentials`: the relay is an application of its own. `refresh-token`: somebody gave it leave once.',
  ),
  clientId: text().describe('The name of the application.'),
  clientSecret: secret('A file that holds the secret of the application and nothing else.')
    .optional()
    .describe('Required for `client-credentials`. Default: none.'),
  refreshToken: secret(
    'A file that holds the refresh token. It is read at each renewal, and written when the server hands out a new one: the relay needs to write the file and its folder.',
  )
    .optional()
    .describe('Required for `refresh-token`. Default: none.'),
  scope: text().optional().describe('The scope to ask for. Default: none.'),
  mechanism: choice(['auto', 'xoauth2', 'oauthbearer'])
    .prefault('auto')
    .describe('How the token is shown to the server. `auto`: as it offers, OAUTHBEARER before XOAUTH2.'),
  expires: text()
    .optional()
    .describe(
      'The day on which the secret or the refresh token ends, `2027-03-01`. An alarm comes 14 days before. Default: what the server says.',
    ),
});

/** One member of `routes`. */
export const route = z.strictObject({
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
      'Who handed the message over, by the name of the login; `*` is any characters. Default: anybody.',
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
  password: secret('A file that holds the password and nothing else.')
    .optional()
    .describe('The password of the users in `via` and `fallback`. It travels over TLS only.'),
  passwords: z
    .record(z.string().toLowerCase(), secret('A file that holds the password of that host.'))
    .meta({ type: 'mapping of host to `{ file: PATH }`' })
    .optional()
    .describe(
      'Passwords of single hosts: `{ smart1.example: { file: one.secret } }`; `password` is for the others.',
    ),
  oauth: oauth.optional().describe('The users log in with a token instead of a password (OAuth 2.0).'),
  anySender: boolean()
    .prefault(false)
    .describe(
      'A route with a login and `from` or `identity` is only for senders who are known (authenticated, certificate, pop-before-smtp, local); other mail passes it over. True takes it for everybody who claims the sender.',
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
      'The only certificates to accept, `sha256:…`, whoever issued them. The name is then not looked at, unless `verify` says so. Default: any that `verify` takes.',
    ),
  source: ipAddress().optional().describe('The address to connect from.'),
  addresses: choice(['any', 'ipv4', 'ipv6']).prefault('any').describe('The address families to use.'),
});

/** When somebody is told that mail does not move. */
export const alarms = z.strictObject({
  routeFailing: duration({ min: '1m' })
    .prefault('30m')
    .describe(
      'For how long a route takes nothing before it is an alarm; also a single smart host, and delivery by MX as a whole.',
    ),
  stuck: duration({ min: '5m' })
    .prefault('1h')
    .describe('For how long a message that is due is neither tried nor moved before it is an alarm.'),
  held: duration({ min: '5m' })
    .prefault('1d')
    .describe('For how long a message may be held before it is an alarm.'),
  repeat: duration({ min: '1m' })
    .prefault('24h')
    .describe(
      'How often the postmaster is written to about the same thing, and an alarm that lasts is logged again.',
    ),
  mail: boolean()
    .prefault(true)
    .describe('Whether the postmaster is written to, where that mail would not go by the way that fails.'),
});
