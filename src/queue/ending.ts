import type { QueueId, RecipientStatus } from '../mail/index.ts';
import type { Change, LaneEntry, StoredOctets } from '../spool/index.ts';
import type { Task } from './lane.ts';
import type { QueueParts } from './options.ts';
import { logStatuses } from './outcome.ts';
import { pendingOf, rescheduled, statusChanges } from './settle.ts';

/** What settling needs to know of time. */
export interface Times {
  readonly dueAt: number;
  readonly retryUntil: number;
}

/** Records how attempts ended: log, notifications, then the spool, in this order. */
export class Endings {
  readonly #parts: QueueParts;
  /** Lanes of a message that ended but whose removal the spool does not show yet. */
  readonly #ending = new Map<QueueId, Set<number>>();

  constructor(parts: QueueParts) {
    this.#parts = parts;
  }

  /** Returns the time at which the entry is due again, or `undefined` when it is done or held. */
  async settle(
    task: Task,
    result: { readonly octets: StoredOctets; readonly statuses: ReadonlyMap<number, RecipientStatus> },
    times: Times,
  ): Promise<number | undefined> {
    const { spool, log, clock, background } = this.#parts;
    const { entry, envelope } = task;
    const { statuses } = result;
    const now = clock.now();
    logStatuses(log, { id: entry.id, envelope, statuses, now });
    if (isNews(task, statuses)) {
      const { retryUntil } = times;
      await this.#parts.notify({ id: entry.id, envelope, ...result, kind: 'ended', retryUntil });
    }
    if (![...statuses.values()].some(({ status }) => status === 'pending')) {
      // A crash before the removal is durable delivers again; waiting for it would cost each delivery a sync.
      background.run(`finish ${entry.id}`, this.#finish(task, statuses));
      return undefined;
    }
    const next = rescheduled(entry, times.dueAt, now);
    const to = task.holdBecause === undefined ? next : { ...next, held: task.holdBecause };
    await spool.update([...statusChanges(entry, statuses), { kind: 'reschedule', from: entry, to }]);
    return to.held === undefined ? times.dueAt : undefined;
  }

  /** Ends one lane of a message, and the message with its last lane. */
  async #finish(task: Task, statuses: ReadonlyMap<number, RecipientStatus>): Promise<void> {
    const { spool, log } = this.#parts;
    const { id, number } = task.entry;
    if (task.laneCount === 1 || !this.#hasOthers(id, number)) {
      log.info('removed', { queueId: id });
      await spool.update([{ kind: 'remove', id }]);
      this.#ending.delete(id);
      return;
    }
    const ending = this.#ending.get(id) ?? new Set<number>();
    this.#ending.set(id, ending.add(number));
    await spool.update([...statusChanges(task.entry, statuses), { kind: 'finish', entry: task.entry }]);
    // The spool shows the end now; what still counts on this set began before and is in it too.
    ending.delete(number);
    if (ending.size === 0) this.#ending.delete(id);
  }

  #hasOthers(id: QueueId, number: number): boolean {
    const ending = this.#ending.get(id);
    return this.#parts.spool.entries(id).some((e) => e.number !== number && ending?.has(e.number) !== true);
  }

  /** Octets that cannot be read hold the message, loudly: an operator has to look at it. */
  async holdUnreadable(entry: LaneEntry, error: unknown): Promise<void> {
    const because = `unreadable: ${error instanceof Error ? error.message : String(error)}`;
    this.#parts.log.error('held', { queueId: entry.id, status: 'held', because });
    const { begun: _, ...rest } = entry;
    await this.#parts.spool.update([{ kind: 'reschedule', from: entry, to: { ...rest, held: because } }]);
  }

  /** The routes changed since the entry was written: its recipients get the lanes of today. */
  async reassign(task: Task): Promise<readonly LaneEntry[]> {
    const { spool, routing, clock } = this.#parts;
    const { entry, envelope } = task;
    const mine = new Set(pendingOf(entry, envelope, spool.statuses(entry.id)));
    let number = Math.max(entry.number, ...spool.entries(entry.id).map((other) => other.number));
    const added = routing.assignLanes(envelope).flatMap(({ lane, recipients }): LaneEntry[] => {
      const chosen = pendingOf({ recipients }, envelope, new Map()).filter((index) => mine.has(index));
      if (chosen.length === 0) return [];
      number++;
      return [{ id: entry.id, number, lane, recipients: chosen, attempts: 0, dueAt: clock.now() }];
    });
    await spool.update([
      ...added.map((to): Change => ({ kind: 'add', entry: to })),
      { kind: 'finish', entry },
    ]);
    return added;
  }
}

/** Whether somebody may want to hear of this: a failure, or a success that was asked for. */
function isNews({ envelope }: Task, statuses: ReadonlyMap<number, RecipientStatus>): boolean {
  for (const [index, { status }] of statuses) {
    if (status === 'failed') return true;
    if (status === 'delivered' && envelope.recipients[index]?.notify?.includes('success')) return true;
  }
  return false;
}
