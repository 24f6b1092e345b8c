import { type Address, type Envelope, type QueueId, reply } from '../mail/index.ts';
import type { Change, LaneEntry } from '../spool/index.ts';
import type { QueueParts } from './options.ts';
import type { Queue } from './queue.ts';
import { endPending } from './sweep.ts';

/** What an operation did to one message. */
export type Operated = 'done' | 'under-way' | 'unknown' | 'nothing-to-do';

const bouncedByOperator = reply(550, '7.0', 'returned by the postmaster');

/**
 * What an operator may do to messages. Each takes effect durably before it resolves. An attempt that is
 * under way is never cut off: hold applies after it, the others say `under-way`.
 */
export class Operator {
  readonly #queue: Queue;
  readonly #parts: QueueParts;

  constructor(queue: Queue, parts: QueueParts) {
    this.#queue = queue;
    this.#parts = parts;
  }

  async hold(id: QueueId, because: string): Promise<Operated> {
    for (const entry of this.#parts.spool.entries(id)) {
      this.#queue.holdAfterAttempt(id, entry.number, because);
    }
    const done = await this.#reschedule(id, ({ begun: _, ...entry }) => ({ ...entry, held: because }));
    if (done === 'done') this.#parts.log.info('held', { queueId: id, status: 'held', because });
    return done === 'under-way' ? 'done' : done;
  }

  async release(id: QueueId): Promise<Operated> {
    const done = await this.#retryNow(id, (entry) => entry.held !== undefined);
    if (done === 'done') this.#parts.log.info('released', { queueId: id });
    return done;
  }

  /** Tries the message now. */
  flush(id: QueueId): Promise<Operated> {
    return this.#retryNow(id, (entry) => entry.held === undefined);
  }

  /** Tries everything in the lane, or in all of them, once, whatever its due time. */
  flushLane(lane?: string): void {
    if (lane !== undefined) this.#queue.wake(lane, { all: true });
    else for (const wake of this.#parts.spool.lanes()) this.#queue.wake(wake.lane, { all: true });
  }

  /** Removes the message without telling anybody. */
  async remove(id: QueueId): Promise<Operated> {
    const { spool, log } = this.#parts;
    const taken = this.#take(id);
    if (taken.all.length === 0 && spool.envelope(id) === undefined) return 'unknown';
    if (taken.idle.length < taken.all.length) return 'under-way';
    await spool.update([{ kind: 'remove', id }]);
    log.info('removed', { queueId: id, because: 'by the operator' });
    return 'done';
  }

  /** Returns the message to its sender now. */
  async bounce(id: QueueId): Promise<Operated> {
    const { spool, clock } = this.#parts;
    if (spool.envelope(id) === undefined) return 'unknown';
    const at = clock.now();
    const ended = await endPending(this.#queue, this.#parts, {
      id,
      heldToo: true,
      status: () => ({ status: 'failed', at, reply: bouncedByOperator }),
    });
    return ended ? 'done' : 'under-way';
  }

  /** Sends the message to somebody else: the recipients that still wait are replaced by one. */
  async redirect(id: QueueId, to: Address): Promise<Operated> {
    const { spool, routing, clock, log } = this.#parts;
    const envelope = spool.envelope(id);
    const taken = this.#take(id);
    if (envelope === undefined || taken.all.length === 0) return 'unknown';
    if (taken.idle.length < taken.all.length) return 'under-way';
    const lane = routing.assignLanes({ ...envelope, recipients: [{ address: to }] })[0]?.lane;
    if (lane === undefined) return 'nothing-to-do';
    // The new recipient goes to the end, so that the indices of earlier statuses keep their meaning.
    const next: Envelope = { ...envelope, recipients: [...envelope.recipients, { address: to }] };
    const entry: LaneEntry = {
      id,
      number: Math.max(...taken.all.map(({ number }) => number)) + 1,
      lane,
      recipients: [next.recipients.length - 1],
      attempts: 0,
      dueAt: clock.now(),
    };
    await spool.update([
      { kind: 'envelope', id, envelope: next },
      { kind: 'add', entry },
      ...taken.all.map((old): Change => ({ kind: 'finish', entry: old })),
    ]);
    this.#queue.wake(lane, { all: false });
    log.info('redirected', { queueId: id, to: to.text });
    return 'done';
  }

  /** The entries of a message, and those of them that are not under way and not claimed any more. */
  #take(id: QueueId): { readonly all: readonly LaneEntry[]; readonly idle: readonly LaneEntry[] } {
    const all = this.#parts.spool.entries(id);
    return { all, idle: all.filter((entry) => this.#queue.drop(id, entry.number)) };
  }

  async #retryNow(id: QueueId, applies: (entry: LaneEntry) => boolean): Promise<Operated> {
    const lanes = new Set<string>();
    const dueAt = this.#parts.clock.now();
    const done = await this.#reschedule(id, (entry) => {
      if (!applies(entry)) return undefined;
      lanes.add(entry.lane);
      const { held: _held, begun: _begun, ...rest } = entry;
      return { ...rest, dueAt };
    });
    for (const lane of lanes) this.#queue.wake(lane, { all: false });
    return done;
  }

  async #reschedule(id: QueueId, change: (entry: LaneEntry) => LaneEntry | undefined): Promise<Operated> {
    const { all, idle } = this.#take(id);
    if (all.length === 0) return 'unknown';
    const changes = idle.flatMap((from): Change[] => {
      const to = change(from);
      return to === undefined ? [] : [{ kind: 'reschedule', from, to }];
    });
    if (changes.length === 0) return idle.length < all.length ? 'under-way' : 'nothing-to-do';
    await this.#parts.spool.update(changes);
    return 'done';
  }
}
