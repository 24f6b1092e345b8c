import type { Envelope, LaneName } from '../mail/index.ts';
import type { Change, LaneEntry } from '../spool/index.ts';
import type { Claims } from './claims.ts';
import type { Task } from './lane.ts';
import type { QueueParts, Routing } from './options.ts';
import { byHold } from './portion.ts';
import { pendingOf, unclaimed } from './settle.ts';

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
 * Whether the routes lead some of these recipients elsewhere than into the lane of the task. Asked for what
 * was not assigned under the routes of today.
 */
export function isRerouted(routing: Routing, task: Task, recipients: readonly number[]): boolean {
  if (task.routes === routing.generation || recipients.length === 0) return false;
  if (routing.keeps?.(task.lane) === true) return false;
  const lanes = assign(routing, task.envelope, recipients);
  return lanes.length !== 1 || lanes[0]?.lane !== task.lane;
}

/**
 * What gives the pending recipients of an entry the lanes of today: due now, and counted anew where the lane
 * is another. The message must be seized, for the numbers of its entries are given out here.
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
