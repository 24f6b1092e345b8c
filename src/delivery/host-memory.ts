import type { Clock } from '../base/index.ts';

/** Hosts remembered at most; when there are more, the oldest failure is forgotten first. */
const maxHosts = 10_000;

/**
 * Which hosts could not be reached lately (RFC 5321 §4.5.4.1): they are tried last, so that a dead first
 * choice costs its time-out once and not with every message.
 */
export class HostMemory {
  readonly #clock: Clock;
  readonly #avoidMs: number;
  readonly #failedUntil = new Map<string, number>();

  constructor(clock: Clock, avoidMs: number) {
    this.#clock = clock;
    this.#avoidMs = avoidMs;
  }

  failed(key: string): void {
    this.#failedUntil.delete(key);
    if (this.#failedUntil.size >= maxHosts) {
      for (const oldest of this.#failedUntil.keys()) {
        this.#failedUntil.delete(oldest);
        break;
      }
    }
    this.#failedUntil.set(key, this.#clock.now() + this.#avoidMs);
  }

  worked(key: string): void {
    this.#failedUntil.delete(key);
  }

  isAvoided(key: string): boolean {
    const until = this.#failedUntil.get(key);
    if (until === undefined) return false;
    if (until > this.#clock.now()) return true;
    this.#failedUntil.delete(key);
    return false;
  }

  /** The same values, those that failed lately last; otherwise in their order. */
  order<T>(values: readonly T[], keyOf: (value: T) => string): readonly T[] {
    if (this.#failedUntil.size === 0 || values.length < 2) return values;
    const avoided = values.filter((value) => this.isAvoided(keyOf(value)));
    return avoided.length === 0
      ? values
      : [...values.filter((value) => !avoided.includes(value)), ...avoided];
  }
}
