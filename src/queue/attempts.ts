/** One attempt: its remaining recipients, its lane, and its result. */
import type { RecipientStatus } from '../mail/index.ts';
import { SpoolError, type StoredOctets } from '../spool/index.ts';
import type { Claims } from './claims.ts';
import { type Endings, unreadableBecause } from './ending.ts';
import {
  expired,
  expiryOf,
  hasStatus,
  pendingOf,
  recipientsOf,
  retryDelay,
  statusChanges,
  without,
} from './entry.ts';
import type { Task } from './lane.ts';
import type { RetryOptions } from './options.ts';
import type { AttemptResult, Health, QueueParts, Replacements } from './parts.ts';
import { appended, isRerouted, redirectedTo, rerouted } from './reassign.ts';

/** When an attempt that could not begin is tried again. */
const pauseMs = 1000;
const untried: ReadonlyMap<number, RecipientStatus> = new Map();

/** The result of an attempt. */
export interface Attempted {
  /** How the destination did; absent when it was not dialled. */
  readonly health?: Health;
  /** Makes it durable; resolves with the time at which the entry is due again, if it is. */
  record(): Promise<number | undefined>;
}

/** The parts that attempts need besides those of the queue. */
export interface AttemptsOptions {
  readonly claims: Claims;
  readonly endings: Endings;
  /** Asked each time, so that a reload counts. */
  readonly retry: () => RetryOptions;
  /** Begins the next attempt of the lane behind the content of this one. */
  readonly follow: (task: Task) => void;
}

/**
 * Carries out attempts: finds the remaining recipients and their lane, has the message delivered, judges the result.
 */
export class Attempts {
  readonly #parts: QueueParts;
  readonly #options: AttemptsOptions;
  readonly #abort = new AbortController();

  constructor(parts: QueueParts, options: AttemptsOptions) {
    this.#parts = parts;
    this.#options = options;
  }

  /** Cuts off running attempts. */
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
      const stored = spool.octets(entry.id);
      octets =
        stored?.whole === undefined
          ? watchOctets(stored, (error) => this.#onUnreadable(task, error))
          : stored;
    } catch (error) {
      if (isUnreadable(error)) return { record: () => endings.holdUnreadable(entry, error) };
      // Nothing can be read now.
      return { record: () => endings.giveBack(entry, clock.now() + pauseMs) };
    }
    const { id, lane, attempts: number } = entry;
    const follow = () => this.#options.follow(task);
    const attempt = { id, lane, envelope, recipients, octets, number, follow };
    const { statuses, health, replacements } = await this.#parts.deliver(attempt, this.#abort.signal);
    const now = clock.now();
    const retryUntil = expiryOf(envelope, retry());
    if (replacements === undefined && !hasStatus(statuses, 'pending')) {
      const times = { dueAt: now, retryUntil };
      return { health, record: () => endings.settle(task, { octets, statuses }, times) };
    }
    const isCut = this.#abort.signal.aborted;
    const isOver = now >= retryUntil && !isCut;
    const result = { octets, statuses: isOver ? expired(statuses, task.holds) : statuses };
    // What our own end has cut off is due at once when we are back; the last attempt is when time runs out.
    const delayMs = isCut ? 0 : retryDelay(entry.attempts, retry(), this.#parts.random);
    const dueAt = Math.max(now, Math.min(now + delayMs, retryUntil));
    const settle = () => endings.settle(task, result, { dueAt, retryUntil });
    const record =
      replacements === undefined ? settle : () => this.#replace(task, { statuses, replacements }, settle);
    return { health, record };
  }

  #onUnreadable(task: Task, error: unknown): void {
    const because = unreadableBecause(error);
    this.#parts.log.error('unreadable', { queueId: task.entry.id, because });
    task.holds = new Map(recipientsOf(task.entry, task.envelope).map((index) => [index, because]));
  }

  /**
   * Replaces some recipients by others, then settles the rest; later, while an operator or the sweep changes the
   * message.
   */
  async #replace(
    task: Task,
    { statuses, replacements }: Pick<AttemptResult, 'statuses'> & { readonly replacements: Replacements },
    settle: () => Promise<number | undefined>,
  ): Promise<number | undefined> {
    const { claims, endings } = this.#options;
    const { spool, clock, log } = this.#parts;
    const { entry } = task;
    const { id } = entry;
    const rest = [...statuses.keys()];
    {
      using seizure = claims.seize(id);
      const envelope = spool.envelope(id);
      if (seizure === undefined || envelope === undefined)
        return await endings.giveBack(entry, clock.now() + pauseMs);
      const adds = appended(this.#parts, claims, { id, envelope, replacements, holds: task.holds });
      const ends = new Map(
        [...replacements].map(([index, to]) => [index, redirectedTo(to, clock.now())] as const),
      );
      for (const [index, to] of replacements) {
        const from = envelope.recipients[index]?.address.text ?? '';
        log.info('redirected', { queueId: id, from, to: to.map(({ address }) => address.text) });
      }
      if (adds.length + rest.length === 0) {
        await endings.finish({ id, entries: [entry], statuses: ends });
        return undefined;
      }
      const share = { entry, taken: [...replacements.keys()], left: rest };
      await endings.update(id, [...adds, ...statusChanges(id, ends), without(share, clock.now())]);
      task.narrow({ ...entry, recipients: rest });
    }
    return rest.length === 0 ? undefined : await settle();
  }

  /** Gives the recipients of an entry the lanes of today; later, while an operator or the sweep changes the message. */
  async #reroute(task: Task): Promise<number | undefined> {
    const { claims, endings } = this.#options;
    const { id, lane } = task.entry;
    using seizure = claims.seize(id);
    if (seizure === undefined) return await endings.giveBack(task.entry, this.#parts.clock.now() + pauseMs);
    const { lanes, changes } = rerouted(this.#parts, task, claims);
    await endings.update(id, changes);
    this.#parts.log.info('rerouted', { queueId: id, relay: lane, lanes });
    return undefined;
  }
}

/** Whether a message is damaged: reading it again would not help, as it would when the disk is busy. */
export function isUnreadable(error: unknown): boolean {
  return error instanceof SpoolError && (error.code === 'corrupt' || error.code === 'missing');
}

/**
 * The octets of a message for an attempt. Those in a file are verified while they are sent, and the attempt only knows
 * that it failed: `onUnreadable` is called with the reason. Throws `SpoolError` `missing` without them.
 */
export function watchOctets(
  octets: StoredOctets | undefined,
  onUnreadable: (error: unknown) => void,
): StoredOctets {
  if (octets === undefined) throw new SpoolError('missing', 'the octets are gone');
  if (octets.whole !== undefined) return octets;
  return {
    size: octets.size,
    whole: undefined,
    async *chunks(from) {
      try {
        yield* octets.chunks(from);
      } catch (error) {
        if (isUnreadable(error)) onUnreadable(error);
        throw error;
      }
    },
  };
}
