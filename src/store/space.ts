/** Watches the free space of a file system. */
import { statfsSync } from 'node:fs';
import type { Clock } from '../base/index.ts';

export interface SpaceOptions {
  readonly clock: Clock;
  /** Below this many free octets the store is `low`. */
  readonly floorBytes: number;
  /** Free octets for an unprivileged user; a test passes its own. May throw. */
  readonly freeBytes: () => number;
  /** How often the file system is asked. */
  readonly everyMs?: number;
}

/** The free octets of the file system of `path`, as `df` shows them. */
export function freeBytesOf(path: string): number {
  const { bavail, bsize } = statfsSync(path);
  return bavail * bsize;
}

/**
 * Watches the free space of one file system. Pages that are free inside the store do not count: it is
 * simple, and wrong only on the safe side.
 */
export class SpaceWatch {
  readonly floorBytes: number;
  readonly #options: SpaceOptions;
  #measured = Number.POSITIVE_INFINITY;
  #spentSince = 0;
  #cancel: () => void = () => {};

  constructor(options: SpaceOptions) {
    this.#options = options;
    this.floorBytes = options.floorBytes;
  }

  start(): void {
    this.#look();
  }

  stop(): void {
    this.#cancel();
  }

  /** Subtracts octets that were written since the file system was asked from the estimate. */
  spend(bytes: number): void {
    this.#spentSince += bytes;
  }

  get freeBytes(): number {
    return Math.max(0, this.#measured - this.#spentSince);
  }

  #look(): void {
    try {
      this.#measured = this.#options.freeBytes();
      this.#spentSince = 0;
    } catch {
      // A file system that does not answer gives no figure; a write will show its fault.
    }
    this.#cancel = this.#options.clock.after(this.#options.everyMs ?? 1000, () => this.#look());
  }
}
