/** Which lane begins the next attempt. */
import type { Lane, Task } from './lane.ts';

/** How many attempts may be under way in all; mailings get three quarters of them at most. */
export interface SchedulerOptions {
  readonly total: number;
}

/**
 * Gives the free attempts to lanes in turn. Letters go before mailings, so a mailing to 50,000 recipients
 * never delays a single letter to another destination; a quarter of the turns goes to mailings, so they
 * are not starved either.
 */
export class Scheduler {
  readonly #total: number;
  readonly #letters = new Set<Lane>();
  readonly #mailings = new Set<Lane>();
  #active = 0;
  #activeMailings = 0;
  #turn = 0;

  constructor(options: SchedulerOptions) {
    this.#total = options.total;
  }

  get active(): number {
    return this.#active;
  }

  /** Puts the lane in line when it has something to begin, else takes it out. */
  refresh(lane: Lane): void {
    if (lane.hasRunnable('letter')) this.#letters.add(lane);
    else this.#letters.delete(lane);
    if (lane.hasRunnable('mailing')) this.#mailings.add(lane);
    else this.#mailings.delete(lane);
  }

  /** The next task to begin, or `undefined` when nothing may begin now. It is counted as active. */
  next(): { readonly lane: Lane; readonly task: Task } | undefined {
    while (this.#active < this.#total) {
      const kind = this.#nextKind();
      if (kind === undefined) return undefined;
      const ring = kind === 'letter' ? this.#letters : this.#mailings;
      const lane = first(ring);
      if (lane === undefined) return undefined;
      ring.delete(lane);
      const task = lane.take(kind);
      if (task === undefined || task.state === 'dropped') {
        this.refresh(lane);
        continue;
      }
      lane.begin();
      this.#active++;
      if (task.isMailing) this.#activeMailings++;
      this.refresh(lane);
      return { lane, task };
    }
    return undefined;
  }

  done(lane: Lane, task: Task): void {
    lane.end();
    this.#active--;
    if (task.isMailing) this.#activeMailings--;
    this.refresh(lane);
  }

  #nextKind(): 'letter' | 'mailing' | undefined {
    const mailing = this.#mailings.size > 0 && this.#activeMailings * 4 < this.#total * 3;
    if (this.#letters.size === 0) return mailing ? 'mailing' : undefined;
    return mailing && ++this.#turn % 4 === 0 ? 'mailing' : 'letter';
  }
}

function first<T>(set: ReadonlySet<T>): T | undefined {
  for (const item of set) return item;
  return undefined;
}
