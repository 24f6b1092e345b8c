/** `delivery`: how the relay behaves as a client. */
import { z } from 'zod';
import { type ClientTimeouts, defaultTimeouts } from '../../client/options.ts';
import { type DeliveryLimits, defaultLimits } from '../../delivery/options.ts';
import { noSuchRecipient } from '../../mail/index.ts';
import { defined, section } from '../section.ts';
import { domainName, refusal } from '../values/mail.ts';
import { ipAddress } from '../values/place.ts';
import { count, duration, durationText, size, sizeText } from '../values/quantity.ts';
import { listOf } from '../values/value.ts';

/** Options of delivery, besides domains and routes. */
export interface DeliveryConfig {
  readonly timeouts: ClientTimeouts;
  readonly limits: DeliveryLimits;
  readonly callouts: { readonly connections: number; readonly unknown: readonly string[] };
  readonly mxPort: number;
  readonly ownNames: readonly string[];
  /** Absent: the addresses of the machine. */
  readonly ownAddresses?: readonly string[];
}

const phase = (name: keyof ClientTimeouts, prose: string) =>
  duration({ min: '1s', max: '1h' }).prefault(durationText(defaultTimeouts[name])).describe(prose);

const timeouts = z.strictObject({
  connect: phase('connect', 'Until the connection stands.'),
  greeting: phase('greeting', 'Until the greeting.'),
  ehlo: phase('ehlo', 'For the reply to EHLO.'),
  starttls: phase('starttls', 'For STARTTLS, and for the handshake.'),
  auth: phase('auth', 'For each step of AUTH.'),
  mail: phase('mail', 'For the reply to MAIL.'),
  rcpt: phase('rcpt', 'For the reply to each RCPT.'),
  dataInit: phase('dataInit', 'From DATA to its 354.'),
  dataBlock: phase('dataBlock', 'For each piece of the message.'),
  dataDone: phase('dataDone', 'From the final dot to its reply. Shorter means duplicates (RFC 1047).'),
  quit: phase('quit', 'For the reply to QUIT.'),
});

const callouts = z.strictObject({
  connections: count(1, 1000)
    .prefault(4)
    .describe('Connections to one destination that ask at once. Other questions wait for them.'),
  unknown: listOf(refusal())
    .prefault([...noSuchRecipient])
    .describe(
      'The refusals of RCPT that mean "no such recipient": an enhanced code, or a code alone for replies that have none. Any other reply is 450 to the client, since it says nothing about the recipient. Behind Microsoft 365 add `5.4.1`.',
    ),
});

const schema = z.strictObject({
  timeouts: timeouts.prefault({}).describe('How long a server may take (RFC 5321 §4.5.3.2).'),
  addresses: count(1, 100)
    .prefault(defaultLimits.addresses)
    .describe('Addresses tried in one attempt; the next one goes on with the others.'),
  sessions: count(1, 100)
    .prefault(defaultLimits.sessions)
    .describe('Servers that are talked to in one attempt.'),
  recipients: count(1, 100_000)
    .prefault(defaultLimits.recipients)
    .describe('Recipients in one transaction, unless the server says less.'),
  idlePerLane: count(0, 1000)
    .prefault(defaultLimits.idlePerLane)
    .describe('Idle connections kept to one destination.'),
  idleTotal: count(0, 100_000).prefault(defaultLimits.idleTotal).describe('Idle connections kept in all.'),
  idle: duration({ max: '4m' })
    .prefault(durationText(defaultLimits.idleMs))
    .describe('How long an idle connection is kept.'),
  sessionAge: duration({ min: '1s' })
    .prefault(durationText(defaultLimits.sessionAgeMs))
    .describe('How long a connection is used at all, so that a better server is found again.'),
  messagesPerSession: count(1, 1_000_000)
    .prefault(defaultLimits.messagesPerSession)
    .describe('Messages sent over one connection.'),
  avoid: duration()
    .prefault(durationText(defaultLimits.avoidMs))
    .describe('How long a host that failed is tried last; twice as long each time.'),
  avoidMax: duration().prefault(durationText(defaultLimits.avoidMaxMs)).describe('The longest such while.'),
  tlsRetry: duration()
    .prefault(durationText(defaultLimits.tlsRetryMs))
    .describe(
      'How long mail goes in clear to a host that offered STARTTLS and broke it, before TLS is tried there again. Where TLS is required, mail waits instead.',
    ),
  conversion: size()
    .prefault(sizeText(defaultLimits.conversionBytes))
    .describe('Messages above this are not re-encoded for a server without 8BITMIME, but bounced.'),
  callouts: callouts
    .prefault({})
    .describe('How the destinations of domains with `recipients: verify` are asked about recipients.'),
  mxPort: count(1, 65535).prefault(25).describe('The port of mail exchangers. Others are for laboratories.'),
  ownNames: listOf(domainName())
    .prefault([])
    .describe('Other names under which this relay stands in MX records; mail is never sent to them.'),
  ownAddresses: listOf(ipAddress())
    .optional()
    .describe('Addresses of this relay, for the same purpose. Default: those of the machine.'),
});

export const delivery = section({
  schema: schema.prefault({}).describe('How the relay behaves as a client.'),
  effect: 'reload',
  resolve: ({ timeouts, callouts, mxPort, ownNames, ownAddresses, ...limits }): DeliveryConfig => ({
    timeouts,
    callouts,
    limits: limitsOf(limits),
    mxPort,
    ownNames,
    ...defined('ownAddresses', ownAddresses),
  }),
});

type Limits = Omit<z.output<typeof schema>, 'timeouts' | 'callouts' | 'mxPort' | 'ownNames' | 'ownAddresses'>;

function limitsOf({
  idle,
  sessionAge,
  avoid,
  avoidMax,
  tlsRetry,
  conversion,
  ...counts
}: Limits): DeliveryLimits {
  return {
    ...counts,
    idleMs: idle,
    sessionAgeMs: sessionAge,
    avoidMs: avoid,
    avoidMaxMs: avoidMax,
    tlsRetryMs: tlsRetry,
    conversionBytes: conversion,
  };
}
