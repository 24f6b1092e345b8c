import { type Envelope, formatReplyText, type LaneName, type QueueId } from '../mail/index.ts';
import type { Change, Draft, LaneEntry } from '../spool/index.ts';
import { Acceptance, type AcceptanceEvents, type AcceptOptions } from './acceptance.ts';
import { type Attempted, Attempts } from './attempts.ts';
import { Claims } from './claims.ts';
import { type Ended, Endings } from './ending.ts';
import { retryDelay, unclaimed } from './entry.ts';
import { type Lane, LaneTable, type Suspension, type Task } from './lane.ts';
import { Loader, recoverInterrupted } from './loader.ts';
import type { QueueOptions } from './options.ts';
import type { Health, QueueParts } from './parts.ts';
import { Scheduler } from './scheduler.ts';
import { Alarm } from './wake-up.ts';

/** When a spool that takes no writes is looked at again. */
const pauseMs = 1000;

/**
 * The queue. An entry is *claimed* when it comes into memory: its attempt is counted and written, with a
 * lease, before anything is dialled. What is not claimed is on disk only.
 */
export class Queue {
  readonly #parts: QueueParts;
  #options: QueueOptions;
  readonly #lanes: LaneTable;
  readonly #claims: Claims;
  readonly #scheduler: Scheduler;
  readonly #alarm: Alarm;
  readonly #acceptance: Acceptance;
  readonly #loader: Loader;
  readonly #endings: Endings;
  readonly #attempts: Attempts;
  #isPaused = false;
  #state: 'running' | 'draining' = 'running';
  #whenIdle: (() => void) | undefined;

  constructor(parts: QueueParts, options: QueueOptions) {
    this.#parts = parts;
    this.#options = options;
    const { spool, clock, log } = parts;
    this.#lanes = new LaneTable(clock, options.lanes.concurrency);
    this.#claims = new Claims({ perLane: options.lanes.claimsPerLane, total: options.lanes.claims }, (id) =>
      this.#awaken(id),
    );
    this.#scheduler = new Scheduler(options.lanes);
    this.#endings = new Endings(parts, this.#claims);
    this.#attempts = new Attempts(parts, {
      claims: this.#claims,
      endings: this.#endings,
      retry: () => this.#options.retry,
    });
    const hasRoom = () => this.#claims.room > 0;
    this.#alarm = new Alarm({ spool, clock, log, hasRoom, ring: (name) => this.#ring(name) });
    const acceptanceEvents: AcceptanceEvents = {
      lane: (name) => this.#lanes.get(name),
      mayBegin: () => this.#state === 'running',
      leaseMs: () => this.#delay(1),
      claimed: (lane, task) => this.#enqueue(lane, task),
      sleeps: (lane, until) => this.#alarm.set(lane.name, until),
      waits: (lane) => this.#refill(lane),
      over: () => this.#dispatch(),
    };
    this.#acceptance = new Acceptance(parts, this.#claims, acceptanceEvents, options.lanes.patienceMs);
    this.#loader = new Loader(parts, this.#claims, {
      leaseMs: (attempts) => this.#delay(attempts),
      claimed: (lane, task) => this.#enqueue(lane, task),
      sleeps: (lane, until) => this.#alarm.set(lane.name, until),
      unreadable: (entry, error) => this.#holdUnreadable(entry, error),
      loaded: (lane) => {
        this.#dispatch();
        this.#refill(lane);
      },
    });
  }

  get options(): QueueOptions {
    return this.#options;
  }

  /** Who may change what: an operator or a sweep seizes a message before it does. */
  get claims(): Claims {
    return this.#claims;
  }

  get lanes(): Iterable<Lane> {
    return this.#lanes.all();
  }

  /** Why and until when the lane is left alone; `undefined` when it is not. */
  suspension(name: LaneName): Suspension | undefined {
    const lane = this.#lanes.find(name);
    if (lane?.health.kind !== 'suspended') return undefined;
    return lane.isSuspended(this.#parts.clock.now()) ? lane.health : undefined;
  }

  /** Retry times change at once; the size of lanes at the next start. */
  reload(options: QueueOptions): void {
    this.#options = options;
  }

  /** Makes attempts that a crash interrupted due again, then finds the lanes that have something. */
  async start(): Promise<void> {
    const { spool, clock, log } = this.#parts;
    const isClaimed = (entry: LaneEntry) => this.#claims.excludes(entry);
    const recovered = await recoverInterrupted(spool, { now: clock.now(), isClaimed });
    if (recovered > 0) log.warn('attempts-interrupted', { count: recovered });
    this.#alarm.scan();
  }

  /**
   * Accepts a message: routes it, makes it durable, and begins what may begin, unless it is to be held.
   * Rejects with `SpoolError`, and then nothing was accepted.
   */
  accept(draft: Draft, envelope: Envelope, options?: AcceptOptions): Promise<QueueId> {
    return this.#acceptance.accept(draft, envelope, options);
  }

  /**
   * Stops beginning attempts and waits for those under way; aborts them when `signal` does. What came of them
   * is recorded by the `background` of the parts.
   */
  async drain(signal: AbortSignal): Promise<void> {
    this.#state = 'draining';
    this.#alarm.stop();
    this.#endings.gatherNoMore();
    const now = this.#parts.clock.now();
    for (const lane of this.#lanes.all()) this.#giveBack(lane.takeAll(), now);
    if (this.#scheduler.active > 0) {
      const idle = new Promise<void>((resolve) => {
        this.#whenIdle = resolve;
      });
      const cut = () => this.#attempts.abort();
      signal.addEventListener('abort', cut);
      if (signal.aborted) cut();
      await idle;
      signal.removeEventListener('abort', cut);
    }
    this.#endings.hurry();
  }

  /** Tries the lane again now, also a suspended one. With `all`, everything in it once, whatever its due time. */
  wake(name: LaneName, options: { readonly all: boolean }): void {
    const lane = this.#lanes.get(name);
    lane.resume();
    lane.expectMore();
    if (options.all) lane.beginFlush(this.#parts.clock.now());
    this.#refill(lane);
    this.#scheduler.refresh(lane);
    this.#dispatch();
  }

  /** Ends entries, and their message with the last one. Resolves when that is durable. */
  finish(ended: Ended): Promise<void> {
    return this.#endings.finish(ended);
  }

  /** What fell due while somebody was changing the message was passed over. */
  #awaken(id: QueueId): void {
    try {
      for (const entry of this.#parts.spool.entries(id)) {
        if (entry.held === undefined && !this.#claims.excludes(entry))
          this.#alarm.set(entry.lane, entry.dueAt);
      }
    } catch (error) {
      this.#parts.log.error('entries-unreadable', { queueId: id, because: String(error) });
    }
  }

  /** Puts a claim in line, or back on disk when it came too late. */
  #enqueue(lane: Lane, task: Task): void {
    task.state = 'waiting';
    const now = this.#parts.clock.now();
    const until = lane.health.kind === 'suspended' ? Math.max(now, lane.health.until) : now;
    if (this.#state === 'draining' || lane.health.kind === 'suspended') this.#giveBack([task], until);
    else {
      lane.push(task);
      this.#scheduler.refresh(lane);
    }
  }

  #dispatch(): void {
    // What ends now could not be recorded: better not begun.
    if (this.#parts.spool.health().state === 'failing') {
      this.#pause();
      return;
    }
    while (this.#state === 'running') {
      const next = this.#scheduler.next();
      if (next === undefined) return;
      next.task.state = 'under-way';
      this.#parts.background.run(`attempt ${next.task.entry.id}`, this.#attempt(next.lane, next.task));
    }
  }

  #pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#parts.clock.after(pauseMs, () => {
      this.#isPaused = false;
      this.#dispatch();
    });
  }

  /** One attempt. Its place is free as soon as it is over; its claim stays until what came of it is recorded. */
  async #attempt(lane: Lane, task: Task): Promise<void> {
    // Without a record the lease stands.
    let again: number | undefined = task.entry.dueAt;
    try {
      const { record } = await this.#dial(lane, task);
      again = await record();
    } finally {
      this.#release(task);
      if (again !== undefined) this.#alarm.set(lane.name, again);
      this.#refill(lane);
    }
  }

  async #dial(lane: Lane, task: Task): Promise<Attempted> {
    try {
      const attempted = await this.#attempts.carryOut(task);
      if (attempted.health !== undefined) this.#judge(lane, attempted.health);
      return attempted;
    } finally {
      this.#over(lane, task);
    }
  }

  #over(lane: Lane, task: Task): void {
    this.#scheduler.done(lane, task);
    this.#acceptance.left(lane);
    this.#dispatch();
    if (this.#scheduler.active === 0) this.#whenIdle?.();
  }

  #release(task: Task): void {
    this.#claims.remove(task);
    this.#endings.released(task.entry);
    if (this.#claims.isRoomy) this.#alarm.poke();
  }

  #holdUnreadable(entry: LaneEntry, error: unknown): void {
    const seizure = this.#claims.seize(entry.id);
    if (seizure === undefined) return;
    const held = this.#endings.holdUnreadable(entry, error).finally(() => seizure[Symbol.dispose]());
    this.#parts.background.run(`hold ${entry.id}`, held);
  }

  /** Opens, narrows or suspends the lane by how the destination did. */
  #judge(lane: Lane, health: Health): void {
    if (health.kind === 'alive') lane.succeeded();
    if (health.kind === 'throttled') lane.throttled();
    if (health.kind === 'broken-off') lane.brokenOff();
    const times = health.kind === 'unavailable' ? lane.failed() : 0;
    if (health.kind !== 'unavailable' || times === 0) return;
    const { clock, log } = this.#parts;
    const untilMs = this.#delay(times);
    lane.suspend(clock.now() + untilMs, health.reply);
    const waiting = lane.takeAll();
    const text = formatReplyText(health.reply);
    log.warn('lane-suspended', { relay: lane.name, untilMs, waiting: waiting.length, reply: text });
    this.#giveBack(waiting, clock.now() + untilMs);
    this.#alarm.set(lane.name, clock.now() + untilMs);
  }

  /** Returns claims to disk: their attempt never began. */
  #giveBack(claims: readonly Task[], dueAt: number): void {
    const tasks = claims.filter((task) => task.state === 'waiting');
    if (tasks.length === 0) return;
    for (const task of tasks) task.state = 'dropped';
    const changes = tasks.map(
      ({ entry }): Change => ({ kind: 'reschedule', from: entry, to: unclaimed(entry, dueAt) }),
    );
    const given = this.#parts.spool.update(changes).finally(() => {
      for (const task of tasks) {
        this.#release(task);
        this.#alarm.set(task.lane, Math.min(dueAt, task.entry.dueAt));
      }
    });
    this.#parts.background.run('give back', given);
  }

  #refill(lane: Lane): void {
    if (this.#state === 'running') this.#loader.refill(lane);
  }

  #delay(attempts: number): number {
    return retryDelay(attempts, this.#options.retry, this.#parts.random);
  }

  #ring(name: LaneName): void {
    if (this.#state === 'draining') return;
    const lane = this.#lanes.get(name);
    const { health } = lane;
    if (health.kind === 'suspended' && lane.isSuspended(this.#parts.clock.now()))
      this.#alarm.set(name, health.until);
    else this.wake(name, { all: false });
  }
}
