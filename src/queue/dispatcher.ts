/** The claimed entries and their lanes: begins attempts, has more entries loaded from disk, and sets wake-ups. */
import { formatReplyText, type LaneName, type QueueId } from '../mail/index.ts';
import type { Change, LaneEntry } from '../spool/index.ts';
import { Attempts } from './attempts.ts';
import { Claims } from './claims.ts';
import { Endings } from './ending.ts';
import { retryDelay, unclaimed } from './entry.ts';
import { InFlow } from './in-flow.ts';
import { type Lane, LaneTable, type Task } from './lane.ts';
import { type Found, Loader } from './loader.ts';
import type { QueueOptions } from './options.ts';
import type { Health, QueueParts } from './parts.ts';
import { Scheduler } from './scheduler.ts';
import { WakeUps } from './wake-up.ts';

/** When a spool that takes no writes is looked at again. */
const pauseMs = 1000;

/** The part of the queue that is in memory. */
export class Dispatcher {
  readonly claims: Claims;
  readonly endings: Endings;
  readonly lanes: LaneTable;
  /** A sender of a fresh message waits here a moment where a lane is full. */
  readonly inFlow: InFlow;
  readonly #parts: QueueParts;
  readonly #options: () => QueueOptions;
  readonly #scheduler: Scheduler;
  readonly #wakeUps: WakeUps;
  readonly #loader: Loader;
  readonly #attempts: Attempts;
  #isPaused = false;
  #state: 'running' | 'draining' = 'running';
  #whenIdle: (() => void) | undefined;

  /** Of the options, the size of lanes is taken once; retry times are asked for each time. */
  constructor(parts: QueueParts, options: () => QueueOptions) {
    this.#parts = parts;
    this.#options = options;
    const { spool, clock, log } = parts;
    const { lanes } = options();
    this.lanes = new LaneTable(clock, lanes.concurrency);
    const limits = { perLane: lanes.claimsPerLane, total: lanes.claims };
    const claims = new Claims(limits, (id) => this.#awaken(id));
    this.claims = claims;
    this.inFlow = new InFlow({
      clock,
      hasRoom: (lane) => claims.laneRoom(lane) > 0,
      patienceMs: lanes.patienceMs,
    });
    this.#scheduler = new Scheduler(lanes);
    this.endings = new Endings(parts, claims);
    this.#attempts = new Attempts(parts, {
      claims,
      endings: this.endings,
      retry: () => options().retry,
      follow: (task) => this.#follow(task),
    });
    this.#wakeUps = new WakeUps({
      spool,
      clock,
      log,
      hasRoom: () => claims.room > 0,
      wake: (name) => this.#wakeUp(name),
    });
    this.#loader = new Loader(parts, {
      claims,
      leaseMs: (attempts) => this.delayMs(attempts),
      onUnreadable: (entry, error) => this.#holdUnreadable(entry, error),
    });
  }

  /** Finds the lanes that have something on disk. */
  start(): void {
    this.#wakeUps.scan();
  }

  /** Whether a new message of the lane may be claimed, as far as the lane is concerned. */
  mayClaim(lane: Lane): boolean {
    return this.#state === 'running' && !lane.hasMore && lane.health.kind === 'alive';
  }

  /** The wait after this number of attempts, and the lease of the claim of the last one. */
  delayMs(attempts: number): number {
    return retryDelay(attempts, this.#options().retry, this.#parts.random);
  }

  /** Puts a claim that is durable in line, or back on disk when it came too late. */
  enqueue(task: Task): void {
    const { lane } = task;
    task.become('waiting');
    if (this.#state === 'draining' || lane.health.kind === 'suspended') {
      const now = this.#parts.clock.now();
      this.#giveBack([task], lane.health.kind === 'suspended' ? Math.max(now, lane.health.until) : now);
      return;
    }
    lane.push(task);
    this.#scheduler.refresh(lane);
  }

  /** Something for the lane is on disk, and due unless the lane is suspended. */
  leftOnDisk(lane: Lane, dueAt: number): void {
    if (lane.health.kind === 'suspended') this.#wakeUps.set(lane.name, dueAt);
    else {
      lane.expectMore();
      this.#refill(lane);
    }
  }

  /** Begins the attempts that may begin. */
  dispatch(): void {
    // An attempt that ends now could not be recorded: better not begun.
    if (this.#parts.spool.health().state === 'failing') {
      this.#pause();
      return;
    }
    while (this.#state === 'running') {
      const task = this.#scheduler.next();
      if (task === undefined) return;
      this.#begin(task);
    }
  }

  /** Begins the next attempt of the lane behind the content of one under way. */
  #follow(leader: Task): void {
    if (this.#state !== 'running' || this.#parts.spool.health().state === 'failing') return;
    const task = this.#scheduler.follower(leader);
    if (task !== undefined) this.#begin(task);
  }

  #begin(task: Task): void {
    this.#parts.background.run(`attempt ${task.entry.id}`, this.#attempt(task));
  }

  /** Tries the lane again now, also a suspended one. With `all`, everything in it once, whatever its due time. */
  wake(name: LaneName, { all }: { readonly all: boolean }): void {
    const lane = this.lanes.get(name);
    lane.resume();
    lane.expectMore();
    if (all) lane.beginFlush(this.#parts.clock.now());
    this.#refill(lane);
    this.#scheduler.refresh(lane);
    this.dispatch();
  }

  /** Stops beginning attempts and waits for those under way; aborts them when `signal` does. */
  async drain(signal: AbortSignal): Promise<void> {
    this.#state = 'draining';
    this.#wakeUps.stop();
    this.endings.gatherNoMore();
    const now = this.#parts.clock.now();
    for (const lane of this.lanes.all()) this.#giveBack(lane.takeAll(), now);
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
    this.endings.hurry();
  }

  /** One attempt. Its place is free as soon as it is over; its claim stays until its result is recorded. */
  async #attempt(task: Task): Promise<void> {
    const { lane } = task;
    let isOver = false;
    // Without a record the lease stands.
    let again: number | undefined = task.entry.dueAt;
    try {
      const { health, record } = await this.#attempts.carryOut(task);
      if (health !== undefined) this.#judge(lane, health);
      isOver = true;
      this.#over(task);
      again = await record();
    } finally {
      if (!isOver) this.#over(task);
      this.#release(task);
      if (again !== undefined) this.#wakeUps.set(lane.name, again);
      this.#refill(lane);
    }
  }

  #over(task: Task): void {
    this.#scheduler.done(task);
    this.inFlow.left(task.lane);
    this.dispatch();
    if (this.#scheduler.active === 0) this.#whenIdle?.();
  }

  #release(task: Task): void {
    this.claims.remove(task);
    this.endings.released(task.entry);
    if (this.claims.isRoomy) this.#wakeUps.poke();
  }

  /** Opens, narrows or suspends the lane by how the destination did. */
  #judge(lane: Lane, health: Health): void {
    switch (health.kind) {
      case 'alive':
        lane.succeeded();
        return;
      case 'throttled':
        lane.throttled();
        return;
      case 'broken-off':
        lane.brokenOff();
        return;
      case 'unavailable': {
        const times = lane.failed();
        if (times > 0) this.#suspend(lane, health, this.delayMs(times));
      }
    }
  }

  #suspend(lane: Lane, { reply }: Health & { kind: 'unavailable' }, untilMs: number): void {
    const { clock, log } = this.#parts;
    const until = clock.now() + untilMs;
    lane.suspend(until, reply);
    const waiting = lane.takeAll();
    const text = formatReplyText(reply);
    log.warn('lane-suspended', { relay: lane.name, untilMs, waiting: waiting.length, reply: text });
    this.#giveBack(waiting, until);
    this.#wakeUps.set(lane.name, until);
  }

  /** Returns claims to disk: their attempt never began. */
  #giveBack(claims: readonly Task[], dueAt: number): void {
    const tasks = claims.filter((task) => task.state === 'waiting');
    if (tasks.length === 0) return;
    for (const task of tasks) task.become('dropped');
    const changes = tasks.map(
      ({ entry }): Change => ({ kind: 'reschedule', from: entry, to: unclaimed(entry, dueAt) }),
    );
    const given = this.#parts.spool.update(changes).finally(() => {
      for (const task of tasks) {
        this.#release(task);
        this.#wakeUps.set(task.lane.name, Math.min(dueAt, task.entry.dueAt));
      }
    });
    this.#parts.background.run('give back', given);
  }

  #refill(lane: Lane): void {
    if (this.#state === 'draining') return;
    const found = this.#loader.look(lane);
    if (found.kind === 'claims')
      this.#parts.background.run(`claim ${lane.name}`, this.#claim(lane, found.tasks));
    else this.#sleep(lane, found);
  }

  async #claim(lane: Lane, tasks: readonly Task[]): Promise<void> {
    const failed = await this.#loader.claim(lane, tasks);
    if (failed !== undefined) this.#sleep(lane, failed);
    else for (const task of tasks) if (task.state === 'claiming') this.enqueue(task);
    this.dispatch();
    this.#refill(lane);
  }

  #sleep(lane: Lane, found: Found): void {
    if (found.kind !== 'nothing') return;
    lane.sleep();
    if (found.until !== undefined) this.#wakeUps.set(lane.name, found.until);
  }

  #wakeUp(name: LaneName): void {
    if (this.#state === 'draining') return;
    const lane = this.lanes.get(name);
    const { health } = lane;
    if (health.kind === 'suspended' && lane.isSuspended(this.#parts.clock.now()))
      this.#wakeUps.set(name, health.until);
    else this.wake(name, { all: false });
  }

  /** Entries that fell due while the message was being changed were passed over. */
  #awaken(id: QueueId): void {
    try {
      for (const entry of this.#parts.spool.entries(id)) {
        if (entry.held === undefined && !this.claims.excludes(entry))
          this.#wakeUps.set(entry.lane, entry.dueAt);
      }
    } catch (error) {
      this.#parts.log.error('entries-unreadable', { queueId: id, because: String(error) });
    }
  }

  #holdUnreadable(entry: LaneEntry, error: unknown): void {
    const seizure = this.claims.seize(entry.id);
    if (seizure === undefined) return;
    const held = this.endings.holdUnreadable(entry, error).finally(() => seizure[Symbol.dispose]());
    this.#parts.background.run(`hold ${entry.id}`, held);
  }

  #pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#parts.clock.after(pauseMs, () => {
      this.#isPaused = false;
      this.dispatch();
    });
  }
}
