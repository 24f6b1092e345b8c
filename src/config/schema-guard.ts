import { z } from 'zod';
import { count, describe, duration, listOf, network, path, size } from './scalar.ts';

/** At most so many in any span of this length. */
export interface BudgetOption {
  readonly max: number;
  readonly windowMs: number;
}

const windowUnits: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const shortestMs = 10_000;
const longestMs = 7 * 86_400_000;

/** A budget as `40/1m`. */
const budget = () =>
  z
    .unknown()
    .transform((value, context): BudgetOption => {
      const match = /^(\d{1,9}) ?\/ ?(\d{1,5})([smhd])$/.exec(String(value));
      const max = Number(match?.[1]);
      const windowMs = Number(match?.[2]) * (windowUnits[match?.[3] ?? ''] ?? 0);
      if (match !== null && max > 0 && windowMs >= shortestMs && windowMs <= longestMs)
        return { max, windowMs };
      const hint = 'write 40/1m: forty in any minute; from 10s to 7d';
      context.addIssue({
        code: 'custom',
        message: `not a budget: ${describe(value)}`,
        params: { hint },
        input: value,
      });
      return z.NEVER;
    })
    .meta({ type: 'budget' });

const budgets = (defaults: readonly string[], prose: string) =>
  listOf(budget())
    .prefault([...defaults])
    .describe(prose);

const quiet = (value: string, prose: string) => duration({ max: '30d' }).prefault(value).describe(prose);

const identity = z.strictObject({
  messages: budgets(
    ['40/1m', '300/1h', '1000/1d'],
    'Messages. A person sends some dozens a day and several at once; the minute stops a program before fifty are out.',
  ),
  recipients: budgets(
    ['500/1h', '2000/1d'],
    'Recipients of all messages. A letter to all 200 members of a club passes, and so does a second one.',
  ),
  newRecipients: budgets(
    ['250/1h', '500/1d'],
    'Recipients that were not written to before (as far as the relay remembers: about 30 days, not over a restart). A list that is used again costs nothing here.',
  ),
  failedRecipients: budgets(
    ['50/1h', '150/1d'],
    'Recipients that do not exist: refused by us, or come back. Lists that were bought or guessed are full of them.',
  ),
  quiet: quiet(
    '0s',
    'When a hold ends by itself: after so long without mail. `0s`: never, because a stolen password stays stolen.',
  ),
});

const address = z.strictObject({
  messages: budgets(['40/1m', '300/1h', '1000/1d'], 'Messages. At most `3000/1h`.'),
  recipients: budgets(['500/1h', '2000/1d'], 'Recipients of all messages. At most `5000/1h`.'),
  newRecipients: budgets(
    ['250/1h', '500/1d'],
    'Recipients that were not written to before. At most `2500/1h`.',
  ),
  failedRecipients: budgets(['50/1h', '150/1d'], 'Recipients that do not exist. At most `500/1h`.'),
  quiet: quiet(
    '6h',
    'When a hold ends by itself: after so long without mail, for addresses change hands. What is kept stays kept. `0s`: never.',
  ),
});

const trustedNetwork = z.strictObject({
  messages: budgets(
    ['100000/1h'],
    'Messages. Whole application servers send from one address, so only a machine that has run wild meets this.',
  ),
  recipients: budgets(['300000/1h'], 'Recipients of all messages.'),
  newRecipients: budgets([], 'Recipients that were not written to before. `[]`: any number.'),
  failedRecipients: budgets(['5000/1h'], 'Recipients that do not exist.'),
  quiet: quiet('6h', 'When a hold ends by itself: after so long without mail. `0s`: never.'),
  except: listOf(
    network({ means: 'this turns the budgets off for everybody', hint: 'give each budget an empty list' }),
  )
    .prefault([])
    .describe('Networks without budgets. Loopback never has any.'),
});

/** Budgets and holds: see docs/howto/guard.md. */
export const guard = z.strictObject({
  identity: identity
    .prefault({})
    .describe(
      'Whoever is known by name (login, certificate, POP before SMTP), from however many addresses. An empty list turns a budget off.',
    ),
  address: address
    .prefault({})
    .describe(
      'A client of an open relay, by IPv4 address or IPv6 /64. These can be raised up to what is said, and never turned off.',
    ),
  network: trustedNetwork.prefault({}).describe('A client in `relay.networks`, by address.'),
  held: z
    .strictObject({
      messages: count(1, 10_000_000).prefault(20_000).describe('Messages that one hold keeps (452 4.7.1).'),
      bytes: size({ min: '1MB' }).prefault('500MB').describe('Octets that one hold keeps (452 4.7.1).'),
      totalBytes: size({ min: '1MB' })
        .prefault('2GB')
        .describe('Octets that all holds keep together (452 4.7.1).'),
    })
    .prefault({})
    .describe('How much mail is kept of those that are held. Beyond it they are told to come again later.'),
});

/** The archive of trap listeners. */
export const trap = z.strictObject({
  folder: path().optional().describe('Where it is kept. Default: `trap` in `data`.'),
  maxMessages: count(1, 10_000_000).prefault(100_000).describe('Beyond this the oldest are removed.'),
  maxBytes: size({ min: '1MB' }).prefault('1GB').describe('Beyond this the oldest are removed.'),
  maxAge: duration({ min: '1h', max: '3650d' }).prefault('90d').describe('What is older is removed.'),
  messageSize: size({ min: '64KB' }).prefault('10MB').describe('The largest message it takes (552 5.3.4).'),
});

type Parsed = { readonly guard: z.output<typeof guard>; readonly trap: z.output<typeof trap> };

/** The guard's part of the configuration. */
export function guardOf({ guard: { identity, address, network, held } }: Pick<Parsed, 'guard'>) {
  const { except, ...trusted } = network;
  return {
    identity: subjectOf(identity),
    address: subjectOf(address),
    network: { ...subjectOf(trusted), except },
    held: { messages: held.messages, octets: held.bytes, totalOctets: held.totalBytes },
  };
}

function subjectOf({ quiet: quietMs, ...lists }: z.output<typeof identity>) {
  return { budgets: lists, quietMs };
}

/** The trap's part of the configuration; `folder` makes a path absolute. */
export function trapOf(
  { trap: options }: Pick<Parsed, 'trap'>,
  folder: (path: string | undefined) => string,
) {
  const { maxMessages, maxBytes, maxAge: maxAgeMs, messageSize: maxMessageBytes } = options;
  return { folder: folder(options.folder), maxMessages, maxBytes, maxAgeMs, maxMessageBytes };
}
