import {
  type Address,
  type Envelope,
  type QueueId,
  type Recipient,
  type RecipientStatus,
  type Reply,
  reply,
} from '../mail/index.ts';
import type { Change, LaneEntry } from '../spool/index.ts';
import { endPending } from './end-pending.ts';
import type { Suspension } from './lane.ts';
import type { QueueParts } from './options.ts';
import type { Queue } from './queue.ts';
import { pendingOf, statusChanges } from './settle.ts';

/** What an operation did to one message. */
export type Operated = 'done' | 'under-way' | 'unknown' | 'nothing-to-do';

const maxBecause = 500;

/** What the sender of a bounced message reads. The reason is a person's: it becomes one line, and not a long one. */
function bouncedReply(because: string): Reply {
  const line = because
    .replace(/[\s\p{C}]+/gu, ' ')
    .trim()
    .slice(0, maxBecause)
    .toWellFormed();
  return reply(550, '7.0', `returned by the postmaster${line === '' ? '' : `: ${line}`}`);
}

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
    let willBeHeld = false;
    for (const { number } of this.#parts.spool.entries(id)) {
      if (this.#queue.claims.holdAfterAttempt(id, number, because)) willBeHeld = true;
    }
    const done = await this.#reschedule(id, ({ begun: _, ...entry }) => ({ ...entry, held: because }));
    if (done === 'done') this.#parts.log.info('held', { queueId: id, status: 'held', because });
    return done === 'under-way' && willBeHeld ? 'done' : done;
  }

  async release(id: QueueId): Promise<Operated> {
    for (const entry of this.#parts.spool.entries(id)) {
      this.#queue.claims.holdAfterAttempt(id, entry.number, undefined);
    }
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

  /** Why and until when a lane is left alone; `undefined` when it is not. */
  suspension(lane: string): Suspension | undefined {
    return this.#queue.suspension(lane);
  }

  /**
   * What came of a flush: the destinations (of all, without `lanes`) that turned out to take nothing, so that
   * what waits for them was not tried. `isOver` is false while some have not answered yet.
   */
  flushed(lanes?: ReadonlySet<string>): {
    readonly isOver: boolean;
    readonly suspended: ReadonlyMap<string, Suspension>;
  } {
    const now = this.#parts.clock.now();
    const suspended = new Map<string, Suspension>();
    let isOver = true;
    for (const lane of this.#queue.lanes) {
      if (lanes?.has(lane.name) === false) continue;
      if (!lane.isJudged(now)) isOver = false;
      if (lane.health.kind === 'suspended') suspended.set(lane.name, lane.health);
    }
    return { isOver, suspended };
  }

  /** Removes the message without telling anybody. */
  async remove(id: QueueId): Promise<Operated> {
    const { spool, log } = this.#parts;
    using seizure = this.#queue.claims.seize(id);
    const entries = this.#idleEntries(id);
    if (seizure === undefined || entries === undefined) return 'under-way';
    if (entries.length === 0 && spool.envelope(id) === undefined) return 'unknown';
    await spool.update([{ kind: 'remove', id }]);
    log.info('removed', { queueId: id, because: 'by the operator' });
    return 'done';
  }

  /** Returns the message to its sender now, who is told the reason. */
  async bounce(id: QueueId, because = ''): Promise<Operated> {
    const { spool, clock } = this.#parts;
    if (spool.envelope(id) === undefined) return 'unknown';
    const at = clock.now();
    const why = bouncedReply(because);
    const ended = await endPending(this.#queue, this.#parts, {
      id,
      heldToo: true,
      status: () => ({ status: 'failed', at, reply: why }),
    });
    return ended ? 'done' : 'under-way';
  }

  /** Sends the message to somebody else: the recipients that still wait are replaced by one. */
  async redirect(id: QueueId, to: Address): Promise<Operated> {
    const { spool, routing, clock, log } = this.#parts;
    using seizure = this.#queue.claims.seize(id);
    const envelope = spool.envelope(id);
    const entries = this.#idleEntries(id);
    if (seizure === undefined || entries === undefined) return 'under-way';
    if (envelope === undefined || entries.length === 0) return 'unknown';
    const statuses = spool.statuses(id);
    const replaced = entries.flatMap((entry) => pendingOf(entry, envelope, statuses));
    const lane = routing.assignLanes({ ...envelope, recipients: [{ address: to }] })[0]?.lane;
    if (lane === undefined) return 'nothing-to-do';
    const notify = envelope.recipients[replaced[0] ?? 0]?.notify;
    const recipient: Recipient = { address: to, ...(notify && { notify }) };
    // The new recipient goes to the end, so that the indices of earlier statuses keep their meaning.
    const next: Envelope = { ...envelope, recipients: [...envelope.recipients, recipient] };
    const entry: LaneEntry = {
      id,
      number: Math.max(...entries.map(({ number }) => number)) + 1,
      lane,
      recipients: [next.recipients.length - 1],
      attempts: 0,
      dueAt: clock.now(),
    };
    // Nobody is told of those that were replaced, and nothing is to be tried for them any more.
    const status = redirectedTo(to, clock.now());
    await spool.update([
      { kind: 'envelope', id, envelope: next },
      { kind: 'add', entry },
      ...statusChanges(id, new Map(replaced.map((index) => [index, status]))),
      ...entries.map((old): Change => ({ kind: 'finish', entry: old })),
    ]);
    log.info('redirected', { queueId: id, to: to.text });
    return 'done';
  }

  /** The entries of a message, none of them claimed any more; `undefined` when some attempt is under way. */
  #idleEntries(id: QueueId): readonly LaneEntry[] | undefined {
    const entries = this.#parts.spool.entries(id);
    if (entries.some(({ number }) => this.#queue.claims.isUnderWay(id, number))) return undefined;
    for (const { number } of entries) this.#queue.claims.drop(id, number);
    return entries;
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

  /** Replaces the entries that `change` gives something for; those under way are left as they are. */
  async #reschedule(id: QueueId, change: (entry: LaneEntry) => LaneEntry | undefined): Promise<Operated> {
    using seizure = this.#queue.claims.seize(id);
    if (seizure === undefined) return 'under-way';
    const entries = this.#parts.spool.entries(id);
    if (entries.length === 0) return 'unknown';
    const changes: Change[] = [];
    for (const from of entries) {
      if (this.#queue.claims.isUnderWay(id, from.number)) continue;
      const to = change(from);
      if (to === undefined) continue;
      this.#queue.claims.drop(id, from.number);
      changes.push({ kind: 'reschedule', from, to });
    }
    if (changes.length > 0) await this.#parts.spool.update(changes);
    else if (entries.some(({ number }) => this.#queue.claims.isUnderWay(id, number))) return 'under-way';
    return changes.length > 0 ? 'done' : 'nothing-to-do';
  }
}

function redirectedTo(to: Address, at: number): RecipientStatus {
  const text = reply(250, '1.5', `redirected to ${to.text} by the postmaster`);
  return { status: 'delivered', at, relay: 'redirect', reply: text };
}
