/** `guard`: budgets, and the holds of subjects that exceed one. See docs/howto/guard.md. */
import { z } from 'zod';
import {
  addressCeiling,
  type Budget,
  type Counted,
  countedKinds,
  defaultGuard,
  formatBudget,
  type GuardOptions,
  isUnderCeiling,
  type SubjectOptions,
} from '../../guard/options.ts';
import type { Finding } from '../problem.ts';
import { section } from '../section.ts';
import { budgets } from '../values/budget.ts';
import { network } from '../values/place.ts';
import { count, duration, durationText, size, sizeText } from '../values/quantity.ts';
import { listOf } from '../values/value.ts';

/** The kinds of subjects with budgets. */
type Subject = 'identity' | 'address' | 'network';
/** The configurable counts; reports of abuse have a budget of their own. */
type Limited = Exclude<Counted, 'reports'>;

const budgetsOf = (subject: Subject, kind: Limited, prose: string) =>
  budgets().prefault(defaultGuard[subject].budgets[kind].map(formatBudget)).describe(prose);

const quietOf = (subject: Subject, prose: string) =>
  duration({ max: '30d' }).prefault(durationText(defaultGuard[subject].quietMs)).describe(prose);

const identity = z.strictObject({
  messages: budgetsOf(
    'identity',
    'messages',
    'Messages. A person sends some dozens a day and several at once; the minute stops a program before fifty are out.',
  ),
  recipients: budgetsOf(
    'identity',
    'recipients',
    'Recipients of all messages. A message to all 200 members of a club passes, and so does a second one.',
  ),
  newRecipients: budgetsOf(
    'identity',
    'newRecipients',
    'Recipients that were not written to before (as far as the relay remembers: about 30 days, not over a restart). A list that is used again costs nothing here.',
  ),
  failedRecipients: budgetsOf(
    'identity',
    'failedRecipients',
    'Recipients that do not exist: refused by us, or come back. Lists that were bought or guessed are full of them.',
  ),
  quiet: quietOf(
    'identity',
    'A hold ends by itself after this time without mail. `0s`: never, because a stolen password stays stolen.',
  ),
});

const address = z.strictObject({
  messages: budgetsOf('address', 'messages', 'Messages. At most `3000/1h`.'),
  recipients: budgetsOf('address', 'recipients', 'Recipients of all messages. At most `5000/1h`.'),
  newRecipients: budgetsOf(
    'address',
    'newRecipients',
    'Recipients that were not written to before. At most `2500/1h`.',
  ),
  failedRecipients: budgetsOf(
    'address',
    'failedRecipients',
    'Recipients that do not exist. At most `500/1h`.',
  ),
  quiet: quietOf(
    'address',
    'A hold ends by itself after this time without mail, because addresses change hands. Mail that is kept stays kept. `0s`: never.',
  ),
});

const trusted = z.strictObject({
  messages: budgetsOf(
    'network',
    'messages',
    'Messages. Whole application servers send from one address, so only a machine that has run wild meets this.',
  ),
  recipients: budgetsOf('network', 'recipients', 'Recipients of all messages.'),
  newRecipients: budgetsOf(
    'network',
    'newRecipients',
    'Recipients that were not written to before. `[]`: any number.',
  ),
  failedRecipients: budgetsOf('network', 'failedRecipients', 'Recipients that do not exist.'),
  quiet: quietOf('network', 'A hold ends by itself after this time without mail. `0s`: never.'),
  except: listOf(
    network({ means: 'this turns the budgets off for everybody', hint: 'give each budget an empty list' }),
  )
    .prefault([])
    .describe('Networks without budgets. Loopback never has any.'),
});

const held = z.strictObject({
  messages: count(1, 10_000_000)
    .prefault(defaultGuard.held.messages)
    .describe('Messages that one hold keeps (452 4.7.1).'),
  bytes: size({ min: '1MB' })
    .prefault(sizeText(defaultGuard.held.octets))
    .describe('Octets that one hold keeps (452 4.7.1).'),
  totalBytes: size({ min: '1MB' })
    .prefault(sizeText(defaultGuard.held.totalOctets))
    .describe('Octets that all holds keep together (452 4.7.1).'),
});

const schema = z.strictObject({
  identity: identity
    .prefault({})
    .describe(
      'A client that is known by name (login, certificate, POP before SMTP), from all of its addresses together. An empty list turns a budget off.',
    ),
  address: address
    .prefault({})
    .describe(
      'A client of an open relay, by IPv4 address or IPv6 /64. These budgets can be raised up to the maximum of each, and never turned off.',
    ),
  network: trusted.prefault({}).describe('A client in `relay.networks`, by address.'),
  held: held
    .prefault({})
    .describe('How much mail of held clients is kept. Beyond it they are told to try again later.'),
});

export const guard = section({
  schema: schema
    .prefault({})
    .describe(
      'Budgets in sliding periods. A client that exceeds one is held: its mail is accepted, kept and reported to the postmaster, until `posthouse guard release` or `remove`.',
    ),
  effect: 'reload',
  resolve({ identity, address, network: { except, ...network }, held }, site): GuardOptions {
    site.report(ceilingProblems(address));
    return {
      identity: subjectOf('identity', identity),
      address: subjectOf('address', address),
      network: { ...subjectOf('network', network), except },
      held: { messages: held.messages, octets: held.bytes, totalOctets: held.totalBytes },
    };
  },
});

function subjectOf(
  subject: Subject,
  { quiet, ...limited }: { readonly quiet: number } & Readonly<Record<Limited, readonly Budget[]>>,
): SubjectOptions {
  return { budgets: { ...limited, reports: defaultGuard[subject].budgets.reports }, quietMs: quiet };
}

/** Budgets of an open relay that are more than there are. */
function ceilingProblems(asked: z.output<typeof address>): Finding[] {
  return countedKinds.flatMap((kind) => {
    if (kind === 'reports' || isUnderCeiling(kind, asked[kind])) return [];
    const most = formatBudget(addressCeiling[kind]);
    return [{ path: ['guard', 'address', kind], message: `an open relay has a guard: ${most} is the most` }];
  });
}
