import { type Envelope, formatReplyText, type QueueId, type RecipientStatus, reply } from '../mail/index.ts';
import type { Change, Draft, LaneEntry, LaneName, NewLaneEntry, StoredOctets } from '../spool/index.ts';
import { SpoolError } from '../spool/index.ts';
import { Alarm } from './alarm.ts';
import { Claims } from './claims.ts';
import type { AttemptResult } from './deliver.ts';
import { Endings } from './ending.ts';
import { Lane, type Task } from './lane.ts';
import { Loader } from './loader.ts';
import type { QueueOptions, QueueParts } from './options.ts';
import { logStatuses } from './outcome.ts';
import { recoverInterrupted } from './recover.ts';
import { retryDelay } from './retry.ts';
import { Scheduler } from './scheduler.ts';
import { pendingOf, unclaimed } from './settle.ts';

const maxIdleLanes = 10_000;
const untried: ReadonlyMap<number, RecipientStatus> = new Map();

/**
 * The queue. An entry is *claimed* when it comes into memory: its attempt is counted and written, with a
 * lease, before anything is dialled. What is not claimed is on disk only.
 */
export class Queue {
  readonly #parts: QueueParts;
  #options: QueueOptions;
  readonly #lanes = new Map<LaneName, Lane>();
  readonly #claims: Claims;
  readonly #scheduler: Scheduler;
  readonly #alarm: Alarm;
  readonly #loader: Loader;
  readonly #endings: Endings;
  readonly #abort = new AbortController();
  #state: 'running' | 'draining' = 'running';
  #whenIdle: (() => void) | undefined;

  constructor(parts: QueueParts, options: QueueOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#claims = new Claims({ perLane: options.lanes.claimsPerLane, total: options.lanes.claims });
    this.#scheduler = new Scheduler(options.lanes);
    this.#alarm = new Alarm(parts, (name) => this.#ring(name));
    this.#endings = new Endings(parts);
    this.#loader = new Loader(parts, this.#claims, {
      leaseMs: (attempts) => this.#delay(attempts),
      claimed: (lane, task) => this.#enqueue(lane, task),
      drained: (lane, nextDueAt) => {
        if (nextDueAt !== undefined) this.#alarm.set(lane.name, nextDueAt);
      },
      loaded: (lane) => {
        if (this.#state === 'draining') this.#giveBack(lane.takeAll(), this.#parts.clock.now());
        this.#dispatch();
        this.#refill(lane);
      },
    });
  }

  get options(): QueueOptions {
    return this.#options;
  }

  get lanes(): ReadonlyMap<LaneName, Lane> {
    return this.#lanes;
  }

  /** Retry times change at once; the size of lanes at the next start. */
  reload(options: QueueOptions): void {
    this.#options = options;
  }

  /** Makes attempts that a crash interrupted due again, then finds the lanes that have something. */
  async start(): Promise<void> {
    const { spool, clock, log } = this.#parts;
    const recovered = await recoverInterrupted(spool, clock.now());
    if (recovered > 0) log.warn('attempts-interrupted', { count: recovered });
    this.#alarm.scan();
  }

  /**
   * Accepts a message: routes it, makes it durable and begins what may begin. Rejects with `SpoolError`,
   * and then nothing was accepted.
   */
  async accept(draft: Draft, envelope: Envelope): Promise<QueueId> {
    const isMailing = this.#claims.isMailing(envelope);
    const planned = this.#parts.routing.assignLanes(envelope).map(({ lane: name, recipients }) => {
      const lane = this.#lane(name);
      const isClaimed = this.#admits(lane, isMailing);
      if (isClaimed) lane.reserved++;
      return { lane, isClaimed, entry: this.#newEntry(lane, recipients, isClaimed) };
    });
    const entries = planned.map(({ entry }) => entry);
    try {
      const id = await draft.commit(envelope, entries);
      planned.forEach(({ lane, isClaimed, entry: planned }, number) => {
        const entry: LaneEntry = { ...planned, id, number };
        const laneCount = entries.length;
        if (!isClaimed) this.#leaveOnDisk(lane, entry, envelope);
        else
          this.#enqueue(lane, { lane: lane.name, entry, envelope, isMailing, laneCount, state: 'waiting' });
      });
      return id;
    } finally {
      for (const { lane, isClaimed } of planned) if (isClaimed) lane.reserved--;
      this.#dispatch();
    }
  }

  /** Stops beginning attempts and waits for those under way; aborts them when `signal` does. */
  async drain(signal: AbortSignal): Promise<void> {
    this.#state = 'draining';
    this.#alarm.stop();
    const now = this.#parts.clock.now();
    for (const lane of this.#lanes.values()) this.#giveBack(lane.takeAll(), now);
    if (this.#scheduler.active === 0) return;
    const idle = new Promise<void>((resolve) => {
      this.#whenIdle = resolve;
    });
    const cut = () => this.#abort.abort();
    signal.addEventListener('abort', cut);
    if (signal.aborted) cut();
    await idle;
    signal.removeEventListener('abort', cut);
  }

  /** Tries the lane again now. With `all`, everything in it is tried once, whatever its due time. */
  wake(name: LaneName, options: { readonly all: boolean }): void {
    const lane = this.#lane(name);
    lane.resume();
    lane.hasMore = true;
    if (options.all) lane.flushAt = this.#parts.clock.now();
    this.#refill(lane);
    this.#scheduler.refresh(lane);
    this.#dispatch();
  }

  /** Whether the entry waits in its lane or is under way. */
  isClaimed(id: QueueId, number: number): boolean {
    return this.#claims.get(id, number) !== undefined;
  }

  /** Forgets a claim that has not begun; false when its attempt is under way. */
  drop(id: QueueId, number: number): boolean {
    const task = this.#claims.get(id, number);
    if (task === undefined) return true;
    if (task.state === 'under-way') return false;
    task.state = 'dropped';
    this.#claims.remove(task);
    return true;
  }

  /** Holds what is left of the entry when the attempt that is under way has ended. */
  holdAfterAttempt(id: QueueId, number: number, because: string): void {
    const task = this.#claims.get(id, number);
    if (task?.state === 'under-way') task.holdBecause = because;
  }

  #lane(name: LaneName): Lane {
    const known = this.#lanes.get(name);
    if (known !== undefined) return known;
    if (this.#lanes.size >= maxIdleLanes) this.#forgetIdleLanes();
    const lane = new Lane(name, this.#options.lanes.concurrency);
    this.#lanes.set(name, lane);
    return lane;
  }

  #forgetIdleLanes(): void {
    for (const [name, lane] of this.#lanes) {
      if (lane.isIdle && lane.health.kind === 'alive') this.#lanes.delete(name);
    }
  }

  #admits(lane: Lane, isMailing: boolean): boolean {
    if (this.#state === 'draining' || lane.hasMore || lane.health.kind === 'suspended') return false;
    return this.#claims.admits(lane, isMailing);
  }

  #newEntry(lane: Lane, recipients: NewLaneEntry['recipients'], isClaimed: boolean): NewLaneEntry {
    const now = this.#parts.clock.now();
    if (isClaimed) {
      const dueAt = now + this.#delay(1);
      return { lane: lane.name, recipients, attempts: 1, dueAt, begun: true, attemptedAt: now };
    }
    const dueAt = lane.health.kind === 'suspended' ? lane.health.until : now;
    return { lane: lane.name, recipients, attempts: 0, dueAt };
  }

  #enqueue(lane: Lane, task: Task): void {
    this.#claims.add(task);
    lane.push(task);
    this.#scheduler.refresh(lane);
  }

  #leaveOnDisk(lane: Lane, entry: LaneEntry, envelope: Envelope): void {
    if (lane.health.kind === 'suspended') {
      const { log, clock } = this.#parts;
      const status: RecipientStatus = { status: 'pending', at: clock.now(), reply: lane.health.because };
      const statuses = new Map(pendingOf(entry, envelope, untried).map((index) => [index, status]));
      logStatuses(log, { id: entry.id, envelope, statuses, now: clock.now() });
      this.#alarm.set(lane.name, entry.dueAt);
      return;
    }
    lane.hasMore = true;
    this.#refill(lane);
  }

  #dispatch(): void {
    while (this.#state === 'running') {
      const next = this.#scheduler.next();
      if (next === undefined) return;
      next.task.state = 'under-way';
      this.#parts.background.run(`attempt ${next.task.entry.id}`, this.#attempt(next.lane, next.task));
    }
  }

  async #attempt(lane: Lane, task: Task): Promise<void> {
    try {
      const result = await this.#try(task);
      if (result !== undefined) this.#judge(lane, result);
    } finally {
      this.#claims.remove(task);
      this.#scheduler.done(lane, task);
      this.#refill(lane);
      this.#dispatch();
      if (this.#scheduler.active === 0) this.#whenIdle?.();
    }
  }

  /** Carries out one attempt and records its end. `undefined` when there was nothing to try. */
  async #try(task: Task): Promise<AttemptResult | undefined> {
    const { spool, routing, deliver, clock } = this.#parts;
    const { entry, envelope, lane } = task;
    if (!routing.hasLane(lane)) {
      for (const added of await this.#endings.reassign(task)) this.wake(added.lane, { all: false });
      return undefined;
    }
    let octets: StoredOctets | undefined;
    try {
      octets = spool.octets(entry.id);
      if (octets === undefined) throw new SpoolError('missing', 'the octets are gone');
    } catch (error) {
      await this.#endings.holdUnreadable(entry, error);
      return undefined;
    }
    const known = entry.attempts > 1 || task.laneCount > 1 ? spool.statuses(entry.id) : untried;
    const recipients = pendingOf(entry, envelope, known);
    const attempt = { id: entry.id, lane, envelope, recipients, octets, number: entry.attempts };
    const result = await deliver(attempt, this.#abort.signal);
    const again = await this.#endings.settle(
      task,
      { octets, statuses: result.statuses },
      {
        dueAt: clock.now() + this.#delay(entry.attempts),
        retryUntil: envelope.receivedAt + this.#options.retry.maxAgeMs,
      },
    );
    if (again !== undefined) this.#alarm.set(lane, again);
    return result;
  }

  /** Opens, narrows or suspends the lane by how the destination did. */
  #judge(lane: Lane, { health }: AttemptResult): void {
    if (health.kind === 'alive') lane.succeeded();
    if (health.kind === 'throttled') lane.throttled();
    const times = health.kind === 'dead' ? lane.failed() : 0;
    if (health.kind !== 'dead' || times === 0) return;
    const { clock, log } = this.#parts;
    const untilMs = this.#delay(times);
    const text = formatReplyText(health.reply);
    lane.suspend(clock.now() + untilMs, reply(451, '4.1', `delivery suspended: ${text}`));
    const waiting = lane.takeAll();
    log.warn('lane-suspended', { relay: lane.name, untilMs, waiting: waiting.length, reply: text });
    this.#giveBack(waiting, clock.now() + untilMs);
    this.#alarm.set(lane.name, clock.now() + untilMs);
  }

  /** Returns claims to disk: their attempt never began. */
  #giveBack(claims: readonly Task[], dueAt: number): void {
    const tasks = claims.filter((task) => task.state === 'waiting');
    if (tasks.length === 0) return;
    for (const task of tasks) {
      task.state = 'dropped';
      this.#claims.remove(task);
    }
    const changes = tasks.map(
      ({ entry }): Change => ({ kind: 'reschedule', from: entry, to: unclaimed(entry, dueAt) }),
    );
    this.#parts.background.run('give back', this.#parts.spool.update(changes));
  }

  #refill(lane: Lane): void {
    if (this.#state === 'running') this.#loader.refill(lane);
  }

  #delay(attempts: number): number {
    return retryDelay(attempts, this.#options.retry, this.#parts.random);
  }

  #ring(name: LaneName): void {
    if (this.#state === 'draining') return;
    const lane = this.#lane(name);
    const { health } = lane;
    if (health.kind === 'suspended' && health.until > this.#parts.clock.now()) {
      this.#alarm.set(name, health.until);
      return;
    }
    this.wake(name, { all: false });
  }
}
