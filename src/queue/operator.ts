/** The operator's changes to messages of the queue. */
import {
  type Envelope,
  type LaneName,
  type QueueId,
  type Recipient,
  type RecipientStatus,
  type Reply,
  reply,
} from '../mail/index.ts';
import type { Change, LaneEntry } from '../spool/index.ts';
import { logStatuses, type Portion, type Share, sharesOf, statusChanges, without } from './entry.ts';
import type { Suspension } from './lane.ts';
import type { QueueParts } from './parts.ts';
import type { Queue } from './queue.ts';
import { appended, redirectedTo } from './reassign.ts';

const maxBecause = 500;

/** The reply that the sender of a bounced message reads: the operator's reason as one short line. */
function bouncedReply(because: string): Reply {
  const line = because
    .replace(/[\s\p{C}]+/gu, ' ')
    .trim()
    .slice(0, maxBecause)
    .toWellFormed();
  return reply(550, '7.0', `returned by the postmaster${line === '' ? '' : `: ${line}`}`);
}

/**
 * An operator's changes of messages, or of some recipients of one: the others go on as they were. Each takes effect
 * durably, as a whole, before it resolves. A running attempt is never cut off: hold applies after it, the others
 * return `under-way` if a selected recipient is in it.
 */
export class Operator {
  readonly #queue: Queue;
  readonly #parts: QueueParts;

  constructor(queue: Queue, parts: QueueParts) {
    this.#queue = queue;
    this.#parts = parts;
  }

  async hold(id: QueueId, because: string, portion?: Portion): Promise<Operated> {
    let willBeHeld = false;
    for (const { number } of this.#parts.spool.entries(id)) {
      if (this.#queue.claims.holdAfterAttempt(id, number, { because, portion })) willBeHeld = true;
    }
    const done = await this.#reschedule(id, portion, ({ begun: _, ...entry }) => ({
      ...entry,
      held: because,
    }));
    if (done === 'done') this.#parts.log.info('held', { queueId: id, status: 'held', because });
    return done !== 'done' && willBeHeld ? 'done' : done;
  }

  async release(id: QueueId, portion?: Portion): Promise<Operated> {
    for (const { number } of this.#parts.spool.entries(id)) {
      this.#queue.claims.holdAfterAttempt(id, number, { portion });
    }
    const done = await this.#retryNow(id, portion, (entry) => entry.held !== undefined);
    if (done === 'done') this.#parts.log.info('released', { queueId: id });
    return done;
  }

  /** Tries the message now. */
  flush(id: QueueId, portion?: Portion): Promise<Operated> {
    return this.#retryNow(id, portion, (entry) => entry.held === undefined);
  }

  /** Tries everything in the lane, or in all of them, once, whatever its due time. */
  flushLane(lane?: LaneName): void {
    if (lane !== undefined) this.#queue.wake(lane, { all: true });
    else for (const wake of this.#parts.spool.lanes()) this.#queue.wake(wake.lane, { all: true });
  }

  /** Why and until when a lane is left alone; `undefined` when it is not. */
  suspension(lane: LaneName): Suspension | undefined {
    return this.#queue.suspension(lane);
  }

  /**
   * The result of a flush: the destinations (of all, without `lanes`) that turned out to take no mail, so that theirs
   * was not tried. `isOver` is false while some have not answered yet.
   */
  flushed(lanes?: ReadonlySet<LaneName>): {
    readonly isOver: boolean;
    readonly suspended: ReadonlyMap<LaneName, Suspension>;
  } {
    const now = this.#parts.clock.now();
    const suspended = new Map<LaneName, Suspension>();
    let isOver = true;
    for (const lane of this.#queue.lanes) {
      if (lanes?.has(lane.name) === false) continue;
      if (!lane.isJudged(now)) isOver = false;
      if (lane.health.kind === 'suspended') suspended.set(lane.name, lane.health);
    }
    return { isOver, suspended };
  }

  /** Removes the message, or these recipients of it, without a DSN. */
  async remove(id: QueueId, portion?: Portion): Promise<Operated> {
    const { spool, log, clock } = this.#parts;
    using seizure = this.#queue.claims.seize(id);
    if (seizure === undefined) return 'under-way';
    const entries = spool.entries(id);
    if (portion === undefined) {
      if (entries.length === 0 && spool.envelope(id) === undefined) return 'unknown';
      if (!this.#drop(entries)) return 'under-way';
      await spool.update([{ kind: 'remove', id }]);
      log.info('removed', { queueId: id, because: 'by the operator' });
      return 'done';
    }
    const found = this.#take(id, portion);
    if (typeof found === 'string') return found;
    const { shares, envelope } = found;
    const at = clock.now();
    const gone = shares.flatMap(({ taken }) => taken);
    const statuses = new Map(gone.map((index) => [index, removedAt(at)]));
    const isLast = shares.length === entries.length && shares.every(({ left }) => left.length === 0);
    await spool.update(
      isLast ? [{ kind: 'remove', id }] : [...statusChanges(id, statuses), ...this.#without(shares)],
    );
    const to = gone.flatMap((index) => envelope.recipients[index]?.address.text ?? []);
    log.info(isLast ? 'removed' : 'recipients-removed', { queueId: id, to, because: 'by the operator' });
    return 'done';
  }

  /** Returns the message to its sender now, with the reason; or these recipients only. */
  async bounce(id: QueueId, because = '', portion?: Portion): Promise<Operated> {
    const { spool, clock } = this.#parts;
    if (spool.envelope(id) === undefined) return 'unknown';
    const at = clock.now();
    const why = bouncedReply(because);
    return await endPending(this.#queue, this.#parts, {
      id,
      heldToo: true,
      status: () => ({ status: 'failed', at, reply: why }),
      portion,
    });
  }

  /**
   * Sends the message to others, which replace the recipients that still wait, or these. No DSN reports the replaced
   * ones. A recipient that gets the message already does not get it twice.
   */
  async redirect(id: QueueId, to: readonly Recipient[], portion?: Portion): Promise<Operated> {
    const { spool, clock, log } = this.#parts;
    using seizure = this.#queue.claims.seize(id);
    if (seizure === undefined) return 'under-way';
    const found = this.#take(id, portion);
    if (typeof found === 'string') return found;
    const { shares, envelope } = found;
    const replaced = shares.flatMap(({ taken }) => taken);
    const [first] = replaced;
    if (first === undefined || to.length === 0) return 'nothing-to-do';
    const notify = envelope.recipients[first]?.notify;
    const recipients = to.map((recipient) => ({ ...recipient, ...(notify && { notify }) }));
    const replacements = new Map(replaced.map((index) => [index, index === first ? recipients : []]));
    const adds = appended(this.#parts, this.#queue.claims, { id, envelope, replacements });
    const status = redirectedTo(recipients, clock.now());
    const kept = shares.length < spool.entries(id).length || shares.some(({ left }) => left.length > 0);
    await spool.update(
      // Each named recipient gets it already, and no other one waits.
      adds.length === 0 && !kept
        ? [{ kind: 'remove', id }]
        : [
            ...adds,
            ...statusChanges(id, new Map(replaced.map((index) => [index, status]))),
            ...this.#without(shares),
          ],
    );
    log.info('redirected', {
      queueId: id,
      from: replaced.flatMap((index) => envelope.recipients[index]?.address.text ?? []),
      to: to.map(({ address }) => address.text),
    });
    return 'done';
  }

  /** The selected entries of a seized message, none of them claimed any more. */
  #take(
    id: QueueId,
    portion: Portion,
  ):
    | 'unknown'
    | 'under-way'
    | 'nothing-to-do'
    | { readonly envelope: Envelope; readonly shares: readonly Share[] } {
    const { spool } = this.#parts;
    const envelope = spool.envelope(id);
    const entries = spool.entries(id);
    if (envelope === undefined || entries.length === 0) return 'unknown';
    const shares = sharesOf(entries, { envelope, statuses: spool.statuses(id) }, portion);
    if (shares.length === 0) return 'nothing-to-do';
    return this.#drop(shares.map(({ entry }) => entry)) ? { envelope, shares } : 'under-way';
  }

  /** Has the entries claimed no more; false, and nothing is changed, when an attempt at one is under way. */
  #drop(entries: readonly LaneEntry[]): boolean {
    const { claims } = this.#queue;
    if (entries.some(({ id, number }) => claims.isUnderWay(id, number))) return false;
    for (const { id, number } of entries) claims.drop(id, number);
    return true;
  }

  #without(shares: readonly Share[]): readonly Change[] {
    return shares.map((share) => without(share, this.#parts.clock.now()));
  }

  async #retryNow(id: QueueId, portion: Portion, applies: (entry: LaneEntry) => boolean): Promise<Operated> {
    const lanes = new Set<LaneName>();
    const dueAt = this.#parts.clock.now();
    const done = await this.#reschedule(id, portion, (entry) => {
      if (!applies(entry)) return undefined;
      lanes.add(entry.lane);
      const { held: _held, begun: _begun, ...rest } = entry;
      return { ...rest, dueAt };
    });
    for (const lane of lanes) this.#queue.wake(lane, { all: false });
    return done;
  }

  /**
   * Replaces the selected part of each entry for which `change` returns something; running entries are left as they
   * are, and the rest becomes an entry of its own.
   */
  async #reschedule(
    id: QueueId,
    portion: Portion,
    change: (entry: LaneEntry) => LaneEntry | undefined,
  ): Promise<Operated> {
    const { claims } = this.#queue;
    using seizure = claims.seize(id);
    if (seizure === undefined) return 'under-way';
    const entries = this.#parts.spool.entries(id);
    if (entries.length === 0) return 'unknown';
    const changes: Change[] = [];
    const now = this.#parts.clock.now();
    let isUnderWay = false;
    for (const share of this.#sharesOf(id, entries, portion)) {
      const { entry: from, taken, left } = share;
      if (claims.isUnderWay(id, from.number)) {
        isUnderWay = true;
        continue;
      }
      const to = change(from);
      if (to === undefined) continue;
      claims.drop(id, from.number);
      if (left.length === 0) {
        changes.push({ kind: 'reschedule', from, to });
        continue;
      }
      const number = claims.nextNumber(id, entries);
      changes.push(without(share, now), { kind: 'add', entry: { ...to, number, recipients: taken } });
    }
    if (changes.length > 0) await this.#parts.spool.update(changes);
    else if (isUnderWay) return 'under-way';
    return changes.length > 0 ? 'done' : 'nothing-to-do';
  }

  /** Without a portion the envelope is not looked at: a message that cannot be read can be held all the same. */
  #sharesOf(id: QueueId, entries: readonly LaneEntry[], portion: Portion): readonly Share[] {
    if (portion === undefined) return entries.map((entry) => ({ entry, taken: [], left: [] }));
    const envelope = this.#parts.spool.envelope(id);
    return envelope === undefined
      ? []
      : sharesOf(entries, { envelope, statuses: this.#parts.spool.statuses(id) }, portion);
  }
}

function removedAt(at: number): RecipientStatus {
  return { status: 'failed', at, reply: reply(550, '7.0', 'removed by the postmaster'), removed: true };
}

/** The effect of an operation on one message. */
export type Operated = 'done' | 'under-way' | 'unknown' | 'nothing-to-do';

/** How `endPending` ends a recipient, from its last status. */
export interface EndPending {
  readonly id: QueueId;
  status(last: RecipientStatus | undefined): RecipientStatus;
  /** Also recipients that an operator holds. */
  readonly heldToo?: boolean;
  /** These recipients only. */
  readonly portion?: Portion;
}

/**
 * Gives the pending recipients of a message the same end, notifies, and removes the message when nothing is
 * left. `under-way` when some entry is under way or gone, and was left as it is. What of an entry is not meant
 * goes on; who is left in it is written with the notification.
 */
export async function endPending(queue: Queue, parts: QueueParts, end: EndPending): Promise<Operated> {
  const { spool, log, clock } = parts;
  const { id, portion, heldToo = false } = end;
  using seizure = queue.claims.seize(id);
  const envelope = spool.envelope(id);
  const octets = spool.octets(id);
  if (seizure === undefined || envelope === undefined || octets === undefined) return 'under-way';
  const known = spool.statuses(id);
  const entries = spool.entries(id).filter(({ held }) => heldToo || held === undefined);
  const all = sharesOf(entries, { envelope, statuses: known }, portion);
  const shares = all.filter(({ entry }) => queue.claims.drop(id, entry.number));
  if (shares.length === 0) return portion !== undefined && all.length === 0 ? 'nothing-to-do' : 'under-way';
  const pending = shares.flatMap(({ taken }) => taken);
  const statuses = new Map(pending.map((index) => [index, end.status(known.get(index))]));
  const divided = shares.filter(({ left }) => left.length > 0);
  const changes = divided.map((share) => without(share, clock.now()));
  // Said only when it is so: a notification that cannot be spooled now leaves everything as it was.
  await parts.notify({
    id,
    envelope,
    octets,
    statuses,
    kind: 'ended',
    retryUntil: clock.now(),
    ...(divided.length > 0 && { changes: [...statusChanges(id, statuses), ...changes] }),
  });
  logStatuses(log, { id, envelope, statuses, now: clock.now() });
  const ended = shares.filter(({ left }) => left.length === 0).map(({ entry }) => entry);
  if (ended.length > 0) await queue.finish({ id, entries: ended, statuses });
  return shares.length === all.length ? 'done' : 'under-way';
}
