/** The way in: a message gets its lanes, is claimed where its attempts may begin at once, and becomes durable. */
import type { Clock } from '../base/index.ts';
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
import { logStatuses, recipientsOf } from './entry.ts';
import type { Lane, Task } from './lane.ts';
import type { QueueParts } from './parts.ts';

const defaultPatienceMs = 50;

/** How a message is accepted. */
export interface AcceptOptions {
  /** Made durable with it. */
  readonly changes?: readonly Change[];
  /** Why it is set aside from the beginning: no attempt before it is released. */
  readonly held?: string;
}

/** What acceptance asks of the queue, and tells it. */
export interface AcceptanceEvents {
  lane(name: LaneName): Lane;
  /** Whether new attempts are begun at all. */
  mayBegin(): boolean;
  /** How long the claim of a first attempt is leased. */
  leaseMs(): number;
  claimed(lane: Lane, task: Task): void;
  /** The lane is left alone until then. */
  sleeps(lane: Lane, until: number): void;
  /** Something for the lane is due and on disk. */
  waits(lane: Lane): void;
  /** A message was accepted, or could not be. */
  over(): void;
}

/** Takes messages in: routes them, claims at once what may begin, and makes them durable. */
export class Acceptance {
  readonly #parts: QueueParts;
  readonly #claims: Claims;
  readonly #events: AcceptanceEvents;
  readonly #inFlow: InFlow;

  constructor(parts: QueueParts, claims: Claims, events: AcceptanceEvents, patienceMs?: number) {
    this.#parts = parts;
    this.#claims = claims;
    this.#events = events;
    this.#inFlow = new InFlow({
      clock: parts.clock,
      hasRoom: (lane) => claims.laneRoom(lane) > 0,
      patienceMs,
    });
  }

  /** An attempt in the lane is over. */
  left(lane: Lane): void {
    this.#inFlow.left(lane);
  }

  async accept(draft: Draft, envelope: Envelope, { changes, held }: AcceptOptions = {}): Promise<QueueId> {
    if (held !== undefined) return await this.#acceptHeld(draft, envelope, { changes, held });
    const isMailing = this.#claims.isMailing(envelope);
    const { assignLanes, generation: routes } = this.#parts.routing;
    const assigned = assignLanes(envelope);
    const lanes = assigned.map(({ lane }) => this.#events.lane(lane));
    if (this.#inFlow.isFull(lanes)) await this.#inFlow.room(lanes);
    // Claimed before the commit: whoever finds the entries on disk then knows that they are under way.
    const planned = assigned.map(({ lane: name, recipients }, number) => {
      const lane = this.#events.lane(name);
      const isClaimed = this.#admits(lane, isMailing);
      const entry = { id: draft.id, number, ...this.#newEntry(lane, recipients, isClaimed) };
      if (!isClaimed) return { lane, entry };
      const task: Task = { lane: name, entry, envelope, isMailing, routes, state: 'claiming' };
      this.#claims.add(task);
      lane.reserve(1);
      return { lane, entry, task };
    });
    try {
      const id = await draft.commit(
        envelope,
        planned.map(({ entry }) => entry),
        changes,
      );
      for (const { lane, entry, task } of planned) {
        if (task === undefined) this.#leaveOnDisk(lane, entry, envelope);
        else if (task.state === 'claiming') this.#events.claimed(lane, task);
      }
      return id;
    } catch (error) {
      for (const { task } of planned) if (task !== undefined) this.#claims.remove(task);
      throw error;
    } finally {
      for (const { lane, task } of planned) if (task !== undefined) lane.unreserve(1);
      this.#events.over();
    }
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

  #admits(lane: Lane, isMailing: boolean): boolean {
    if (!this.#events.mayBegin() || lane.hasMore || lane.health.kind === 'suspended') return false;
    return this.#claims.admits(lane, isMailing);
  }

  #newEntry(lane: Lane, recipients: NewLaneEntry['recipients'], isClaimed: boolean): NewLaneEntry {
    const now = this.#parts.clock.now();
    if (isClaimed) {
      const dueAt = now + this.#events.leaseMs();
      return { lane: lane.name, recipients, attempts: 1, dueAt, begun: true, attemptedAt: now };
    }
    const dueAt = lane.health.kind === 'suspended' ? Math.max(now, lane.health.until) : now;
    return { lane: lane.name, recipients, attempts: 0, dueAt };
  }

  #leaveOnDisk(lane: Lane, entry: LaneEntry, envelope: Envelope): void {
    if (lane.health.kind === 'alive') {
      lane.expectMore();
      this.#events.waits(lane);
      return;
    }
    const { log, clock } = this.#parts;
    const why = reply(451, '4.1', `delivery suspended: ${formatReplyText(lane.health.because)}`);
    const status: RecipientStatus = { status: 'pending', at: clock.now(), reply: why };
    const statuses = new Map(recipientsOf(entry, envelope).map((index) => [index, status]));
    logStatuses(log, { id: entry.id, envelope, statuses, now: clock.now() });
    this.#events.sleeps(lane, entry.dueAt);
  }
}

/** What is asked of the queue. */
export interface InFlowOptions {
  readonly clock: Clock;
  readonly hasRoom: (lane: Lane) => boolean;
  readonly patienceMs: number | undefined;
}

/**
 * Slows acceptance down where it outruns delivery. A message that waits a moment for room in its lane is
 * delivered from memory; one that is fetched from disk costs about twice as much, and once a lane has one of
 * them, all that follow go the same way until it has caught up. (Postfix: `in_flow_delay`; here it concerns
 * only mail for the destination that is behind, and ends when it does not help.)
 */
export class InFlow {
  readonly #clock: Clock;
  readonly #hasRoom: (lane: Lane) => boolean;
  readonly #patienceMs: number;
  readonly #waiting = new Map<LaneName, Set<() => void>>();

  constructor({ clock, hasRoom, patienceMs }: InFlowOptions) {
    this.#clock = clock;
    this.#hasRoom = hasRoom;
    this.#patienceMs = patienceMs ?? defaultPatienceMs;
  }

  /** Whether a message for these had better wait. */
  isFull(lanes: readonly Lane[]): boolean {
    if (this.#patienceMs === 0) return false;
    return lanes.some((lane) => this.#waiting.has(lane.name) || this.#isWorthWaiting(lane));
  }

  /** Waits for room in each of the lanes, in turn, as long as that may help. */
  async room(lanes: readonly Lane[]): Promise<void> {
    const until = this.#clock.now() + this.#patienceMs;
    for (const lane of lanes) {
      if (!this.#waiting.has(lane.name) && !this.#isWorthWaiting(lane)) continue;
      do await this.#turn(lane.name, until - this.#clock.now());
      while (this.#isWorthWaiting(lane) && this.#clock.now() < until);
    }
  }

  /** An attempt in the lane is over: the first in turn has its place. */
  left(lane: Lane): void {
    const turns = this.#waiting.get(lane.name);
    if (turns === undefined || !this.#hasRoom(lane)) return;
    const [first] = turns;
    first?.();
  }

  /** It is full, and nothing for it is on disk yet. */
  #isWorthWaiting(lane: Lane): boolean {
    return !lane.hasMore && lane.health.kind === 'alive' && !this.#hasRoom(lane);
  }

  #turn(name: LaneName, ms: number): Promise<void> {
    const turns = this.#waiting.get(name) ?? new Set();
    this.#waiting.set(name, turns);
    return new Promise((resolve) => {
      const turn = () => {
        cancel();
        turns.delete(turn);
        if (turns.size === 0) this.#waiting.delete(name);
        resolve();
      };
      const cancel = this.#clock.after(Math.max(0, ms), turn);
      turns.add(turn);
    });
  }
}
