import type { Clock } from '../base/index.ts';
import type { LaneName } from '../mail/index.ts';
import { Lane } from './lane.ts';

const maxIdle = 10_000;

/** The lanes that are in memory: those that have something to do, and some that had. */
export class LaneTable {
  readonly #clock: Clock;
  readonly #maxWindow: number;
  readonly #lanes = new Map<LaneName, Lane>();
  #forgetAt = maxIdle;

  constructor(clock: Clock, maxWindow: number) {
    this.#clock = clock;
    this.#maxWindow = maxWindow;
  }

  all(): Iterable<Lane> {
    return this.#lanes.values();
  }

  /** The lane when it is in memory; a suspended one is. */
  find(name: LaneName): Lane | undefined {
    return this.#lanes.get(name);
  }

  get(name: LaneName): Lane {
    const known = this.#lanes.get(name);
    if (known !== undefined) return known;
    if (this.#lanes.size >= this.#forgetAt) this.#forgetIdle();
    const lane = new Lane(name, this.#maxWindow);
    this.#lanes.set(name, lane);
    return lane;
  }

  /** Twice as many as are left may come before this is done again, so that it costs each of them little. */
  #forgetIdle(): void {
    const now = this.#clock.now();
    for (const [name, lane] of this.#lanes) if (lane.isIdle(now)) this.#lanes.delete(name);
    this.#forgetAt = Math.max(maxIdle, 2 * this.#lanes.size);
  }
}
