/** The ends of attempts, on their way to disk: log, notification, record. */
import { type BackOff, backOff } from '../base/index.ts';
import type { QueueId, RecipientStatus } from '../mail/index.ts';
import { type Change, type LaneEntry, SpoolError, type StoredOctets } from '../spool/index.ts';
import type { Claims } from './claims.ts';
import {
  byHold,
  hasStatus,
  logAnswers,
  logStatuses,
  rescheduled,
  statusChanges,
  unclaimed,
} from './entry.ts';
import type { Task } from './lane.ts';
import { Notices } from './notices.ts';
import type { NotifyEvent, QueueParts } from './parts.ts';

/** The times that settling needs. */
export interface Times {
  readonly dueAt: number;
  readonly retryUntil: number;
}

/** The result of an attempt, as far as it is written. */
interface Result {
  readonly octets: StoredOctets;
  readonly statuses: ReadonlyMap<number, RecipientStatus>;
}

/** Entries of one message that came to their end, with the statuses that are to be written. */
export interface Ended {
  readonly id: QueueId;
  readonly entries: readonly LaneEntry[];
  readonly statuses: ReadonlyMap<number, RecipientStatus>;
}

/** Log lines that are written in one go. */
const fewStatuses = 8;
const pauses: BackOff = { minMs: 1000, maxMs: 60_000 };

/**
 * Records the ends of attempts: log, notifications, then the spool, in this order. While the spool takes no writes the
 * record is kept and tried again, and the entry stays claimed: a delivered message must not be delivered again and
 * again for lack of a record.
 */
export class Endings {
  readonly #parts: QueueParts;
  readonly #claims: Claims;
  readonly #notices: Notices;
  /** Entries that ended but whose removal the spool does not show yet, by their numbers. */
  readonly #ending = new Map<QueueId, Set<number>>();
  /** Entries whose removal the spool shows while their claim is still there: they are no reason to keep a message. */
  readonly #ended = new Map<QueueId, Set<number>>();
  readonly #pauses = new Set<() => void>();
  #state: 'patient' | 'hasty' = 'patient';

  constructor(parts: QueueParts, claims: Claims) {
    this.#parts = parts;
    this.#claims = claims;
    this.#notices = new Notices({
      clock: parts.clock,
      claims,
      tell: (event) => this.#tell(event),
    });
  }

  /** The claim of an entry is gone. */
  released({ id, number }: Pick<LaneEntry, 'id' | 'number'>): void {
    const ended = this.#ended.get(id);
    if (ended?.delete(number) && ended.size === 0) this.#ended.delete(id);
    this.#notices.check(id);
  }

  /** From now on each end is reported at once: none waits for others. */
  gatherNoMore(): void {
    this.#notices.hurry();
  }

  /** An outcome not recorded by now is written once more; after that its lease stands and the entry is tried again. */
  hurry(): void {
    this.#state = 'hasty';
    for (const wake of this.#pauses) wake();
  }

  /**
   * Resolves when it is recorded, with the time at which the entry is due again, or `undefined` when it is
   * done or held.
   */
  settle(task: Task, result: Result, times: Times): Promise<number | undefined> {
    const { log, clock } = this.#parts;
    const { entry, envelope } = task;
    const { statuses } = result;
    const known = { id: entry.id, envelope, statuses, now: clock.now() };
    if (statuses.size > fewStatuses)
      return logAnswers(log, known).then(() => this.#settle(task, result, times));
    logStatuses(log, known);
    // By far the most messages: everybody has it, and the message goes.
    const isDone = entry.recipients === 'all' && !hasStatus(statuses, 'pending');
    return isDone && !isToBeTold(task, statuses) ? this.#remove(entry.id) : this.#settle(task, result, times);
  }

  /** The same after its log lines. */
  async #settle(task: Task, result: Result, times: Times): Promise<number | undefined> {
    const { clock } = this.#parts;
    const { entry } = task;
    const statuses = isToBeTold(task, result.statuses)
      ? await this.#notify(task, result, times.retryUntil)
      : result.statuses;
    if (!hasStatus(statuses, 'pending')) {
      await this.finish({ id: entry.id, entries: [entry], statuses });
      return undefined;
    }
    // An end that could not be reported is not tried again and again, also when its time is over.
    const isUntold = statuses !== result.statuses;
    const dueAt = isUntold ? Math.max(times.dueAt, clock.now() + pauses.maxMs) : times.dueAt;
    await this.#leave(task, statuses, dueAt);
    return isHeldWhole(task, statuses) ? undefined : dueAt;
  }

  /** Writes the rest of an entry: the waiting recipients, and in entries of their own those that are held. */
  async #leave(task: Task, statuses: ReadonlyMap<number, RecipientStatus>, dueAt: number): Promise<void> {
    const { log, clock, spool } = this.#parts;
    const { entry } = task;
    const { id } = entry;
    const pending = [...statuses].flatMap(([index, { status }]) => (status === 'pending' ? [index] : []));
    const to = rescheduled(entry, dueAt, clock.now());
    const parts: LaneEntry[] = [];
    let changes = statusChanges(id, statuses);
    let holds: Task['holds'];
    do {
      holds = task.holds;
      const groups = [...byHold(pending, holds)];
      const now = groups.map(([held, recipients], place): LaneEntry => {
        const number =
          place === 0
            ? entry.number
            : (parts[place]?.number ?? this.#claims.nextNumber(id, spool.entries(id)));
        const own = groups.length === 1 && parts.length <= 1 ? {} : { recipients };
        return { ...to, ...own, number, ...(held !== undefined && { held }) };
      });
      const gone = parts.slice(now.length).map((part): Change => ({ kind: 'finish', entry: part }));
      await this.update(id, [...changes, ...now.map((part) => written(entry, part)), ...gone]);
      parts.splice(0, parts.length, ...now);
      changes = [];
      // An operator may have said otherwise while it was being written.
    } while (task.holds !== holds);
    for (const { held } of parts)
      if (held !== undefined) log.info('held', { queueId: id, status: 'held', because: held });
  }

  /**
   * Has the end reported to the sender. A notification that cannot be made leaves its recipients pending, so that no
   * failure goes unreported; one that cannot be spooled now is waited for. Only failures wait for others to be
   * reported with: deliveries are on disk before, or a crash meanwhile would repeat them.
   */
  async #notify(
    task: Task,
    result: { readonly octets: StoredOctets; readonly statuses: ReadonlyMap<number, RecipientStatus> },
    retryUntil: number,
  ): Promise<ReadonlyMap<number, RecipientStatus>> {
    const { id } = task.entry;
    const event = { id, envelope: task.envelope, ...result, kind: 'ended', retryUntil } as const;
    try {
      if (isSuccessAskedFor(task, result.statuses)) await this.#tell(event);
      else {
        if (this.#claims.of(id).length > 1) await this.#recordDelivered(id, result.statuses);
        await this.#notices.add(event);
      }
      return result.statuses;
    } catch (error) {
      if (error instanceof SpoolError) throw error;
      this.#parts.log.error('notification-failed', { queueId: id, because: String(error) });
      return new Map([...result.statuses].map(([index, status]) => [index, pendingInstead(status)]));
    }
  }

  async #recordDelivered(id: QueueId, statuses: ReadonlyMap<number, RecipientStatus>): Promise<void> {
    const delivered = new Map([...statuses].filter(([, { status }]) => status === 'delivered'));
    if (delivered.size > 0) await this.update(id, statusChanges(id, delivered));
  }

  #tell(event: NotifyEvent): Promise<void> {
    return this.#persist(event.id, () => this.#parts.notify(event));
  }

  /**
   * Ends entries of a message, and the message with its last one. A crash before that is durable delivers
   * again; no delivery waits for it.
   */
  async finish({ id, entries, statuses }: Ended): Promise<void> {
    // An entry for all recipients has no others beside it: nothing is to be counted.
    if (entries.some(({ recipients }) => recipients === 'all')) {
      await this.#remove(id);
      return;
    }
    const ending = this.#ending.get(id) ?? new Set<number>();
    this.#ending.set(id, ending);
    for (const { number } of entries) ending.add(number);
    try {
      const isLast = await this.#persist(id, async () => {
        const ends = !this.#hasOthers(id, ending);
        await this.#parts.spool.update(ends ? [{ kind: 'remove', id }] : finishes({ id, entries, statuses }));
        return ends;
      });
      if (isLast) this.#parts.log.info('removed', { queueId: id });
      else for (const { number } of entries) this.#noteEnd(id, number);
    } finally {
      // The spool shows the end now; what still counts on this set began before and is in it too.
      for (const { number } of entries) ending.delete(number);
      if (ending.size === 0) this.#ending.delete(id);
    }
  }

  async #remove(id: QueueId): Promise<undefined> {
    await this.update(id, [{ kind: 'remove', id }]);
    this.#parts.log.info('removed', { queueId: id });
  }

  /** Ends an entry whose recipients have all ended and been reported. */
  async finishTold(entry: LaneEntry): Promise<undefined> {
    await this.finish({ id: entry.id, entries: [entry], statuses: new Map() });
  }

  #noteEnd(id: QueueId, number: number): void {
    if (this.#claims.get(id, number) === undefined) return;
    const ended = this.#ended.get(id) ?? new Set();
    this.#ended.set(id, ended.add(number));
  }

  #hasOthers(id: QueueId, ending: ReadonlySet<number>): boolean {
    const ended = this.#ended.get(id);
    const isOver = (number: number) => ending.has(number) || ended?.has(number) === true;
    if (this.#claims.of(id).some(({ entry }) => !isOver(entry.number))) return true;
    return this.#parts.spool.entries(id).some(({ number }) => !ending.has(number));
  }

  #reschedule(from: LaneEntry, to: LaneEntry): Promise<void> {
    return this.update(from.id, [{ kind: 'reschedule', from, to }]);
  }

  /** Writes a change that must not be lost: tried again until it works, or until a drain is in a hurry. */
  async update(id: QueueId, changes: readonly Change[]): Promise<void> {
    try {
      await this.#parts.spool.update(changes);
    } catch (error) {
      await this.#again(id, error, () => this.#parts.spool.update(changes));
    }
  }

  async #persist<T>(id: QueueId, write: () => Promise<T>): Promise<T> {
    try {
      return await write();
    } catch (error) {
      return await this.#again(id, error, write);
    }
  }

  /** Repeats a failed write until it works. */
  async #again<T>(id: QueueId, failure: unknown, write: () => Promise<T>): Promise<T> {
    let error = failure;
    for (let failures = 1; ; failures++) {
      if (!willPass(error) || this.#state === 'hasty') throw error;
      if (failures === 1) this.#parts.log.error('end-not-recorded', { queueId: id, because: error.message });
      await this.#pause(backOff(failures, pauses));
      try {
        return await write();
      } catch (another) {
        error = another;
      }
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        cancel();
        this.#pauses.delete(wake);
        resolve();
      };
      const cancel = this.#parts.clock.after(ms, wake);
      this.#pauses.add(wake);
    });
  }

  /** The attempt could not begin; returns when it is to be tried again. */
  async giveBack(entry: LaneEntry, dueAt: number): Promise<number> {
    await this.#reschedule(entry, unclaimed(entry, dueAt));
    return dueAt;
  }

  /** Octets that cannot be read hold the message, loudly: an operator has to look at it. */
  async holdUnreadable(entry: LaneEntry, error: unknown): Promise<undefined> {
    const because = unreadableBecause(error);
    this.#parts.log.error('held', { queueId: entry.id, status: 'held', because });
    const { begun: _, ...rest } = entry;
    await this.#reschedule(entry, { ...rest, held: because });
  }
}

function finishes({ id, entries, statuses }: Ended): readonly Change[] {
  const ends = entries.map((entry): Change => ({ kind: 'finish', entry }));
  return [...statusChanges(id, statuses), ...ends];
}

function written(entry: LaneEntry, part: LaneEntry): Change {
  return part.number === entry.number
    ? { kind: 'reschedule', from: entry, to: part }
    : { kind: 'add', entry: part };
}

function isHeldWhole({ holds }: Task, statuses: ReadonlyMap<number, RecipientStatus>): boolean {
  return [...statuses].every(([index, { status }]) => status !== 'pending' || holds?.has(index));
}

function pendingInstead(status: RecipientStatus): RecipientStatus {
  return status.status === 'failed' ? { status: 'pending', at: status.at, reply: status.reply } : status;
}

/** The reason for holding a message whose octets or envelope cannot be read. */
export function unreadableBecause(error: unknown): string {
  return `unreadable: ${error instanceof Error ? error.message : String(error)}`;
}

/** Whether the spool took nothing now, and may do so later. */
function willPass(error: unknown): error is SpoolError {
  return error instanceof SpoolError && (error.code === 'full' || error.code === 'io');
}

/** Whether a recipient asked for a report of success (RFC 3461 §4.1). */
function isSuccessAskedFor({ envelope }: Task, statuses: ReadonlyMap<number, RecipientStatus>): boolean {
  for (const [index, { status }] of statuses) {
    if (status === 'delivered' && envelope.recipients[index]?.notify?.includes('success')) return true;
  }
  return false;
}

function isToBeTold(task: Task, statuses: ReadonlyMap<number, RecipientStatus>): boolean {
  return hasStatus(statuses, 'failed') || isSuccessAskedFor(task, statuses);
}
