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
 * Slows acceptance down where it outruns delivery. A message that waits a moment for room in its lane is delivered
 * from memory; one that is fetched from disk costs about twice as much, and once a lane has one of them, all later
 * ones go the same way until it has caught up. (Postfix: `in_flow_delay`; here it concerns only mail for the
 * destination that is behind, and ends when it does not help.)
 */
export class InFlow {
  readonly #clock: Clock;
  readonly #hasRoom: (lane: Lane) => boolean;
  readonly #patienceMs: number;
  readonly #lines = new Map<LaneName, WaitingLine>();

  constructor({ clock, hasRoom, patienceMs }: InFlowOptions) {
    this.#clock = clock;
    this.#hasRoom = hasRoom;
    this.#patienceMs = patienceMs ?? defaultPatienceMs;
  }

  /** Whether a message for the lane had better wait. */
  isFull(lane: Lane): boolean {
    return this.#patienceMs > 0 && (this.#lines.has(lane.name) || this.#isWorthWaiting(lane));
  }

  /** Waits for room in each of the lanes, in turn, as long as that may help. */
  async room(lanes: readonly Lane[]): Promise<void> {
    const until = this.#clock.now() + this.#patienceMs;
    for (const lane of lanes) {
      if (!this.isFull(lane)) continue;
      do await this.#turn(lane.name, until);
      while (this.#isWorthWaiting(lane) && this.#clock.now() < until);
    }
  }

  /** An attempt in the lane is over: the first in turn has its place. */
  left(lane: Lane): void {
    const line = this.#lines.get(lane.name);
    if (line !== undefined && this.#hasRoom(lane)) line.next();
  }

  /** It is full, and nothing for it is on disk yet. */
  #isWorthWaiting(lane: Lane): boolean {
    return !lane.hasMore && lane.health.kind === 'alive' && !this.#hasRoom(lane);
  }

  #turn(name: LaneName, until: number): Promise<void> {
    let line = this.#lines.get(name);
    if (line === undefined) {
      line = new WaitingLine(this.#clock, () => this.#lines.delete(name));
      this.#lines.set(name, line);
    }
    return line.wait(until);
  }
}

/** One message that waits. */
interface Turn {
  readonly until: number;
  readonly come: () => void;
}

/**
 * The messages that wait for room in one lane. Under load that is nearly every message, and a timer for each would cost
 * more than the rest of its acceptance: there is one, for the message whose time is over first.
 */
class WaitingLine {
  readonly #clock: Clock;
  readonly #onEmpty: () => void;
  readonly #turns = new Set<Turn>();
  #wakeAt = Number.POSITIVE_INFINITY;
  #cancel: () => void = () => {};

  constructor(clock: Clock, onEmpty: () => void) {
    this.#clock = clock;
    this.#onEmpty = onEmpty;
  }

  wait(until: number): Promise<void> {
    return new Promise((come) => {
      this.#turns.add({ until, come });
      this.#wake(until);
    });
  }

  /** The first in line has its turn. */
  next(): void {
    for (const turn of this.#turns) {
      this.#leave(turn);
      return;
    }
  }

  #leave(turn: Turn): void {
    this.#turns.delete(turn);
    turn.come();
    if (this.#turns.size > 0) return;
    this.#cancel();
    this.#onEmpty();
  }

  #wake(at: number): void {
    if (at >= this.#wakeAt) return;
    this.#cancel();
    this.#wakeAt = at;
    this.#cancel = this.#clock.after(Math.max(0, at - this.#clock.now()), () => this.#lookForLate());
  }

  #lookForLate(): void {
    this.#wakeAt = Number.POSITIVE_INFINITY;
    const now = this.#clock.now();
    let next = Number.POSITIVE_INFINITY;
    for (const turn of [...this.#turns]) {
      if (turn.until <= now) this.#leave(turn);
      else next = Math.min(next, turn.until);
    }
    if (this.#turns.size > 0) this.#wake(next);
  }
}
