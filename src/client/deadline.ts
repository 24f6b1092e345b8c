/** One deadline that moves with the phases of a session. */
import type { Clock } from '../base/index.ts';

/**
 * One deadline that moves. Phases end long before their deadline, so the timer under it is left alone when
 * the deadline moves later and looks again when it fires: a busy session sets no timers.
 */
export class Deadline {
  readonly #clock: Clock;
  readonly #onPassed: () => void;
  #at = Number.POSITIVE_INFINITY;
  #firesAt = Number.POSITIVE_INFINITY;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, onPassed: () => void) {
    this.#clock = clock;
    this.#onPassed = onPassed;
  }

  set(afterMs: number): void {
    this.#at = this.#clock.now() + afterMs;
    if (this.#at >= this.#firesAt) return;
    this.#cancel?.();
    this.#start(afterMs);
  }

  /** There is no deadline for now. The timer stays, for the next one. */
  clear(): void {
    this.#at = Number.POSITIVE_INFINITY;
  }

  /** Ends the timer as well. */
  close(): void {
    this.clear();
    this.#cancel?.();
    this.#cancel = undefined;
    this.#firesAt = Number.POSITIVE_INFINITY;
  }

  #start(afterMs: number): void {
    this.#firesAt = this.#clock.now() + afterMs;
    this.#cancel = this.#clock.after(afterMs, () => this.#look());
  }

  #look(): void {
    this.#cancel = undefined;
    this.#firesAt = Number.POSITIVE_INFINITY;
    if (this.#at === Number.POSITIVE_INFINITY) return;
    const leftMs = this.#at - this.#clock.now();
    if (leftMs > 0) {
      this.#start(leftMs);
      return;
    }
    this.clear();
    this.#onPassed();
  }
}
