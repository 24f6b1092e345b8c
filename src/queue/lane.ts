/** One destination in memory: what waits for it, how many attempts it bears, and whether it is worth dialling. */
import { type Clock, Fifo } from '../base/index.ts';
import type { Envelope, LaneName, Reply } from '../mail/index.ts';
import type { LaneEntry } from '../spool/index.ts';

const maxIdle = 10_000;

/** An entry that this process has claimed: waiting in its lane or under way. */
export interface Task {
  readonly lane: LaneName;
  /** As it is in the spool now. */
  entry: LaneEntry;
  readonly envelope: Envelope;
  readonly isMailing: boolean;
  /** The generation of the routes that chose its lane; `undefined` for what comes from disk. */
  readonly routes: number | undefined;
  /**
   * `claiming` while the claim is on its way to disk; `under-way` until what came of the attempt is there;
   * `dropped` when the claim was given up before the attempt began.
   */
  state: 'claiming' | 'waiting' | 'under-way' | 'dropped';
  /**
   * Recipients that are to be held, and why, if they still wait after the attempt: an operator said so, or the
   * octets are unreadable. Replaced as a whole, never changed.
   */
  holds?: ReadonlyMap<number, string>;
}

/**
 * Whether the destination is worth dialling. A suspended one is left alone until `until`, and everything
 * for it stays on disk.
 */
export type LaneHealth = { readonly kind: 'alive' } | Suspension;

/** A destination that is left alone, until when, and what it said or what was said of it. */
export interface Suspension {
  readonly kind: 'suspended';
  readonly until: number;
  readonly because: Reply;
}

/** So many connection failures in a row, none of them contradicted by a success, suspend a lane. */
const failuresToSuspend = 3;
/** Attempts at once to a destination that nothing is known of yet. */
const firstWindow = 5;

/** An operator asked to try everything that was not attempted since then; seen so far up to `after`. */
interface Flush {
  readonly since: number;
  readonly after: LaneEntry | undefined;
}

/**
 * One destination: the tasks that wait for it and how many attempts it bears at once. The window opens by
 * one for each success while it is full, and halves when the destination asks for less or fails.
 */
export class Lane {
  readonly name: LaneName;
  readonly #maxWindow: number;
  /** Mail of people, and mail to many: the second never delays the first to another destination. */
  readonly #letters = new Fifo<Task>();
  readonly #mailings = new Fifo<Task>();
  #window: number;
  #failures = 0;
  #suspensions = 0;
  #health: LaneHealth = { kind: 'alive' };
  /** Attempts under way. */
  #active = 0;
  /** Claims on their way to disk, counted so that the lane is not overfilled meanwhile. */
  #reserved = 0;
  #isLoading = false;
  #hasMore = false;
  #flush: Flush | undefined;
  #isAnswering = false;

  constructor(name: LaneName, maxWindow: number) {
    this.name = name;
    this.#maxWindow = maxWindow;
    this.#window = Math.min(firstWindow, maxWindow);
  }

  get health(): LaneHealth {
    return this.#health;
  }

  get window(): number {
    return this.#window;
  }

  get waiting(): number {
    return this.#letters.length + this.#mailings.length;
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
    this.#reserved -= count;
  }

  beginLoading(count: number): void {
    this.#isLoading = true;
    this.reserve(count);
  }

  endLoading(count: number): void {
    this.#isLoading = false;
    this.unreserve(count);
  }

  /** An attempt with a task that was taken begins. */
  begin(): void {
    this.#active++;
  }

  end(): void {
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
  hasRunnable(kind: 'letter' | 'mailing'): boolean {
    if (this.#health.kind === 'suspended' || this.#active >= this.#window) return false;
    return kind === 'letter' ? this.#letters.length > 0 : this.#mailings.length > 0;
  }

  push(task: Task): void {
    (task.isMailing ? this.#mailings : this.#letters).push(task);
  }

  take(kind: 'letter' | 'mailing'): Task | undefined {
    return (kind === 'letter' ? this.#letters : this.#mailings).shift();
  }

  takeAll(): Task[] {
    return [...this.#letters.takeAll(), ...this.#mailings.takeAll()];
  }

  succeeded(): void {
    this.#isAnswering = true;
    this.#failures = 0;
    this.#suspensions = 0;
    if (this.#active >= this.#window && this.#window < this.#maxWindow) this.#window++;
  }

  throttled(): void {
    this.#window = Math.max(1, Math.floor(this.#window / 2));
  }

  /** Narrows no further than a new lane: messages that each cost a session must not hold up the others. */
  brokenOff(): void {
    this.#window = Math.min(this.#window, Math.max(firstWindow, Math.floor(this.#window / 2)));
  }

  /** Returns how many times in a row the lane has now been given up, 0 when it goes on. */
  failed(): number {
    this.throttled();
    if (this.#health.kind === 'suspended' || ++this.#failures < failuresToSuspend) return 0;
    return ++this.#suspensions;
  }

  suspend(until: number, because: Reply): void {
    this.#health = { kind: 'suspended', until, because };
    this.#flush = undefined;
  }

  /** Ends a suspension: one attempt probes the destination before more follow. */
  resume(): void {
    this.#isAnswering = false;
    if (this.#health.kind === 'alive') return;
    this.#health = { kind: 'alive' };
    this.#window = 1;
    this.#failures = failuresToSuspend - 1;
  }
}

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
