import type { Change, LaneEntry } from '../spool/index.ts';
import type { Claims } from './claims.ts';
import type { Lane, Task } from './lane.ts';
import type { QueueParts } from './options.ts';
import { claimed } from './settle.ts';

/** A lane with fewer waiting tasks than this fetches more from disk. */
const refillBelow = 100;

/** What the loader tells the queue. */
export interface LoaderEvents {
  /** How long the claim of an attempt with this number is leased. */
  leaseMs(attempts: number): number;
  claimed(lane: Lane, task: Task): void;
  /** Everything that was due is claimed; the next entry falls due then. */
  drained(lane: Lane, nextDueAt: number | undefined): void;
  /** A batch was claimed. */
  loaded(lane: Lane): void;
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

  /** Fetches more for the lane when it runs low and may have more on disk. */
  refill(lane: Lane): void {
    if (!lane.hasMore || lane.isLoading || lane.health.kind === 'suspended') return;
    if (lane.waiting >= refillBelow) return;
    const room = this.#claims.room(lane);
    if (room === 0) return;
    const entries = this.#readDue(lane, Math.min(room, refillBelow * 2));
    if (entries.length === 0) {
      lane.hasMore = false;
      lane.flushAt = undefined;
      this.#events.drained(lane, this.#parts.spool.laneDue(lane.name));
      return;
    }
    lane.isLoading = true;
    this.#parts.background.run(`claim ${lane.name}`, this.#claim(lane, entries));
  }

  /**
   * Entries that may be claimed now. Passed over are those whose lease ran out while they wait here, and in
   * a flush those that it has tried already.
   */
  #readDue(lane: Lane, limit: number): readonly LaneEntry[] {
    const { flushAt } = lane;
    const until = flushAt === undefined ? this.#parts.clock.now() : Number.MAX_SAFE_INTEGER;
    const found: LaneEntry[] = [];
    let batch: readonly LaneEntry[];
    let after: LaneEntry | undefined;
    do {
      const place = after === undefined ? { until, limit } : { until, limit, after };
      batch = this.#parts.spool.due(lane.name, place);
      for (const entry of batch) {
        const isTried = flushAt !== undefined && (entry.attemptedAt ?? 0) >= flushAt;
        if (!isTried && !this.#claims.has(entry)) found.push(entry);
      }
      after = batch.at(-1);
    } while (batch.length === limit && found.length < limit);
    return found;
  }

  async #claim(lane: Lane, entries: readonly LaneEntry[]): Promise<void> {
    const { spool, clock } = this.#parts;
    const now = clock.now();
    lane.reserved += entries.length;
    try {
      const claims = entries.map((from) => ({
        from,
        to: claimed(from, now + this.#events.leaseMs(from.attempts + 1), now),
      }));
      await spool.update(claims.map(({ from, to }): Change => ({ kind: 'reschedule', from, to })));
      for (const { to } of claims) this.#enter(lane, to);
    } finally {
      lane.reserved -= entries.length;
      lane.isLoading = false;
      this.#events.loaded(lane);
    }
  }

  #enter(lane: Lane, entry: LaneEntry): void {
    const envelope = this.#parts.spool.envelope(entry.id);
    if (envelope === undefined) return;
    this.#events.claimed(lane, {
      lane: lane.name,
      entry,
      envelope,
      laneCount: this.#parts.spool.entries(entry.id).length,
      isMailing: this.#claims.isMailing(envelope),
      state: 'waiting',
    });
  }
}
