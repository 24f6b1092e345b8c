/** One destination in memory: its waiting mail, its concurrency, and its health. */
import { type Clock, Fifo } from '../base/index.ts';
import type { Envelope, LaneName, Reply } from '../mail/index.ts';
import type { LaneEntry } from '../spool/index.ts';

const maxIdle = 10_000;

/**
 * `claiming` while the claim is on its way to disk, `waiting` in its lane, `under-way` from the beginning of its
 * attempt until the result is on disk, `dropped` when the claim was given up before the attempt began.
 */
export type TaskState = 'claiming' | 'waiting' | 'under-way' | 'dropped';

/** The states that may follow each state of a task. */
const afterTask: Readonly<Record<TaskState, readonly TaskState[]>> = {
  claiming: ['waiting', 'dropped'],
  waiting: ['under-way', 'dropped'],
  'under-way': [],
  dropped: [],
};

/** One of the attempts that a destination bears at once; an attempt that follows another on its session shares it. */
interface Place {
  attempts: number;
}

/** The parts of a task. */
export interface TaskParts {
  readonly lane: Lane;
  readonly entry: LaneEntry;
  readonly envelope: Envelope;
  readonly isMailing: boolean;
  /** The generation of the routes that chose its lane; `undefined` for an entry from disk. */
  readonly routes: number | undefined;
}

/** An entry that this process has claimed: on its way to disk, waiting in its lane or under way. */
export class Task {
  readonly lane: Lane;
  readonly envelope: Envelope;
  readonly isMailing: boolean;
  readonly routes: number | undefined;
  #entry: LaneEntry;
  #state: TaskState = 'claiming';
  #holds: ReadonlyMap<number, string> | undefined;
  /** While it is under way. */
  place: Place | undefined;

  constructor({ lane, entry, envelope, isMailing, routes }: TaskParts) {
    this.lane = lane;
    this.envelope = envelope;
    this.isMailing = isMailing;
    this.routes = routes;
    this.#entry = entry;
  }

  /** As it is in the spool now. */
  get entry(): LaneEntry {
    return this.#entry;
  }

  get state(): TaskState {
    return this.#state;
  }

  /** Throws for a state that may not follow. */
  become(state: TaskState): void {
    if (!afterTask[this.#state].includes(state)) this.#refuse(`become ${state}`);
    this.#state = state;
  }

  /** Some of its recipients have been given to other entries. */
  narrow(entry: LaneEntry): void {
    if (this.#state !== 'under-way') this.#refuse('be divided');
    this.#entry = entry;
  }

  /**
   * Recipients that are to be held, and why, if they still wait after the attempt: an operator said so, or the
   * octets are unreadable. Replaced as a whole, never changed.
   */
  get holds(): ReadonlyMap<number, string> | undefined {
    return this.#holds;
  }

  set holds(holds: ReadonlyMap<number, string>) {
    if (this.#state !== 'under-way') this.#refuse('be held after its attempt');
    this.#holds = holds;
  }

  #refuse(what: string): never {
    const { id, number } = this.#entry;
    throw new Error(`the task ${id}/${number} is ${this.#state} and cannot ${what}`);
  }
}

/**
 * Whether the destination is worth dialling. A suspended one is left alone until `until`, and everything
 * for it stays on disk.
 */
export type LaneHealth = { readonly kind: 'alive' } | Suspension;

/** A suspension of a destination: its end, and the reply or the fault that caused it. */
export interface Suspension {
  readonly kind: 'suspended';
  readonly until: number;
  readonly because: Reply;
}

/** So many connection failures in a row, none of them contradicted by a success, suspend a lane. */
const failuresToSuspend = 3;
/** Attempts at once to a destination that nothing is known of yet. */
const initialConcurrency = 5;

/** An operator asked to try everything that was not attempted since then; seen so far up to `after`. */
interface Flush {
  readonly since: number;
  readonly after: LaneEntry | undefined;
}

/**
 * One destination: the tasks that wait for it and the number of attempts that it bears at once. That concurrency grows by
 * one for each success while it is used up, and halves when the destination asks for less or fails.
 */
export class Lane {
  readonly name: LaneName;
  readonly #maxConcurrency: number;
  /** Mail to few, and to many: the second never delays the first to another destination. */
  readonly #ordinary = new Fifo<Task>();
  readonly #mailings = new Fifo<Task>();
  #concurrency: number;
  #failures = 0;
  #suspensions = 0;
  #health: LaneHealth = { kind: 'alive' };
  /** Attempts under way, and the places that they have. */
  #active = 0;
  #places = 0;
  /** Claims on their way to disk, counted so that the lane is not overfilled meanwhile. */
  #reserved = 0;
  #isLoading = false;
  #hasMore = false;
  #flush: Flush | undefined;
  #isAnswering = false;

  constructor(name: LaneName, maxConcurrency: number) {
    this.name = name;
    this.#maxConcurrency = maxConcurrency;
    this.#concurrency = Math.min(initialConcurrency, maxConcurrency);
  }

  get health(): LaneHealth {
    return this.#health;
  }

  /** Attempts at once that the destination bears now. */
  get concurrency(): number {
    return this.#concurrency;
  }

  get waiting(): number {
    return this.#ordinary.length + this.#mailings.length;
  }

  /** Entries in memory. */
  get claimed(): number {
    return this.waiting + this.#active + this.#reserved;
  }

  /** Whether entries that are due may be on disk. */
  get hasMore(): boolean {
    return this.#hasMore;
  }

  /** A batch of claims is on its way from disk. */
  get isLoading(): boolean {
    return this.#isLoading;
  }

  get flush(): Flush | undefined {
    return this.#flush;
  }

  /** Whether there is nothing to wait for to know how the destination does since it was last woken. */
  isJudged(now: number): boolean {
    return this.#isAnswering || this.#health.kind === 'suspended' || this.isIdle(now);
  }

  /** Something in the lane may be due and on disk. */
  expectMore(): void {
    this.#hasMore = true;
  }

  /** Nothing on disk is to be claimed until the lane is woken. */
  sleep(): void {
    this.#hasMore = false;
  }

  beginFlush(now: number): void {
    this.#flush = { since: now, after: undefined };
  }

  /** Notes that a flush has come to this entry; false when it was tried since the flush began. */
  flushReaches(entry: LaneEntry): boolean {
    if (this.#flush === undefined) return true;
    this.#flush = { since: this.#flush.since, after: entry };
    return (entry.attemptedAt ?? 0) < this.#flush.since;
  }

  endFlush(): void {
    this.#flush = undefined;
  }

  /** Keeps room for claims that are being written. */
  reserve(count: number): void {
    this.#reserved += count;
  }

  unreserve(count: number): void {
    if (this.#reserved < count) this.#refuse('give back room that it does not keep');
    this.#reserved -= count;
  }

  beginLoading(count: number): void {
    if (this.#isLoading) this.#refuse('load twice at a time');
    this.#isLoading = true;
    this.reserve(count);
  }

  endLoading(count: number): void {
    if (!this.#isLoading) this.#refuse('end what it has not begun to load');
    this.#isLoading = false;
    this.unreserve(count);
  }

  /** An attempt with a task that was taken begins, in the place of its leader if it follows one. */
  begin(task: Task, leader?: Task): void {
    if (this.#health.kind === 'suspended') this.#refuse('begin an attempt');
    const place = leader?.place ?? { attempts: 0 };
    if (place.attempts++ === 0) this.#places++;
    task.place = place;
    this.#active++;
  }

  end(task: Task): void {
    const { place } = task;
    if (place === undefined) this.#refuse('end an attempt');
    task.place = undefined;
    if (--place.attempts === 0) this.#places--;
    this.#active--;
  }

  /** Whether nothing is lost when the lane is forgotten. */
  isIdle(now: number): boolean {
    if (this.claimed > 0 || this.#hasMore || this.#isLoading) return false;
    return this.#flush === undefined && !this.isSuspended(now);
  }

  /** Whether the destination is left alone. A suspension that is over ends when the lane is next woken. */
  isSuspended(now: number): boolean {
    return this.#health.kind === 'suspended' && this.#health.until > now;
  }

  /** Whether another attempt may begin now with a task of this kind. */
  hasRunnable(kind: 'ordinary' | 'mailing'): boolean {
    if (this.#health.kind === 'suspended' || this.#places >= this.#concurrency) return false;
    return this.waits(kind);
  }

  /** Whether a waiting task may follow one that is under way: not where the destination asked for less. */
  get mayFollow(): boolean {
    return this.#health.kind === 'alive' && this.#places <= this.#concurrency && this.waiting > 0;
  }

  waits(kind: 'ordinary' | 'mailing'): boolean {
    return (kind === 'ordinary' ? this.#ordinary : this.#mailings).length > 0;
  }

  push(task: Task): void {
    (task.isMailing ? this.#mailings : this.#ordinary).push(task);
  }

  take(kind: 'ordinary' | 'mailing'): Task | undefined {
    return (kind === 'ordinary' ? this.#ordinary : this.#mailings).shift();
  }

  takeAll(): Task[] {
    return [...this.#ordinary.takeAll(), ...this.#mailings.takeAll()];
  }

  succeeded(): void {
    this.#isAnswering = true;
    this.#failures = 0;
    this.#suspensions = 0;
    if (this.#places >= this.#concurrency && this.#concurrency < this.#maxConcurrency) this.#concurrency++;
  }

  throttled(): void {
    this.#concurrency = Math.max(1, Math.floor(this.#concurrency / 2));
  }

  /** Narrows no further than a new lane: messages that each cost a session must not hold up the others. */
  brokenOff(): void {
    this.#concurrency = Math.min(
      this.#concurrency,
      Math.max(initialConcurrency, Math.floor(this.#concurrency / 2)),
    );
  }

  /** Returns how many times in a row the lane has now been given up, 0 when it goes on. */
  failed(): number {
    this.throttled();
    if (this.#health.kind === 'suspended' || ++this.#failures < failuresToSuspend) return 0;
    return ++this.#suspensions;
  }

  /** Leaves the destination alone. */
  suspend(until: number, because: Reply): void {
    if (this.#health.kind === 'suspended') this.#refuse('be suspended');
    this.#health = { kind: 'suspended', until, because };
    this.#flush = undefined;
  }

  /** Ends a suspension: one attempt probes the destination before more follow. */
  resume(): void {
    this.#isAnswering = false;
    if (this.#health.kind === 'alive') return;
    this.#health = { kind: 'alive' };
    this.#concurrency = 1;
    this.#failures = failuresToSuspend - 1;
  }

  #refuse(what: string): never {
    throw new Error(
      `the lane ${this.name} is ${this.#health.kind} (${this.#active} attempts) and cannot ${what}`,
    );
  }
}

/** The lanes in memory: those with something to do, and some idle ones. */
export class LaneTable {
  readonly #clock: Clock;
  readonly #maxConcurrency: number;
  readonly #lanes = new Map<LaneName, Lane>();
  #forgetAt = maxIdle;

  constructor(clock: Clock, maxConcurrency: number) {
    this.#clock = clock;
    this.#maxConcurrency = maxConcurrency;
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
    const lane = new Lane(name, this.#maxConcurrency);
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
