/** What comes from disk: entries that fell due, and those whose attempt a crash cut off. */
import type { Envelope, LaneName } from '../mail/index.ts';
import { type Change, inTurns, type LaneEntry, type Spool, SpoolError } from '../spool/index.ts';
import type { Claims } from './claims.ts';
import { claimed } from './entry.ts';
import type { Lane, Task } from './lane.ts';
import type { QueueParts } from './parts.ts';

/** A lane with fewer waiting tasks than this fetches more from disk. */
const refillBelow = 100;
const batchSize = 2 * refillBelow;
/** When a spool that could not be read or written is asked again. */
const retryMs = 1000;
/** A message whose attempts keep being cut off may be the reason for it: then its lease stands. */
const trustedInterruptions = 3;

/** What the loader tells the queue. */
export interface LoaderEvents {
  /** How long the claim of an attempt with this number is leased. */
  leaseMs(attempts: number): number;
  claimed(lane: Lane, task: Task): void;
  /** The lane has nothing to claim before then: it sleeps. */
  sleeps(lane: Lane, until: number): void;
  /** A batch was claimed, or could not be. */
  loaded(lane: Lane): void;
  unreadable(entry: LaneEntry, error: unknown): void;
}

/**
 * Brings due entries from disk into their lane: reads a batch, counts the attempt of each and writes
 * that, and only when it is durable puts them in line.
 */
export class Loader {
  readonly #parts: QueueParts;
  readonly #claims: Claims;
  readonly #events: LoaderEvents;

  constructor(parts: QueueParts, claims: Claims, events: LoaderEvents) {
    this.#parts = parts;
    this.#claims = claims;
    this.#events = events;
  }

  /** Fetches more for the lane when it runs low and may have more on disk. Never throws. */
  refill(lane: Lane): void {
    const now = this.#parts.clock.now();
    if (!lane.hasMore || lane.isLoading || lane.health.kind === 'suspended') return;
    if (lane.waiting >= refillBelow || this.#claims.laneRoom(lane) === 0) return;
    // Due already, so it is woken as soon as there is room.
    if (this.#claims.room === 0) {
      this.#sleep(lane, now);
      return;
    }
    const tasks: Task[] = [];
    try {
      this.#collect(lane, tasks);
      if (tasks.length > 0) {
        this.#parts.background.run(`claim ${lane.name}`, this.#claim(lane, tasks));
        return;
      }
      lane.endFlush();
      const next = this.#unclaimed(lane.name, { until: Number.MAX_SAFE_INTEGER }).next();
      if (next.done !== true) this.#sleep(lane, next.value.dueAt);
      else lane.sleep();
    } catch (error) {
      for (const task of tasks) this.#claims.remove(task);
      this.#failed(lane, error);
    }
  }

  #sleep(lane: Lane, until: number): void {
    lane.sleep();
    this.#events.sleeps(lane, until);
  }

  #failed(lane: Lane, error: unknown): void {
    this.#parts.log.error('claim-failed', { relay: lane.name, because: String(error) });
    lane.endFlush();
    this.#sleep(lane, this.#parts.clock.now() + retryMs);
  }

  /** Makes tasks for what is to be claimed next; they count as claimed from now on. */
  #collect(lane: Lane, tasks: Task[]): void {
    const limit = Math.min(this.#claims.laneRoom(lane), this.#claims.room, batchSize);
    for (const entry of this.#due(lane)) {
      const task = this.#take(lane, entry);
      if (task === undefined) continue;
      this.#claims.add(task);
      if (tasks.push(task) === limit) return;
    }
  }

  /** Entries that may be claimed now; in a flush, all those that it has not tried already. */
  *#due(lane: Lane): Generator<LaneEntry> {
    const { flush } = lane;
    const until = flush === undefined ? this.#parts.clock.now() : Number.MAX_SAFE_INTEGER;
    // What a flush has tried comes back behind the place it has read up to.
    for (const entry of this.#unclaimed(lane.name, { until, after: flush?.after })) {
      if (lane.flushReaches(entry)) yield entry;
    }
  }

  /** Passed over are those whose lease ran out while they are claimed here. */
  *#unclaimed(
    lane: LaneName,
    place: { readonly until: number; readonly after?: LaneEntry | undefined },
  ): Generator<LaneEntry> {
    for (const batch of batches(this.#parts.spool, lane, place)) {
      for (const entry of batch) if (!this.#claims.excludes(entry)) yield entry;
    }
  }

  /** `undefined` when the message is gone or cannot be read. Throws when nothing can be read. */
  #take(lane: Lane, entry: LaneEntry): Task | undefined {
    const envelope = this.#envelope(entry);
    if (envelope === undefined) return undefined;
    const { clock } = this.#parts;
    const leaseUntil = clock.now() + this.#events.leaseMs(entry.attempts + 1);
    return {
      lane: lane.name,
      entry: claimed(entry, leaseUntil, clock.now()),
      envelope,
      isMailing: this.#claims.isMailing(envelope),
      routes: undefined,
      state: 'claiming',
    };
  }

  /**
   * One value for all claimed entries of a message: an envelope of thousands is large. One that was claimed
   * before recipients were added does not have them.
   */
  #envelope(entry: LaneEntry) {
    const [sibling] = this.#claims.of(entry.id);
    if (sibling !== undefined && covers(sibling.envelope, entry)) return sibling.envelope;
    try {
      return this.#parts.spool.envelope(entry.id);
    } catch (error) {
      if (!(error instanceof SpoolError && error.code === 'corrupt')) throw error;
      this.#events.unreadable(entry, error);
      return undefined;
    }
  }

  async #claim(lane: Lane, tasks: readonly Task[]): Promise<void> {
    lane.beginLoading(tasks.length);
    try {
      const changes = tasks.map(({ entry }): Change => ({ kind: 'reschedule', from: entry, to: entry }));
      await this.#parts.spool.update(changes);
      for (const task of tasks) if (task.state === 'claiming') this.#events.claimed(lane, task);
    } catch (error) {
      for (const task of tasks) this.#claims.remove(task);
      this.#failed(lane, error);
    } finally {
      lane.endLoading(tasks.length);
      this.#events.loaded(lane);
    }
  }
}

function covers({ recipients }: Envelope, entry: LaneEntry): boolean {
  return entry.recipients === 'all' || entry.recipients.every((index) => index < recipients.length);
}

/** Entries of a lane in order, from a place on, a batch at a time. */
function* batches(
  spool: Spool,
  lane: LaneName,
  place: { readonly until: number; readonly after?: LaneEntry | undefined },
): Generator<readonly LaneEntry[]> {
  const { until, after: first } = place;
  for (let after = first; ; ) {
    const batch = spool.due(lane, { until, limit: batchSize, ...(after && { after }) });
    yield batch;
    if (batch.length < batchSize) return;
    after = batch.at(-1);
  }
}

/**
 * Finds the attempts that were begun and never recorded as ended (the process died) and makes them due
 * now. Passes over what this process has claimed itself: it takes mail already. Reads every scheduled entry
 * once, in batches between which other work goes on. Returns how many.
 */
export async function recoverInterrupted(
  spool: Spool,
  options: { readonly now: number; readonly isClaimed: (entry: LaneEntry) => boolean },
): Promise<number> {
  const { now, isClaimed } = options;
  let found = 0;
  for await (const { lane } of inTurns(spool.lanes())) {
    for await (const batch of inTurns(batches(spool, lane, { until: Number.MAX_SAFE_INTEGER }), 1)) {
      const changes = batch
        .filter((entry) => isInterrupted(entry) && !isClaimed(entry))
        .map((from): Change => {
          const { begun: _, ...rest } = from;
          return { kind: 'reschedule', from, to: { ...rest, dueAt: Math.min(now, from.dueAt) } };
        });
      found += changes.length;
      if (changes.length > 0) await spool.update(changes);
    }
  }
  return found;
}

function isInterrupted(entry: LaneEntry): boolean {
  return entry.begun === true && entry.attempts < trustedInterruptions;
}
