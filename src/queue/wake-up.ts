/** The timer of lanes that have nothing to claim before some time. */
import { type Clock, DueHeap, type Log } from '../base/index.ts';
import type { LaneName } from '../mail/index.ts';
import type { Spool } from '../spool/index.ts';
import type { QueueEvents } from './events.ts';

const maxSleepers = 10_000;
/** Lanes that there was no place for are read again, which is a seek for every lane: not more often. */
const rescanMs = 10_000;

/** The parts that wake-ups need. */
export interface WakeUpParts {
  readonly clock: Clock;
  readonly spool: Spool;
  readonly log: Log<QueueEvents>;
  /** Whether a lane that is woken could claim anything now. */
  readonly hasRoom: () => boolean;
  readonly wake: (lane: LaneName) => void;
}

/**
 * Wakes lanes when their first entry on disk falls due, the longest due first, and only while there is room
 * to claim it. Keeps a bounded number of lanes in memory; when there are more, it reads them again from the
 * spool when the first that it had to leave out is due.
 */
export class WakeUps {
  readonly #parts: WakeUpParts;
  readonly #sleepers = new DueHeap<LaneName>(maxSleepers);
  #rescanAt = Number.POSITIVE_INFINITY;
  #armedFor = Number.POSITIVE_INFINITY;
  #cancel: (() => void) | undefined;
  #state: 'running' | 'waiting-for-room' | 'stopped' = 'running';

  constructor(parts: WakeUpParts) {
    this.#parts = parts;
  }

  /** Wakes the lane at `dueAt`, or earlier when that was asked before. */
  set(lane: LaneName, dueAt: number): void {
    const known = this.#sleepers.at(lane);
    if (known !== undefined && known <= dueAt) return;
    if (!this.#sleepers.set(lane, dueAt)) {
      this.#rescanAt = Math.min(this.#rescanAt, Math.max(dueAt, this.#parts.clock.now() + rescanMs));
    }
    this.#arm();
  }

  /** Wakes every lane that has something due on disk, and sets a wake-up for the others. */
  scan(): void {
    this.#rescanAt = Number.POSITIVE_INFINITY;
    const now = this.#parts.clock.now();
    for (const { lane, dueAt } of this.#parts.spool.lanes()) {
      if (dueAt <= now && this.#parts.hasRoom()) this.#parts.wake(lane);
      else this.set(lane, dueAt);
    }
    this.#arm();
  }

  /** There is room again: wakes the lanes that were due and had to wait for it. */
  poke(): void {
    if (this.#state !== 'waiting-for-room') return;
    this.#state = 'running';
    this.#wakeDue();
  }

  stop(): void {
    this.#state = 'stopped';
    this.#cancel?.();
  }

  #arm(): void {
    const at = Math.min(this.#sleepers.peek() ?? Number.POSITIVE_INFINITY, this.#rescanAt);
    if (this.#state !== 'running' || at >= this.#armedFor) return;
    this.#cancel?.();
    this.#armedFor = at;
    const { clock } = this.#parts;
    this.#cancel = clock.after(Math.max(0, at - clock.now()), () => {
      this.#armedFor = Number.POSITIVE_INFINITY;
      this.#wakeDue();
    });
  }

  #wakeDue(): void {
    const { clock, hasRoom, wake } = this.#parts;
    const now = clock.now();
    if (this.#rescanAt <= now) this.#rescan();
    while (this.#state === 'running' && (this.#sleepers.peek() ?? Number.POSITIVE_INFINITY) <= now) {
      if (!hasRoom()) {
        this.#state = 'waiting-for-room';
        return;
      }
      const lane = this.#sleepers.take(now);
      if (lane !== undefined) wake(lane);
    }
    this.#arm();
  }

  /** No caller waits for a timer, so a failing read of the spool is logged here and tried again. */
  #rescan(): void {
    try {
      this.scan();
    } catch (error) {
      this.#parts.log.error('lanes-unreadable', { because: String(error) });
      this.#rescanAt = this.#parts.clock.now() + rescanMs;
    }
  }
}
