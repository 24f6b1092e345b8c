/**
 * The queue on one page: the life of an entry, and the states of its task and its lane.
 *
 * An *entry* is the remaining work for one message in one lane. It is on disk from the commit that accepts the message
 * to the commit that records its end. While this process works on it, it is *claimed*: there is a `Task` for it, and
 * its attempt is counted on disk, with a lease, before anything is dialled.
 *
 *     accept ──── room in the lane ────▶ claimed ── its turn ──▶ attempt ── recorded ──▶ ended (or its message removed)
 *        │                                ▲   │                                 │
 *        │                    due, loaded │   │ given back: drain, suspension   │ pending: due again, or held
 *        └─ no room, lane suspended ──▶ on disk ◀───────────────────────────────┘
 *
 * A held entry is on disk and in no schedule until it is released. A crash leaves an entry where the disk has it: an
 * attempt that was begun is due at once after the start (`recoverInterrupted`).
 *
 * | task         | becomes     | when                                                       | by                     |
 * |--------------|-------------|------------------------------------------------------------|------------------------|
 * | `claiming`   | `waiting`   | its claim is durable                                       | `Dispatcher.enqueue`   |
 * | `claiming`   | `dropped`   | an operator or the sweep changes the message               | `Claims.drop`          |
 * | `waiting`    | `under-way` | its turn has come                                          | `Scheduler.next`       |
 * |              |             | it follows another attempt on its session                  | `Scheduler.follower`   |
 * | `waiting`    | `dropped`   | the lane is suspended, the relay drains, or as above       | `Dispatcher.#giveBack` |
 * | `under-way`  | –           | stays so until the result of the attempt is on disk        |                        |
 *
 * | lane         | becomes     | when                                                       | by                     |
 * |--------------|-------------|------------------------------------------------------------|------------------------|
 * | `alive`      | `suspended` | three attempts in a row did not reach the destination      | `Dispatcher.#suspend`  |
 * | `suspended`  | `alive`     | its time is over, or an operator asks: one attempt probes  | `Lane.resume`          |
 *
 * Everything else throws. `Dispatcher` has the lanes in memory, `Loader` brings due entries, `WakeUps` knows the times,
 * `Attempts` carries one out, `Endings` records it; `Operator` and `Sweep` change messages that they have *seized*, so
 * that they are not claimed meanwhile.
 */
import {
  type Envelope,
  formatReplyText,
  type LaneName,
  type QueueId,
  type RecipientStatus,
  reply,
} from '../mail/index.ts';
import type { Change, Draft, LaneEntry, NewLaneEntry } from '../spool/index.ts';
import type { Claims } from './claims.ts';
import { Dispatcher } from './dispatcher.ts';
import type { Ended } from './ending.ts';
import { logStatuses, recipientsOf } from './entry.ts';
import { type Lane, type Suspension, Task } from './lane.ts';
import { recoverInterrupted } from './loader.ts';
import type { QueueOptions } from './options.ts';
import type { QueueParts, Routing } from './parts.ts';

/** How a message is accepted. */
export interface AcceptOptions {
  /** Made durable with it. */
  readonly changes?: readonly Change[];
  /** Why it is set aside from the beginning: no attempt before it is released. */
  readonly held?: string;
}

/** A message on its way into the queue, with its lanes by the routes of this generation. */
interface NewMessage {
  readonly draft: Draft;
  readonly envelope: Envelope;
  readonly changes: AcceptOptions['changes'];
  readonly assigned: ReturnType<Routing['assignLanes']>;
  readonly routes: number;
}

/** The queue, as the relay sees it. */
export class Queue {
  readonly #parts: QueueParts;
  readonly #dispatcher: Dispatcher;
  #options: QueueOptions;

  constructor(parts: QueueParts, options: QueueOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#dispatcher = new Dispatcher(parts, () => this.#options);
  }

  get options(): QueueOptions {
    return this.#options;
  }

  /** The claims: an operator or a sweep seizes a message before it changes it. */
  get claims(): Claims {
    return this.#dispatcher.claims;
  }

  get lanes(): Iterable<Lane> {
    return this.#dispatcher.lanes.all();
  }

  /** Why and until when the lane is left alone; `undefined` when it is not. */
  suspension(name: LaneName): Suspension | undefined {
    const lane = this.#dispatcher.lanes.find(name);
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
    const isClaimed = (entry: LaneEntry) => this.claims.excludes(entry);
    const recovered = await recoverInterrupted(spool, { now: clock.now(), isClaimed });
    if (recovered > 0) log.warn('attempts-interrupted', { count: recovered });
    this.#dispatcher.start();
  }

  /**
   * Stops beginning attempts and waits for the running ones; aborts them when `signal` does. Their results are
   * recorded by the `background` of the parts.
   */
  drain(signal: AbortSignal): Promise<void> {
    return this.#dispatcher.drain(signal);
  }

  /** Tries the lane again now, also a suspended one. With `all`, everything in it once, whatever its due time. */
  wake(name: LaneName, options: { readonly all: boolean }): void {
    this.#dispatcher.wake(name, options);
  }

  /** Ends entries, and their message with the last one. Resolves when that is durable. */
  finish(ended: Ended): Promise<void> {
    return this.#dispatcher.endings.finish(ended);
  }

  /**
   * Accepts a message: routes it, makes it durable, and begins what may begin, unless it is to be held.
   * Rejects with `SpoolError`, and then nothing was accepted.
   */
  accept(draft: Draft, envelope: Envelope, { changes, held }: AcceptOptions = {}): Promise<QueueId> {
    if (held !== undefined) return this.#acceptHeld(draft, envelope, { changes, held });
    const { inFlow, lanes } = this.#dispatcher;
    const { routing } = this.#parts;
    const routes = routing.generation;
    const assigned = routing.assignLanes(envelope);
    const message: NewMessage = { draft, envelope, changes, assigned, routes };
    if (!assigned.some(({ lane }) => inFlow.isFull(lanes.get(lane)))) return this.#acceptNow(message);
    return inFlow.room(assigned.map(({ lane }) => lanes.get(lane))).then(() => this.#acceptNow(message));
  }

  #acceptNow(message: NewMessage): Promise<QueueId> {
    const { draft, envelope, changes } = message;
    const { entries, tasks } = this.#claim(message);
    return draft.commit(envelope, entries, changes).then(
      (id) => {
        for (const task of tasks) if (task.state === 'claiming') this.#dispatcher.enqueue(task);
        if (tasks.length < entries.length)
          for (const entry of entries) if (entry.begun !== true) this.#leaveOnDisk(entry, envelope);
        this.#settled(tasks);
        return id;
      },
      (error: unknown) => {
        for (const task of tasks) this.claims.remove(task);
        this.#settled(tasks);
        throw error;
      },
    );
  }

  /** The entries of a message, claimed before the commit: a reader of the disk sees that they are under way. */
  #claim({ draft, envelope, assigned, routes }: NewMessage) {
    const dispatcher = this.#dispatcher;
    const isMailing = this.claims.isMailing(envelope);
    const entries: LaneEntry[] = [];
    const tasks: Task[] = [];
    for (const { lane: name, recipients } of assigned) {
      const lane = dispatcher.lanes.get(name);
      const isClaimed = dispatcher.mayClaim(lane) && this.claims.admits(lane, isMailing);
      const entry = this.#newEntry(draft.id, entries.length, { lane, recipients, isClaimed });
      entries.push(entry);
      if (!isClaimed) continue;
      const task = new Task({ lane, entry, envelope, isMailing, routes });
      this.claims.add(task);
      lane.reserve(1);
      tasks.push(task);
    }
    return { entries, tasks };
  }

  /** The commit of new claims is over, for better or worse. */
  #settled(tasks: readonly Task[]): void {
    for (const { lane } of tasks) lane.unreserve(1);
    this.#dispatcher.dispatch();
  }

  /** Its lanes are assigned as they are now, but hear nothing of it: who releases it wakes them. */
  async #acceptHeld(
    draft: Draft,
    envelope: Envelope,
    { changes, held }: { readonly changes: AcceptOptions['changes']; readonly held: string },
  ): Promise<QueueId> {
    const dueAt = this.#parts.clock.now();
    const entries = this.#parts.routing
      .assignLanes(envelope)
      .map(({ lane, recipients }): NewLaneEntry => ({ lane, recipients, attempts: 0, dueAt, held }));
    const id = await draft.commit(envelope, entries, changes);
    this.#parts.log.info('held', { queueId: id, status: 'held', because: held });
    return id;
  }

  #newEntry(
    id: QueueId,
    number: number,
    of: { readonly lane: Lane; readonly recipients: LaneEntry['recipients']; readonly isClaimed: boolean },
  ): LaneEntry {
    const { lane, recipients } = of;
    const now = this.#parts.clock.now();
    if (of.isClaimed) {
      const dueAt = now + this.#dispatcher.delayMs(1);
      return { id, number, lane: lane.name, recipients, attempts: 1, dueAt, begun: true, attemptedAt: now };
    }
    const dueAt = lane.health.kind === 'suspended' ? Math.max(now, lane.health.until) : now;
    return { id, number, lane: lane.name, recipients, attempts: 0, dueAt };
  }

  #leaveOnDisk(entry: LaneEntry, envelope: Envelope): void {
    const lane = this.#dispatcher.lanes.get(entry.lane);
    if (lane.health.kind === 'suspended') {
      const { log, clock } = this.#parts;
      const why = reply(451, '4.1', `delivery suspended: ${formatReplyText(lane.health.because)}`);
      const status: RecipientStatus = { status: 'pending', at: clock.now(), reply: why };
      const statuses = new Map(recipientsOf(entry, envelope).map((index) => [index, status]));
      logStatuses(log, { id: entry.id, envelope, statuses, now: clock.now() });
    }
    this.#dispatcher.leftOnDisk(lane, entry.dueAt);
  }
}
