import { z } from 'zod';
import {
  boolean,
  choice,
  count,
  duration,
  listOf,
  network,
  path,
  popServer,
  socketAddress,
  text,
} from './scalar.ts';

const events = z.strictObject({
  address: socketAddress().describe(
    'Where the HTTP endpoint listens: a loopback or private address, for the token travels in clear.',
  ),
  token: z
    .strictObject({
      file: path().describe('A file that holds the token and nothing else; 16 characters or more.'),
    })
    .describe('What a program that reports logins has to know.'),
});

/** `relay.popBeforeSmtp`. */
export const popBeforeSmtp = z.strictObject({
  window: duration({ min: '10s', max: '1d' })
    .prefault('20m')
    .describe('How long after a login its address may relay. A new login begins it again.'),
  maxLife: duration({ min: '1m', max: '7d' })
    .prefault('12h')
    .describe('However often a window is renewed, it ends so long after the first login and needs another.'),
  identitiesPerAddress: count(1, 49)
    .optional()
    .describe(
      'With more people than this at one address, each of them has to log in to SMTP. Default: any number.',
    ),
  ipv6Prefix: choice(['128', '64'])
    .prefault('128')
    .describe('How much of an IPv6 address a window is for: the exact address, or its /64.'),
  allowSharedRange: boolean()
    .prefault(false)
    .describe('Whether 100.64.0.0/10 counts: there a provider puts many customers behind one address.'),
  allowLoopback: boolean()
    .prefault(false)
    .describe(
      'Whether logins from this machine count. Every program here could relay then: for trying it out.',
    ),
  events: events.optional().describe('Logins that other programs report by HTTP. Default: none are taken.'),
});

const via = z.strictObject({
  server: popServer().describe(
    'The server behind: `pop3://host[:110]`, or `pop3s://host[:995]` for TLS from the first octet.',
  ),
  starttls: boolean()
    .optional()
    .describe('Whether to ask a `pop3://` server for TLS. Default: unless it is on this machine.'),
  verify: boolean().prefault(true).describe('Whether its certificate has to be valid for its name.'),
  ca: path()
    .optional()
    .describe('Authorities for its certificate besides those of the system, PEM. Default: none.'),
  proxyProtocol: boolean()
    .prefault(false)
    .describe(
      'Whether to tell the server of the client by the PROXY protocol, version 2 (`haproxy = yes` in Dovecot).',
    ),
  timeout: duration({ min: '1s', max: '5m' })
    .prefault('1m')
    .describe('For the connection, and for each answer before the login.'),
});

const listener = z.strictObject({
  address: socketAddress(110).describe(
    'The IP address and port to listen on; usually 110, and 995 with `implicit`.',
  ),
  name: text().optional().describe('The name in logs. Default: `pop3` and the address.'),
  tls: choice(['stls', 'implicit', 'none'])
    .optional()
    .describe(
      '`stls` offers TLS, `implicit` speaks it from the first octet. Default: `implicit` on port 995, else `stls` when `tls` has a certificate.',
    ),
  via: via
    .optional()
    .describe(
      'Be a proxy in front of this server. Default: serve the Maildirs of `domains` to the users of `users`.',
    ),
  plaintext: choice(['never', 'loopback'])
    .prefault('never')
    .describe('Whether passwords may come without TLS, from this machine only.'),
  proxyProtocolFrom: listOf(network({ means: 'anybody could claim any address', hint: 'list your proxies' }))
    .prefault([])
    .describe('Proxies that begin a connection with the PROXY protocol (v1 or v2).'),
});

/** `pop3`. */
export const pop3 = z.strictObject({
  listeners: listOf(listener).prefault([]).describe('Where people read mail by POP3.'),
  connections: count(1, 100_000).prefault(1000).describe('Connections at one time to one listener.'),
  connectionsPerClient: count(1, 100_000).prefault(20).describe('The same from one address.'),
});
