import { type Clock, DueHeap } from '../base/index.ts';
import type { LaneName, Spool } from '../spool/index.ts';

const maxSleepers = 10_000;

/**
 * Wakes lanes when their first entry on disk falls due. Keeps a bounded number of lanes in memory; when
 * there are more, it reads them again from the spool at the time of the first that it had to leave out.
 */
export class Alarm {
  readonly #clock: Clock;
  readonly #spool: Spool;
  readonly #ring: (lane: LaneName) => void;
  readonly #sleepers = new DueHeap(maxSleepers);
  #rescanAt = Number.POSITIVE_INFINITY;
  #armedFor = Number.POSITIVE_INFINITY;
  #cancel: (() => void) | undefined;
  #isStopped = false;

  constructor(parts: { readonly clock: Clock; readonly spool: Spool }, ring: (lane: LaneName) => void) {
    this.#clock = parts.clock;
    this.#spool = parts.spool;
    this.#ring = ring;
  }

  /** Wakes the lane at `dueAt`, or earlier when that was asked before. */
  set(lane: LaneName, dueAt: number): void {
    if (!this.#sleepers.set(lane, dueAt)) this.#rescanAt = Math.min(this.#rescanAt, dueAt);
    this.#arm();
  }

  /** Sets an alarm for every lane that has something on disk. */
  scan(): void {
    this.#rescanAt = Number.POSITIVE_INFINITY;
    for (const { lane, dueAt } of this.#spool.lanes()) {
      if (!this.#sleepers.set(lane, dueAt)) this.#rescanAt = Math.min(this.#rescanAt, dueAt);
    }
    this.#arm();
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel?.();
  }

  #arm(): void {
    const at = Math.min(this.#sleepers.peek() ?? Number.POSITIVE_INFINITY, this.#rescanAt);
    if (this.#isStopped || at >= this.#armedFor) return;
    this.#cancel?.();
    this.#armedFor = at;
    this.#cancel = this.#clock.after(Math.max(0, at - this.#clock.now()), () => this.#ringAll());
  }

  #ringAll(): void {
    this.#armedFor = Number.POSITIVE_INFINITY;
    const now = this.#clock.now();
    if (this.#rescanAt <= now) this.scan();
    for (let lane = this.#sleepers.take(now); lane !== undefined; lane = this.#sleepers.take(now)) {
      this.#ring(lane);
    }
    this.#arm();
  }
}
