/**
 * Where the recipients of mail go that no session asked the policy about: of local users, of the operator and of
 * the relay itself. It is the policy of RCPT that says so; where it cannot say now, the recipient waits in the queue,
 * in a lane whose attempts ask again.
 */
import { setImmediate } from 'node:timers/promises';
import {
  type Address,
  type Domain,
  formatLane,
  needsSmtputf8,
  originalRecipientOf,
  type Recipient,
  type RecipientStatus,
  type Reply,
  reply,
} from '../mail/index.ts';
import type { Destination } from '../policy/index.ts';
import type { AssignLanes, Attempt, AttemptResult, Deliver, Routing } from '../queue/index.ts';

/** The policy in force, as far as it is about recipients. */
export interface OwnPolicy {
  /** Where mail for a recipient goes. */
  readonly destinationOf: (recipient: Address) => Promise<Destination>;
  readonly isOurs: (domain: Domain) => boolean;
}

/** The recipients in place of the one that was named, or the reason why there are none. */
export type Destined =
  | { readonly kind: 'known'; readonly recipients: readonly Recipient[] }
  | { readonly kind: 'refused'; readonly reply: Reply };

type Asking = Pick<OwnPolicy, 'destinationOf'>;

/** The lane of recipients on which the policy could not decide. */
const undecidedLane = formatLane({ scheme: 'policy', place: '' });

const fault = reply(451, '3.0', 'the recipient could not be looked up, try again later');

/** Recipients that are asked about at once: a server that is down costs one time-out for all of them. */
const askedAtOnce = 100;

/** The resolution of each recipient, in order. One that the policy cannot judge now is `known`, and waits. */
export async function destined(
  asking: Asking,
  recipients: readonly Recipient[],
): Promise<readonly { readonly recipient: Recipient; readonly to: Destined }[]> {
  return await forEach(recipients, async (recipient) => ({
    recipient,
    to: await destinedOne(asking, recipient),
  }));
}

/** The resolution of one recipient. */
export async function destinedOne({ destinationOf }: Asking, recipient: Recipient): Promise<Destined> {
  const { undecided: _, ...named } = recipient;
  const found = await destinationOf(named.address);
  if (found.kind === 'known')
    return { kind: 'known', recipients: found.to.map((address) => renamed(named, address)) };
  if (found.reply.code >= 500) return { kind: 'refused', reply: found.reply };
  return { kind: 'known', recipients: [{ ...named, undecided: true }] };
}

/** Some at a time. */
async function forEach<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<readonly R[]> {
  const results: R[] = [];
  for (let at = 0; at < items.length; at += askedAtOnce) {
    // Immediate answers must not hold up other work.
    if (at > 0) await setImmediate();
    results.push(...(await Promise.all(items.slice(at, at + askedAtOnce).map(work))));
  }
  return results;
}

/** RFC 3461 §5.2.7: a report names the address that the sender knows. */
function renamed(recipient: Recipient, address: Address): Recipient {
  if (address === recipient.address) return recipient;
  const originalRecipient = recipient.originalRecipient ?? originalRecipientOf(recipient.address);
  return { ...recipient, address, originalRecipient };
}

/** Whether the envelope of these needs SMTPUTF8. */
export function areWide(recipients: readonly Recipient[]): boolean {
  return recipients.some(({ address }) => needsSmtputf8(address));
}

/** The routes, with a lane for recipients on which the policy could not decide. */
export function withUndecided(routing: Routing): Routing {
  const assignLanes: AssignLanes = (envelope) => {
    const { recipients } = envelope;
    if (!recipients.some(({ undecided }) => undecided)) return routing.assignLanes(envelope);
    const places = [...recipients.keys()];
    const waiting = places.filter((place) => recipients[place]?.undecided);
    const rest = places.filter((place) => !recipients[place]?.undecided);
    if (rest.length === 0) return [{ lane: undecidedLane, recipients: 'all' }];
    const others = rest.flatMap((place) => recipients[place] ?? []);
    const lanes = routing.assignLanes({ ...envelope, recipients: others });
    return [
      ...lanes.map(({ lane, recipients: some }) => ({
        lane,
        recipients: some === 'all' ? rest : some.flatMap((place) => rest[place] ?? []),
      })),
      { lane: undecidedLane, recipients: waiting },
    ];
  };
  return {
    assignLanes,
    get generation() {
      return routing.generation;
    },
    keeps: (lane) => routing.keeps?.(lane) ?? false,
  };
}

/** The delivery, with attempts that ask the policy again. A refusal is the end of its recipient. */
export function askingAgain(deliver: Deliver, parts: Asking & { readonly now: () => number }): Deliver {
  return (attempt, signal) =>
    attempt.lane === undecidedLane ? askAgain(attempt, parts) : deliver(attempt, signal);
}

async function askAgain(
  { envelope, recipients }: Attempt,
  { destinationOf, now }: Asking & { readonly now: () => number },
): Promise<AttemptResult> {
  const statuses = new Map<number, RecipientStatus>();
  const replacements = new Map<number, readonly Recipient[]>();
  await forEach(recipients, async (index) => {
    const recipient = envelope.recipients[index];
    if (recipient === undefined) return;
    const found = await destinationOf(recipient.address).catch(
      () => ({ kind: 'refusal', reply: fault, because: 'unexpected' }) as const,
    );
    const { undecided: _, ...named } = recipient;
    if (found.kind === 'known') {
      const to = found.to.map((address) => renamed(named, address));
      replacements.set(index, to);
      return;
    }
    const status = found.reply.code >= 500 ? 'failed' : 'pending';
    statuses.set(index, { status, at: now(), reply: found.reply });
  });
  return { statuses, health: { kind: 'alive' }, ...(replacements.size > 0 && { replacements }) };
}
