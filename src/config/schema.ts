import { z } from 'zod';
import {
  boolean,
  choice,
  count,
  destination,
  domainName,
  duration,
  fingerprint,
  listOf,
  mailbox,
  network,
  notYet,
  ownDomain,
  path,
  recipients,
  sentence,
  size,
  socketAddress,
  text,
} from './scalar.ts';
import { clearinghouse } from './schema-clearinghouse.ts';
import { guard, trap } from './schema-guard.ts';
import { delivery, limits, queue } from './schema-limits.ts';
import { pop3, popBeforeSmtp } from './schema-pop3.ts';
import { alarms, route } from './schema-routes.ts';
import { users } from './schema-users.ts';

/** Who may say for whom he speaks decides who relays: a proxy of everybody's choice is an open relay too. */
const claims = 'anybody could claim any address';

/**
 * Every option of the configuration, once: its key, its kind of value, its default and its prose. The
 * defaults are written as they would be in the file. `docs/configuration.md` is made of this.
 */

const listener = z.strictObject({
  role: choice(['mx', 'internal', 'submission', 'submissions', 'trap']).describe(
    '`mx` takes mail from the Internet, `internal` from machines of your own; who may relay is in `relay`. `submission` (STARTTLS) and `submissions` (TLS from the first octet) are for people and programs with a login: nobody sends there without one, not even to you. `trap` takes everything from everybody into an archive and delivers nothing: see `trap`.',
  ),
  address: socketAddress().describe(
    'The IP address and port to listen on. Port 0 lets the system choose; the ready line reports it.',
  ),
  name: text().optional().describe('The name in logs and for `explain --listener`. Default: role and port.'),
  tls: choice(['starttls', 'implicit', 'none'])
    .optional()
    .describe(
      '`starttls` offers TLS, `implicit` speaks it from the first octet. Default: `starttls` when `tls` has a certificate.',
    ),
  proxyProtocolFrom: listOf(network({ means: claims, hint: 'list your proxies' }))
    .prefault([])
    .describe(
      'Proxies that begin a connection with the PROXY protocol (v1 or v2), which tells the real client. They must send it and nobody else may.',
    ),
  networks: listOf(
    network({ means: 'this is an open relay', hint: 'that is relay.open; list your own networks' }),
  )
    .prefault([])
    .describe('Clients that may relay through this listener, besides `relay.networks`: those of a VPN.'),
  interface: text()
    .optional()
    .describe(
      'An interface of this machine, such as `wg0` or `tun0`: whoever has an address in its networks may relay through this listener. Public networks of it do not count. Default: none.',
    ),
  auth: boolean()
    .optional()
    .describe(
      'Whether AUTH is offered. Default: on `submission`, `submissions` and `internal`, when there are users.',
    ),
});

const tls = z.strictObject({
  cert: path().describe('The certificate with its chain, PEM.'),
  key: path().describe('Its private key, PEM.'),
  minVersion: choice(['1.2', '1.3']).prefault('1.2').describe('The oldest TLS version to accept (RFC 8997).'),
  sessionTickets: boolean()
    .prefault(true)
    .describe('Whether clients may resume sessions. It saves both sides most of the handshake.'),
});

const domain = z.strictObject({
  name: ownDomain().describe('The domain.'),
  deliver: destination()
    .optional()
    .describe(
      'Where its mail goes: `maildir:/var/mail/{local}` (also `{domain}`; both are made safe for a path), `lmtp://127.0.0.1:24`, `lmtp:/path/socket`, `smtp://host:port` or `capture`. Without it the routes decide.',
    ),
  recipients: recipients()
    .prefault('any')
    .describe(
      'Who exists. Others are refused at RCPT, so that nobody is bounced at. `verify` asks the destination and remembers the answer; a file or list has one local part or address per line.',
    ),
  aliases: path()
    .optional()
    .describe(
      'A file of aliases(5): `name: target, target`, continuation lines, `#` comments. Targets are looked up like recipients of a client: they may be aliases, a tag is taken off, and one that is nobody here, or a circle, is a fault that `check` names.',
    ),
  catchAll: mailbox()
    .optional()
    .describe(
      'The address that gets the mail of recipients who do not exist, instead of a refusal; it may be an alias.',
    ),
  tagSeparator: text()
    .prefault('+')
    .describe('Characters that begin a tag: `user+shop` is `user`. `none` turns tags off.'),
  backup: boolean()
    .prefault(false)
    .describe('We are a backup MX: its mail waits here and goes on to its better exchangers.'),
  owner: text()
    .optional()
    .describe('The user, or `user:group`, that owns the Maildirs. Needs a start as root. Default: `user`.'),
});

const certificate = z.strictObject({
  fingerprint: fingerprint()
    .optional()
    .describe(
      '`sha256:` and the hexadecimal digits of one certificate. Default: none; one of `fingerprint` and `ca` is needed.',
    ),
  ca: path()
    .optional()
    .describe(
      'Authorities of your own, PEM: every valid client certificate of theirs may relay. Never a public one. Default: none.',
    ),
  name: text().optional().describe('Who that is, in logs and budgets. Default: the fingerprint.'),
  senders: listOf(text())
    .optional()
    .describe('The reverse-paths it may use: `user@example.org`, `*@example.org`. Default: any.'),
});

const relay = z.strictObject({
  networks: listOf(
    network({ means: 'this is an open relay', hint: 'that is relay.open; list your own networks' }),
  )
    .prefault([])
    .describe('Clients that may relay to everywhere. Nothing here: nobody may.'),
  authenticated: boolean().prefault(false).describe('Whether users who logged in (see `users`) may relay.'),
  certificates: listOf(certificate)
    .prefault([])
    .describe('Clients that may relay because of their TLS certificate.'),
  popBeforeSmtp: popBeforeSmtp
    .optional()
    .describe(
      'Whoever logged in to a mailbox (see `pop3`) may relay from the same address for a while, as that user. Default: nobody.',
    ),
  open: boolean()
    .prefault(false)
    .describe(
      'Relaying for anybody who can connect. It needs listeners on loopback or private addresses only, or `openAcknowledgement`; the guard stays on. Submission listeners stay closed.',
    ),
  openAcknowledgement: sentence()
    .optional()
    .describe(
      'A sentence of your own, five words or more, saying that you want an open relay on a public address. It is logged at each start. Default: none.',
    ),
});

const dns = z.strictObject({
  servers: listOf(socketAddress(53))
    .optional()
    .describe('The recursive resolvers to ask. Default: those of the system.'),
  timeout: duration({ min: '100ms', max: '1m' })
    .prefault('5s')
    .describe('How long to wait for one answer before asking again.'),
  refusePrivateMx: boolean()
    .prefault(true)
    .describe(
      'Do not connect to mail exchangers on addresses that the whole Internet cannot reach: private ones, all others of the special-purpose registries of IANA, and IPv6 addresses that carry such an IPv4 address (NAT64, 6to4, Teredo, ISATAP). So a stranger’s DNS cannot point the relay at your own network. Routes may.',
    ),
});

/** The whole file. */
export const schema = z.strictObject({
  hostname: domainName()
    .optional()
    .describe(
      'What the relay calls itself in greetings, Received lines and notices. Default: the machine’s name.',
    ),
  user: text()
    .optional()
    .describe('The user to become after binding, when started as root; also `user:group`.'),
  postmaster: mailbox()
    .optional()
    .describe(
      'Gets the mail for postmaster and abuse of every domain, and the notices of the relay; it may be an alias. Default: `postmaster@` and the hostname.',
    ),
  data: path()
    .prefault('/var/lib/posthouse')
    .describe(
      'The folder of spool, captured mail, maildrop and control socket. In the local profile `./var`.',
    ),
  listeners: listOf(listener)
    .prefault([{ role: 'mx', address: '127.0.0.1:2525' }])
    .describe('Where mail comes in.'),
  xclientFrom: listOf(network({ means: claims, hint: 'list the hosts that speak XCLIENT' }))
    .prefault([])
    .describe('Clients whose XCLIENT command is believed: content filters and tests, never strangers.'),
  tls: tls.optional().describe('The certificate that listeners show. Without one there is no TLS.'),
  domains: listOf(domain).prefault([]).describe('Your domains: what anybody may send to.'),
  relay: relay.prefault({}).describe('Who else may send, and to everywhere.'),
  routes: listOf(route)
    .prefault([])
    .describe('Where mail goes. The first route that matches is taken; without one the MX of the domain.'),
  dns: dns.prefault({}).describe('How names are looked up.'),
  queue: queue.prefault({}).describe('How long and how often delivery is tried.'),
  delivery: delivery.prefault({}).describe('How the relay behaves as a client.'),
  alarms: alarms
    .prefault({})
    .describe('When somebody is told that mail does not move: log, `posthouse status`, and the postmaster.'),
  limits: limits.prefault({}).describe('What a client may use. Every limit has its own reply.'),
  guard: guard
    .prefault({})
    .describe(
      'Budgets in sliding windows. Whoever exceeds one is held: mail is accepted, kept and told of, until `posthouse guard release` or `remove`.',
    ),
  trap: trap.prefault({}).describe('The archive of `trap` listeners. What is in it is never delivered.'),
  spool: z
    .strictObject({
      floor: size()
        .prefault('200MB')
        .describe('With less free space than this, mail is refused with 452 until there is more again.'),
    })
    .prefault({})
    .describe('Where accepted mail is kept.'),
  capture: z
    .strictObject({
      folder: path().optional().describe('Where it is kept. Default: `capture` in `data`.'),
      maxMessages: count(1, 10_000_000).prefault(10_000).describe('Beyond this the oldest are removed.'),
      maxBytes: size({ min: '1MB' }).prefault('1GB').describe('Beyond this the oldest are removed.'),
    })
    .prefault({})
    .describe('The inbox of mail that is routed to `capture`.'),
  notifications: z
    .strictObject({
      returnSize: size({ max: '10MB' })
        .prefault('50KB')
        .describe('Messages above this come back as their header only.'),
    })
    .prefault({})
    .describe('Notices of failure and delay to senders.'),
  sendmail: z
    .strictObject({
      maildrop: path()
        .optional()
        .describe('The folder that the sendmail command drops mail into. Default: `maildrop` in `data`.'),
      maxMessage: size({ min: '64KB' })
        .optional()
        .describe('The largest message it takes. Default: `limits.messageSize`.'),
    })
    .prefault({})
    .describe('Mail from users and programs of this machine.'),
  pop3: pop3.prefault({}).describe('POP3: a proxy in front of a server, or a server of its own.'),
  clearinghouse: clearinghouse
    .optional()
    .describe('Bulk mail, counted for filters that speak Razor, Pyzor, DCC or rspamd. Default: none.'),
  users: users.optional().describe('Who may log in. Default: nobody.'),
  workers: notYet('workers', 1).describe('How many processes share the work.'),
  admin: z
    .strictObject({ address: notYet('admin.address').describe('Where the dashboard listens.') })
    .prefault({})
    .describe('The dashboard.'),
  logs: z
    .strictObject({
      format: choice(['auto', 'json', 'pretty', 'syslog-postfix'])
        .prefault('auto')
        .describe('`auto` is `pretty` on a terminal and `json` elsewhere. Logs go to standard error.'),
    })
    .prefault({})
    .describe('What is written about the life of each message.'),
});

/** A file as it was read: everything typed and every default filled in, no file opened yet. */
export type Parsed = z.output<typeof schema>;
