/** Slows acceptance down where it outruns delivery. */
import type { Clock } from '../base/index.ts';
import type { LaneName } from '../mail/index.ts';
import type { Lane } from './lane.ts';

const defaultPatienceMs = 50;

/** The clock, the test for room in a lane, and the longest wait for it. */
export interface InFlowOptions {
  readonly clock: Clock;
  readonly hasRoom: (lane: Lane) => boolean;
  readonly patienceMs: number | undefined;
}

/**
 * Slows acceptance down where it outruns delivery. A message that waits a moment for room in its lane is
 * delivered from memory; one that is fetched from disk costs about twice as much, and once a lane has one of
 * them, all that follow go the same way until it has caught up. (Postfix: `in_flow_delay`; here it concerns
 * only mail for the destination that is behind, and ends when it does not help.)
 */
export class InFlow {
  readonly #clock: Clock;
  readonly #hasRoom: (lane: Lane) => boolean;
  readonly #patienceMs: number;
  readonly #waiting = new Map<LaneName, Set<() => void>>();

  constructor({ clock, hasRoom, patienceMs }: InFlowOptions) {
    this.#clock = clock;
    this.#hasRoom = hasRoom;
    this.#patienceMs = patienceMs ?? defaultPatienceMs;
  }

  /** Whether a message for the lane had better wait. */
  isFull(lane: Lane): boolean {
    return this.#patienceMs > 0 && (this.#waiting.has(lane.name) || this.#isWorthWaiting(lane));
  }

  /** Waits for room in each of the lanes, in turn, as long as that may help. */
  async room(lanes: readonly Lane[]): Promise<void> {
    const until = this.#clock.now() + this.#patienceMs;
    for (const lane of lanes) {
      if (!this.isFull(lane)) continue;
      do await this.#turn(lane.name, until - this.#clock.now());
      while (this.#isWorthWaiting(lane) && this.#clock.now() < until);
    }
  }

  /** An attempt in the lane is over: the first in turn has its place. */
  left(lane: Lane): void {
    const turns = this.#waiting.get(lane.name);
    if (turns === undefined || !this.#hasRoom(lane)) return;
    const [first] = turns;
    first?.();
  }

  /** It is full, and nothing for it is on disk yet. */
  #isWorthWaiting(lane: Lane): boolean {
    return !lane.hasMore && lane.health.kind === 'alive' && !this.#hasRoom(lane);
  }

  #turn(name: LaneName, ms: number): Promise<void> {
    const turns = this.#waiting.get(name) ?? new Set();
    this.#waiting.set(name, turns);
    return new Promise((resolve) => {
      const turn = () => {
        cancel();
        turns.delete(turn);
        if (turns.size === 0) this.#waiting.delete(name);
        resolve();
      };
      const cancel = this.#clock.after(Math.max(0, ms), turn);
      turns.add(turn);
    });
  }
}
