/** Which lane begins the next attempt. */
import type { Lane, Task } from './lane.ts';

/** How many attempts may be under way in all; mailings get three quarters of them at most. */
export interface SchedulerOptions {
  readonly total: number;
}

/**
 * Gives the free attempts to lanes in turn. Ordinary mail goes before mailings, so a mailing to
 * 50,000 recipients never delays a single message to another destination; a quarter of the turns goes to mailings,
 * so they are not starved either.
 */
export class Scheduler {
  readonly #total: number;
  readonly #ordinary = new Set<Lane>();
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
    if (lane.hasRunnable('ordinary')) this.#ordinary.add(lane);
    else this.#ordinary.delete(lane);
    if (lane.hasRunnable('mailing')) this.#mailings.add(lane);
    else this.#mailings.delete(lane);
  }

  /** The next task to begin, or `undefined` when nothing may begin now. It is counted as active. */
  next(): Task | undefined {
    while (this.#active < this.#total) {
      const kind = this.#nextKind();
      if (kind === undefined) return undefined;
      const ring = kind === 'ordinary' ? this.#ordinary : this.#mailings;
      const lane = first(ring);
      if (lane === undefined) return undefined;
      ring.delete(lane);
      const task = lane.take(kind);
      if (task === undefined || task.state === 'dropped') {
        this.refresh(lane);
        continue;
      }
      lane.begin(task);
      this.#begun(task);
      return task;
    }
    return undefined;
  }

  /**
   * The next task of the lane of one that is under way, to share its place. Nothing follows where attempts are scarce:
   * a place that comes free is for the lane whose turn it is.
   */
  follower(leader: Task): Task | undefined {
    const { lane } = leader;
    if (this.#active * 2 >= this.#total) return undefined;
    while (lane.mayFollow) {
      const task = lane.take(this.#kindIn(lane));
      if (task === undefined || task.state === 'dropped') continue;
      lane.begin(task, leader);
      this.#begun(task);
      return task;
    }
    return undefined;
  }

  done(task: Task): void {
    const { lane } = task;
    lane.end(task);
    this.#active--;
    if (task.isMailing) this.#activeMailings--;
    this.refresh(lane);
  }

  #begun(task: Task): void {
    task.become('under-way');
    this.#active++;
    if (task.isMailing) this.#activeMailings++;
    this.refresh(task.lane);
  }

  #kindIn(lane: Lane): 'ordinary' | 'mailing' {
    if (!lane.waits('mailing')) return 'ordinary';
    return !lane.waits('ordinary') || ++this.#turn % 4 === 0 ? 'mailing' : 'ordinary';
  }

  #nextKind(): 'ordinary' | 'mailing' | undefined {
    const mailing = this.#mailings.size > 0 && this.#activeMailings * 4 < this.#total * 3;
    if (this.#ordinary.size === 0) return mailing ? 'mailing' : undefined;
    return mailing && ++this.#turn % 4 === 0 ? 'mailing' : 'ordinary';
  }
}

function first<T>(set: ReadonlySet<T>): T | undefined {
  for (const item of set) return item;
  return undefined;
}
