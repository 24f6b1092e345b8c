import { z } from 'zod';
import { noSuchRecipient } from '../mail/index.ts';
import { count, domainName, duration, ipAddress, listOf, refusal, size } from './scalar.ts';

const retry = z.strictObject({
  min: duration({ min: '1s' })
    .prefault('5m')
    .describe('The wait after the first failure; it doubles each time.'),
  max: duration({ min: '1s' }).prefault('4000s').describe('The longest wait.'),
  maxAge: duration({ min: '1s' })
    .prefault('5d')
    .describe('When a message is given up (RFC 5321: 4 to 5 days).'),
  bounceMaxAge: duration({ min: '1s' })
    .prefault('5d')
    .describe('The same for notifications, which have a null reverse-path.'),
  warnAfter: duration()
    .prefault('0s')
    .describe('When the sender is told of a delay, such as `4h`. `0s`: never.'),
});

const lanes = z.strictObject({
  concurrency: count(1, 1000).prefault(20).describe('Deliveries at once to one destination.'),
  total: count(1, 100_000).prefault(500).describe('Deliveries at once in all.'),
  claimsPerLane: count(1, 1_000_000).prefault(500).describe('Messages of one destination held in memory.'),
  claims: count(1, 1_000_000).prefault(10_000).describe('Messages of all destinations held in memory.'),
});

export const queue = z.strictObject({
  retry: retry.prefault({}).describe('When a delivery is tried again.'),
  lanes: lanes.prefault({}).describe('A lane is a destination with its own concurrency and health.'),
});

const phase = (value: string, prose: string) =>
  duration({ min: '1s', max: '1h' }).prefault(value).describe(prose);

const timeouts = z.strictObject({
  connect: phase('30s', 'Until the connection stands.'),
  greeting: phase('5m', 'Until the greeting.'),
  ehlo: phase('5m', 'For the reply to EHLO.'),
  starttls: phase('2m', 'For STARTTLS, and for the handshake.'),
  auth: phase('2m', 'For each step of AUTH.'),
  mail: phase('5m', 'For the reply to MAIL.'),
  rcpt: phase('5m', 'For the reply to each RCPT.'),
  dataInit: phase('2m', 'From DATA to its 354.'),
  dataBlock: phase('3m', 'For each piece of the message.'),
  dataDone: phase('10m', 'From the final dot to its reply. Shorter means duplicates (RFC 1047).'),
  quit: phase('5s', 'For the reply to QUIT.'),
});

export const delivery = z.strictObject({
  timeouts: timeouts.prefault({}).describe('How long a server may take (RFC 5321 §4.5.3.2).'),
  addresses: count(1, 100)
    .prefault(5)
    .describe('Addresses tried in one attempt; the next one goes on with the others.'),
  sessions: count(1, 100).prefault(2).describe('Servers that are talked to in one attempt.'),
  recipients: count(1, 100_000)
    .prefault(100)
    .describe('Recipients in one transaction, unless the server says less.'),
  idlePerLane: count(0, 1000).prefault(20).describe('Idle connections kept to one destination.'),
  idleTotal: count(0, 100_000).prefault(500).describe('Idle connections kept in all.'),
  idle: duration({ max: '4m' }).prefault('10s').describe('How long an idle connection is kept.'),
  sessionAge: duration({ min: '1s' })
    .prefault('5m')
    .describe('How long a connection is used at all, so that a better server is found again.'),
  messagesPerSession: count(1, 1_000_000).prefault(1000).describe('Messages sent over one connection.'),
  avoid: duration()
    .prefault('1m')
    .describe('How long a host that failed is tried last; twice as long each time.'),
  avoidMax: duration().prefault('30m').describe('The longest such while.'),
  tlsRetry: duration()
    .prefault('1h')
    .describe(
      'How long mail goes in clear to a host that offered STARTTLS and broke it, before TLS is tried there again. Where TLS is required, mail waits instead.',
    ),
  conversion: size()
    .prefault('32MB')
    .describe('Messages above this are not re-encoded for a server without 8BITMIME, but bounced.'),
  callouts: z
    .strictObject({
      connections: count(1, 1000)
        .prefault(4)
        .describe('Connections to one destination that ask at once. Other questions wait for them.'),
      unknown: listOf(refusal())
        .prefault([...noSuchRecipient])
        .describe(
          'The refusals of RCPT that mean "no such recipient": an enhanced code, or a code alone for replies that have none. Any other reply is 450 to the client, since it says nothing about the recipient. Behind Microsoft 365 add `5.4.1`.',
        ),
    })
    .prefault({})
    .describe('How the destinations of domains with `recipients: verify` are asked who exists.'),
  mxPort: count(1, 65535).prefault(25).describe('The port of mail exchangers. Others are for laboratories.'),
  ownNames: listOf(domainName())
    .prefault([])
    .describe('Other names under which this relay stands in MX records; mail is never sent to them.'),
  ownAddresses: listOf(ipAddress())
    .optional()
    .describe('Addresses of this relay, for the same purpose. Default: those of the machine.'),
});

export const limits = z.strictObject({
  messageSize: size({ min: '64KB' }).prefault('50MB').describe('The largest message (552 5.3.4).'),
  recipients: count(100, 100_000)
    .prefault(1000)
    .describe('Recipients of one transaction (452 4.5.3). RFC 5321 asks for at least 100.'),
  sessions: count(1, 1_000_000).prefault(2000).describe('Connections at once in all (421 4.3.2).'),
  sessionsPerClient: count(1, 1_000_000)
    .prefault(500)
    .describe('Connections at once from one address (421 4.7.0).'),
  transactions: count(1, 10_000_000).prefault(10_000).describe('Transactions of one session (421 4.7.0).'),
  commandErrors: count(1, 10_000)
    .prefault(50)
    .describe('Refused commands of a session before it is closed (421 4.7.0).'),
  deferredRecipients: count(100, 1_000_000)
    .prefault(1000)
    .describe('Recipients answered with 4yz since the last message that was taken (421 4.7.0).'),
  idleCommands: count(1, 10_000)
    .prefault(100)
    .describe('Commands in a row that carry no mail forward, such as NOOP and RSET (421 4.7.0).'),
  hops: count(10, 1000).prefault(50).describe('Received lines; more are a loop (554 5.4.6).'),
  idleTimeout: duration({ min: '1s', max: '1h' })
    .prefault('5m')
    .describe('How long a client may be silent (421 4.4.2). RFC 5321 asks for at least 5 minutes.'),
  openingTimeout: duration({ min: '1s', max: '5m' })
    .prefault('10s')
    .describe('How long the PROXY header and the TLS handshake may take.'),
  transactionTimeout: duration({ min: '10s', max: '1d' })
    .prefault('1h')
    .describe(
      'How long the octets of one message may take, with the time between its chunks, however busy it looks (421 4.4.2).',
    ),
});
