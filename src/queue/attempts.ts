import type { RecipientStatus } from '../mail/index.ts';
import type { StoredOctets } from '../spool/index.ts';
import type { Claims } from './claims.ts';
import type { Health } from './deliver.ts';
import { type Endings, unreadableBecause } from './ending.ts';
import type { Task } from './lane.ts';
import type { QueueParts } from './options.ts';
import { isRerouted, rerouted } from './reroute.ts';
import { expiryOf, type RetryOptions, retryDelay } from './retry.ts';
import { expired, pendingOf } from './settle.ts';
import { isUnreadable, watchOctets } from './unreadable.ts';

/** When an attempt that could not begin is tried again. */
const pauseMs = 1000;
const untried: ReadonlyMap<number, RecipientStatus> = new Map();

/** What came of an attempt. */
export interface Attempted {
  /** How the destination did; absent when it was not dialled. */
  readonly health?: Health;
  /** Makes it durable; resolves with the time at which the entry is due again, if it is. */
  record(): Promise<number | undefined>;
}

/** What attempts need besides the parts of the queue. */
export interface AttemptsOptions {
  readonly claims: Claims;
  readonly endings: Endings;
  /** Asked each time, so that a reload counts. */
  readonly retry: () => RetryOptions;
}

/** Carries out attempts: finds what is still to be delivered and where, has it delivered, judges the result. */
export class Attempts {
  readonly #parts: QueueParts;
  readonly #options: AttemptsOptions;
  readonly #abort = new AbortController();

  constructor(parts: QueueParts, options: AttemptsOptions) {
    this.#parts = parts;
    this.#options = options;
  }

  /** Cuts off what is under way. */
  abort(): void {
    this.#abort.abort();
  }

  async carryOut(task: Task): Promise<Attempted> {
    const { spool, routing, clock } = this.#parts;
    const { endings, retry } = this.#options;
    const { entry, envelope } = task;
    const known = entry.attempts > 1 ? spool.statuses(entry.id) : untried;
    const recipients = pendingOf(entry, envelope, known);
    // A crash came between the notification, which is durable with their ends, and the end of the entry.
    if (recipients.length === 0) return { record: () => endings.finishTold(entry) };
    if (isRerouted(routing, task, recipients)) return { record: () => this.#reroute(task) };
    let octets: StoredOctets;
    try {
      octets = watchOctets(spool.octets(entry.id), (error) => this.#onUnreadable(task, error));
    } catch (error) {
      if (isUnreadable(error)) return { record: () => endings.holdUnreadable(entry, error) };
      // Nothing can be read now.
      return { record: () => endings.giveBack(entry, clock.now() + pauseMs) };
    }
    const attempt = { id: entry.id, lane: task.lane, envelope, recipients, octets, number: entry.attempts };
    const { statuses, health } = await this.#parts.deliver(attempt, this.#abort.signal);
    const retryUntil = expiryOf(envelope, retry());
    const isOver = clock.now() >= retryUntil && task.holdBecause === undefined;
    const isCut = this.#abort.signal.aborted;
    const result = { octets, statuses: isOver && !isCut ? expired(statuses) : statuses };
    // What our own end has cut off is due at once when we are back; the last attempt is when time runs out.
    const delayMs = isCut ? 0 : retryDelay(entry.attempts, retry(), this.#parts.random);
    const dueAt = Math.max(clock.now(), Math.min(clock.now() + delayMs, retryUntil));
    return { health, record: () => endings.settle(task, result, { dueAt, retryUntil }) };
  }

  #onUnreadable(task: Task, error: unknown): void {
    const because = unreadableBecause(error);
    this.#parts.log.error('unreadable', { queueId: task.entry.id, because });
    task.holdBecause = because;
  }

  /** Gives the recipients of an entry the lanes of today; later, when somebody is changing the message. */
  async #reroute(task: Task): Promise<number | undefined> {
    const { claims, endings } = this.#options;
    const { id, lane } = task.entry;
    using seizure = claims.seize(id);
    if (seizure === undefined) return await endings.giveBack(task.entry, this.#parts.clock.now() + pauseMs);
    const { lanes, changes } = rerouted(this.#parts, task);
    await endings.update(id, changes);
    this.#parts.log.info('rerouted', { queueId: id, relay: lane, lanes });
    return undefined;
  }
}
