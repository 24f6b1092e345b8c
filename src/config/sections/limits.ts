/** `limits`: the limits of a client of the SMTP server. */
import { z } from 'zod';
import { defaultLimits, type ReceiverLimits } from '../../receiver/options.ts';
import { section } from '../section.ts';
import { count, duration, durationText, size, sizeText } from '../values/quantity.ts';

const schema = z.strictObject({
  messageSize: size({ min: '64KB' })
    .prefault(sizeText(defaultLimits.messageBytes))
    .describe('The largest message (552 5.3.4).'),
  recipients: count(100, 100_000)
    .prefault(defaultLimits.recipients)
    .describe('Recipients of one transaction (452 4.5.3). RFC 5321 asks for at least 100.'),
  sessions: count(1, 1_000_000)
    .prefault(defaultLimits.sessions)
    .describe('Connections at once in all (421 4.3.2).'),
  sessionsPerClient: count(1, 1_000_000)
    .prefault(defaultLimits.sessionsPerClient)
    .describe('Connections at once from one address (421 4.7.0).'),
  transactions: count(1, 10_000_000)
    .prefault(defaultLimits.transactions)
    .describe('Transactions of one session (421 4.7.0).'),
  commandErrors: count(1, 10_000)
    .prefault(defaultLimits.commandErrors)
    .describe('Refused commands of a session before it is closed (421 4.7.0).'),
  deferredRecipients: count(100, 1_000_000)
    .prefault(defaultLimits.deferredRecipients)
    .describe('Recipients answered with 4yz since the last message that was taken (421 4.7.0).'),
  idleCommands: count(1, 10_000)
    .prefault(defaultLimits.idleCommands)
    .describe('Commands in a row that carry no mail forward, such as NOOP and RSET (421 4.7.0).'),
  hops: count(10, 1000).prefault(defaultLimits.hops).describe('Received lines; more are a loop (554 5.4.6).'),
  idleTimeout: duration({ min: '1s', max: '1h' })
    .prefault(durationText(defaultLimits.idleMs))
    .describe('How long a client may be silent (421 4.4.2). RFC 5321 asks for at least 5 minutes.'),
  openingTimeout: duration({ min: '1s', max: '5m' })
    .prefault(durationText(defaultLimits.openingMs))
    .describe('How long the PROXY header and the TLS handshake may take.'),
  transactionTimeout: duration({ min: '10s', max: '1d' })
    .prefault(durationText(defaultLimits.contentMs))
    .describe(
      'How long the octets of one message may take, with the time between its chunks, however busy it looks (421 4.4.2).',
    ),
});

export const limits = section({
  schema: schema
    .prefault({})
    .describe('Limits for each client, and for all together. Every limit has its own reply.'),
  effect: 'reload',
  resolve: ({ messageSize, idleTimeout, openingTimeout, transactionTimeout, ...counts }): ReceiverLimits => ({
    ...counts,
    messageBytes: messageSize,
    idleMs: idleTimeout,
    openingMs: openingTimeout,
    contentMs: transactionTimeout,
  }),
});
