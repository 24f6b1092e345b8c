/** Other lanes and other recipients for a message in the queue: by new routes, a redirect, an answer of the policy. */
import {
  type Envelope,
  type LaneName,
  mailboxKey,
  type QueueId,
  type Recipient,
  type RecipientStatus,
  reply,
} from '../mail/index.ts';
import type { Change, LaneEntry } from '../spool/index.ts';
import type { Claims } from './claims.ts';
import { byHold, pendingOf, unclaimed } from './entry.ts';
import type { Task } from './lane.ts';
import type { QueueParts, Replacements, Routing } from './parts.ts';

/** Names in one status. */
const maxNamed = 10;

export interface Assigned {
  readonly lane: LaneName;
  /** Indices into the envelope. */
  readonly recipients: readonly number[];
}

/** The lanes of some recipients of a message under the routes of today. */
export function assign(
  routing: Routing,
  envelope: Envelope,
  indices: readonly number[],
): readonly Assigned[] {
  const recipients = indices.flatMap((index) => envelope.recipients[index] ?? []);
  return routing.assignLanes({ ...envelope, recipients }).map(({ lane, recipients: places }) => ({
    lane,
    recipients: places === 'all' ? indices : places.flatMap((place) => indices[place] ?? []),
  }));
}

/**
 * Whether the routes lead some of these recipients elsewhere than into the lane of the task. Asked for entries that
 * were not assigned under the routes of today.
 */
export function isRerouted(routing: Routing, task: Task, recipients: readonly number[]): boolean {
  if (task.routes === routing.generation || recipients.length === 0) return false;
  if (routing.keeps?.(task.entry.lane) === true) return false;
  const lanes = assign(routing, task.envelope, recipients);
  return lanes.length !== 1 || lanes[0]?.lane !== task.entry.lane;
}

/**
 * The changes that give the pending recipients of an entry the lanes of today: due now, and counted anew where the
 * lane is another. The message must be seized, for the numbers of its entries are given out here.
 */
export function rerouted(
  { spool, routing, clock }: QueueParts,
  { entry, envelope, holds }: Task,
  claims: Claims,
): { readonly lanes: readonly LaneName[]; readonly changes: readonly Change[] } {
  const { id, warned } = entry;
  const pending = pendingOf(entry, envelope, spool.statuses(id));
  const assigned = assign(routing, envelope, pending);
  const entries = spool.entries(id);
  const adds = assigned.flatMap(({ lane, recipients: all }) =>
    [...byHold(all, holds)].map(([held, recipients]): Change => {
      const attempts = lane === entry.lane ? unclaimed(entry, 0).attempts : 0;
      const number = claims.nextNumber(id, entries);
      const to: LaneEntry = { id, number, lane, recipients, attempts, dueAt: clock.now() };
      return {
        kind: 'add',
        entry: { ...to, ...(warned && { warned }), ...(held !== undefined && { held }) },
      };
    }),
  );
  return { lanes: assigned.map(({ lane }) => lane), changes: [...adds, { kind: 'finish', entry }] };
}

/** The message that gets them. It is seized or claimed by the caller, and `envelope` is the one in the spool. */
export interface Appending {
  readonly id: QueueId;
  readonly envelope: Envelope;
  readonly replacements: Replacements;
  /** The reasons for holding the new recipients, by the index of the replaced one. */
  readonly holds?: ReadonlyMap<number, string> | undefined;
}

/**
 * Puts the new recipients behind the others, so that the indices of earlier statuses keep their meaning, each
 * in its lane and due now. One who gets the message already, also in other case, is not added.
 */
export function appended(
  { spool, routing, clock }: QueueParts,
  claims: Claims,
  { id, envelope, replacements, holds }: Appending,
): readonly Change[] {
  const recipients = [...envelope.recipients];
  const entries = spool.entries(id);
  const statuses = spool.statuses(id);
  const waits = (index: number) =>
    entries.some(({ recipients: some }) => some === 'all' || some.includes(index));
  const known = new Set(
    recipients.flatMap(({ address }, index) =>
      !replacements.has(index) && isReached(statuses.get(index), () => waits(index))
        ? [mailboxKey(address)]
        : [],
    ),
  );
  const newHolds = new Map<number, string>();
  for (const [index, instead] of replacements) {
    const held = holds?.get(index);
    for (const recipient of instead) {
      if (known.has(mailboxKey(recipient.address))) continue;
      known.add(mailboxKey(recipient.address));
      if (held !== undefined) newHolds.set(recipients.length, held);
      recipients.push(recipient);
    }
  }
  const added = [...recipients.keys()].slice(envelope.recipients.length);
  if (added.length === 0) return [];
  const next: Envelope = { ...envelope, recipients };
  const adds = assign(routing, next, added).flatMap(({ lane, recipients: all }) =>
    [...byHold(all, newHolds)].map(([held, places]): Change => {
      const number = claims.nextNumber(id, entries);
      const entry = { id, number, lane, recipients: places, attempts: 0, dueAt: clock.now() };
      return { kind: 'add', entry: held === undefined ? entry : { ...entry, held } };
    }),
  );
  return [{ kind: 'envelope', id, envelope: next }, ...adds];
}

/** The end of a recipient that others replace. No DSN reports it, and it is not tried any more. */
export function redirectedTo(recipients: readonly Recipient[], at: number): RecipientStatus {
  const names = recipients.map(({ address }) => address.text).slice(0, maxNamed);
  const more = recipients.length > names.length ? ` and ${recipients.length - names.length} more` : '';
  const said = reply(250, '1.5', `goes to ${names.join(', ')}${more} instead`);
  return { status: 'delivered', at, relay: 'redirect', reply: said, redirected: true };
}

/** Whether a recipient has the message or is to get it: not if it failed, or was replaced. */
function isReached(status: RecipientStatus | undefined, waits: () => boolean): boolean {
  if (status?.status === 'failed') return false;
  return status?.status === 'delivered' ? status.redirected !== true : waits();
}
