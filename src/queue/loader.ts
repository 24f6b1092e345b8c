/** Loads entries from disk: entries that fell due, and those whose attempt a crash cut off. */
import type { Envelope, LaneName } from '../mail/index.ts';
import { type Change, inTurns, type LaneEntry, type Spool, SpoolError } from '../spool/index.ts';
import type { Claims } from './claims.ts';
import { claimed } from './entry.ts';
import { type Lane, Task } from './lane.ts';
import type { QueueParts } from './parts.ts';

/** A lane with fewer waiting tasks than this fetches more from disk. */
const refillBelow = 100;
const batchSize = 2 * refillBelow;
/** When a spool that could not be read or written is asked again. */
const retryMs = 1000;
/** A message whose attempts keep being cut off may be the reason for it: then its lease stands. */
const trustedInterruptions = 3;
const enough: Found = { kind: 'enough' };

/** The parts that the loader needs. */
export interface LoaderOptions {
  readonly claims: Claims;
  /** The lease of the claim of an attempt with this number, in milliseconds. */
  readonly leaseMs: (attempts: number) => number;
  /** Called for an entry whose envelope is damaged: it is left out. */
  readonly onUnreadable: (entry: LaneEntry, error: unknown) => void;
}

/** The result of a look at the disk. */
export type Found =
  /** The lane has enough in memory, or nothing on disk. */
  | { readonly kind: 'enough' }
  /** Claims of the lane, which are to be written. */
  | { readonly kind: 'claims'; readonly tasks: readonly Task[] }
  /** Nothing is to be claimed before then; without a time, nothing at all. */
  | { readonly kind: 'nothing'; readonly until: number | undefined };

/**
 * Brings due entries from disk into their lane: reads a batch, counts the attempt of each and writes
 * that, and only when it is durable puts them in line.
 */
export class Loader {
  readonly #parts: QueueParts;
  readonly #claims: Claims;
  readonly #options: LoaderOptions;

  constructor(parts: QueueParts, options: LoaderOptions) {
    this.#parts = parts;
    this.#claims = options.claims;
    this.#options = options;
  }

  /** Looks for more for the lane when it runs low and may have more on disk. Never throws. */
  look(lane: Lane): Found {
    const now = this.#parts.clock.now();
    if (!lane.hasMore || lane.isLoading || lane.health.kind === 'suspended') return enough;
    if (lane.waiting >= refillBelow || this.#claims.laneRoom(lane) === 0) return enough;
    // Due already, so it is woken as soon as there is room.
    if (this.#claims.room === 0) return { kind: 'nothing', until: now };
    const tasks: Task[] = [];
    try {
      this.#collect(lane, tasks);
      if (tasks.length > 0) return { kind: 'claims', tasks };
      lane.endFlush();
      const next = this.#unclaimed(lane.name, { until: Number.MAX_SAFE_INTEGER }).next();
      return { kind: 'nothing', until: next.value?.dueAt };
    } catch (error) {
      return this.#failed(lane, tasks, error);
    }
  }

  /** Writes the claims. `undefined` when they are durable, else the entries that were found instead. */
  async claim(lane: Lane, tasks: readonly Task[]): Promise<Found | undefined> {
    lane.beginLoading(tasks.length);
    try {
      const changes = tasks.map(({ entry }): Change => ({ kind: 'reschedule', from: entry, to: entry }));
      await this.#parts.spool.update(changes);
      return undefined;
    } catch (error) {
      return this.#failed(lane, tasks, error);
    } finally {
      lane.endLoading(tasks.length);
    }
  }

  #failed(lane: Lane, tasks: readonly Task[], error: unknown): Found {
    for (const task of tasks) this.#claims.remove(task);
    this.#parts.log.error('claim-failed', { relay: lane.name, because: String(error) });
    lane.endFlush();
    return { kind: 'nothing', until: this.#parts.clock.now() + retryMs };
  }

  /** Makes tasks for the next entries to claim; they count as claimed from now on. */
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
    // Entries that a flush has tried come back behind the place it has read up to.
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
    const leaseUntil = clock.now() + this.#options.leaseMs(entry.attempts + 1);
    return new Task({
      lane,
      entry: claimed(entry, leaseUntil, clock.now()),
      envelope,
      isMailing: this.#claims.isMailing(envelope),
      routes: undefined,
    });
  }

  /**
   * One value for all claimed entries of a message: an envelope of thousands is large. An entry claimed before
   * recipients were added does not have them.
   */
  #envelope(entry: LaneEntry) {
    const [sibling] = this.#claims.of(entry.id);
    if (sibling !== undefined && covers(sibling.envelope, entry)) return sibling.envelope;
    try {
      return this.#parts.spool.envelope(entry.id);
    } catch (error) {
      if (!(error instanceof SpoolError && error.code === 'corrupt')) throw error;
      this.#options.onUnreadable(entry, error);
      return undefined;
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
