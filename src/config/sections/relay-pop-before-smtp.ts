/** `relay.popBeforeSmtp`: relaying for clients that have just read mail from the same address. */
import { z } from 'zod';
import { defaultWindows, type WindowOptions } from '../../identity/options.ts';
import { type Finding, formatPath } from '../problem.ts';
import type { Site, Warning } from '../section.ts';
import { isPrivateHost, type SocketAddress, socketAddress } from '../values/place.ts';
import { count, duration, durationText } from '../values/quantity.ts';
import { secretFile, tokenOf } from '../values/secret.ts';
import { boolean, choice } from '../values/value.ts';

/** The windows, and where programs report logins. */
export interface PopBeforeSmtpConfig {
  readonly windows: WindowOptions;
  /** Where logins are reported by HTTP, and the token for it. */
  readonly events?: SocketAddress & { readonly token: string };
}

const path = ['relay', 'popBeforeSmtp'];

const events = z.strictObject({
  address: socketAddress().describe(
    'Where the HTTP endpoint listens: a loopback or private address, for the token travels in clear.',
  ),
  token: secretFile('A file that holds the token and nothing else; 16 characters or more.').describe(
    'The token that a program needs to report logins.',
  ),
});

export const popBeforeSmtpSchema = z.strictObject({
  window: duration({ min: '10s', max: '1d' })
    .prefault(durationText(defaultWindows.windowMs))
    .describe('How long after a login its address may relay. A new login begins it again.'),
  maxLife: duration({ min: '1m', max: '7d' })
    .prefault(durationText(defaultWindows.maxLifeMs))
    .describe('However often a window is renewed, it ends so long after the first login and needs another.'),
  identitiesPerAddress: count(1, 49)
    .optional()
    .describe(
      'With more people than this at one address, each of them has to log in to SMTP. Default: any number.',
    ),
  ipv6Prefix: choice(['128', '64'])
    .prefault(`${defaultWindows.ipv6Prefix}`)
    .describe('How much of an IPv6 address a window is for: the exact address, or its /64.'),
  allowSharedRange: boolean()
    .prefault(defaultWindows.allowSharedRange)
    .describe('Whether 100.64.0.0/10 counts: there a provider puts many customers behind one address.'),
  allowLoopback: boolean()
    .prefault(defaultWindows.allowLoopback)
    .describe(
      'Whether logins from this machine count. Every program here could relay then: for trying it out.',
    ),
  events: events.optional().describe('Logins that other programs report by HTTP. Default: none are taken.'),
});

type Parsed = z.output<typeof popBeforeSmtpSchema>;

/** Reads the token of the endpoint. */
export function popBeforeSmtpOf(parsed: Parsed, site: Site): PopBeforeSmtpConfig {
  const { window, maxLife, identitiesPerAddress, ipv6Prefix, events, ...rest } = parsed;
  if (maxLife < window) site.find([...path, 'maxLife'], 'is shorter than window');
  return {
    windows: {
      ...rest,
      windowMs: window,
      maxLifeMs: maxLife,
      ipv6Prefix: ipv6Prefix === '64' ? 64 : 128,
      ...(identitiesPerAddress !== undefined && { identitiesPerAddress }),
    },
    ...(events && {
      events: {
        ...events.address,
        token: tokenOf(events.token.file, [...path, 'events', 'token', 'file'], site),
      },
    }),
  };
}

/** A reader of the endpoint's token could open windows for any address. */
export function eventsProblems({ events }: Parsed): Finding[] {
  if (events === undefined || isPrivateHost(events.address.host)) return [];
  return [
    {
      path: [...path, 'events', 'address'],
      message: 'the token would travel in clear',
      hint: 'use a loopback or private address',
    },
  ];
}

/** If logins from this machine count, all programs on it may relay. */
export function loopbackWarnings({ windows }: PopBeforeSmtpConfig): Warning[] {
  return windows.allowLoopback
    ? [
        {
          path: formatPath([...path, 'allowLoopback']),
          message: 'a login here lets every program of this machine relay',
        },
      ]
    : [];
}
