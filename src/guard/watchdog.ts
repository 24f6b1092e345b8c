/** The watchdog of a relay: checks whether mail moves, and raises an alarm when it does not. */
import type { Background, Clock, Log } from '../base/index.ts';
import type { Delivery, Trouble } from '../delivery/index.ts';
import { type LaneName, type QueueId, queueIdBound, queueIdTime } from '../mail/index.ts';
import type { Deliver, Queue } from '../queue/index.ts';
import { type Spool, walkInTurns } from '../spool/index.ts';
import { type Alarm, type AlarmEvent, Alarms, type Condition } from './alarms.ts';
import type { GuardEvents } from './events.ts';
import type { AlarmOptions } from './options.ts';
import type { RouteWatch } from './watchdog-routes.ts';
import { type Held, SpoolWalk, type WatchedEntry } from './watchdog-spool.ts';

/** The interval between two looks. */
const tickMs = 10_000;
/** Messages looked at in one tick. */
const messagesPerTick = 5_000;
/** Messages of a lane that are counted at most. */
const maxCounted = 1_000;

/** The id of the notice of an alarm, or why there is none. */
interface NoticeFate {
  readonly queueId?: string;
  readonly because?: string;
}

/** The parts that the watchdog needs. */
export interface WatchdogParts {
  readonly spool: Spool;
  readonly queue: Pick<Queue, 'suspension' | 'options'>;
  readonly delivery: Pick<Delivery, 'tend' | 'isStatic'>;
  readonly routeWatch: RouteWatch;
  readonly clock: Clock;
  readonly log: Log<GuardEvents>;
  readonly background: Background;
  /** Of the moment. */
  readonly options: () => AlarmOptions;
  /**
   * Writes a notice of an alarm to the postmaster while these alarms last; resolves with its outcome for the log.
   * Never rejects.
   */
  readonly write: (alarm: Alarm, alarms: readonly Alarm[]) => Promise<NoticeFate>;
}

/** Notes the ends of attempts. An attempt that our own end cut off says nothing about its route. */
export function watched(deliver: Deliver, watch: RouteWatch): Deliver {
  return (attempt, signal) =>
    deliver(attempt, signal).then((result) => {
      if (signal.aborted) return result;
      const { statuses, health } = result;
      watch.note({ id: attempt.id, lane: attempt.lane, statuses, isUnavailable: health.kind !== 'alive' });
      return result;
    });
}

/**
 * Checks every few seconds whether mail moves, and reports alarms: in the log, in the status, and to the postmaster if
 * the notice can go another way.
 */
export class Watchdog implements AsyncDisposable {
  readonly #parts: WatchdogParts;
  readonly #alarms: Alarms;
  #walk: SpoolWalk | undefined;
  #walkFrom: QueueId | undefined;
  #walkedAt = Number.NEGATIVE_INFINITY;
  #found: readonly Condition[] = [];
  #held: Held = { count: 0 };
  #cancel: () => void = () => {};
  #underWay: Promise<void> = Promise.resolve();
  #isOver = false;

  constructor(parts: WatchdogParts) {
    this.#parts = parts;
    this.#alarms = new Alarms(parts.clock, () => parts.options());
  }

  /** Begins to look. */
  start(): void {
    this.#later();
  }

  get alarms(): readonly Alarm[] {
    return this.#alarms.alarms;
  }

  /** Mail that is set aside, as the last walk over the spool found it. */
  get held(): Held {
    return this.#held;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    this.#cancel();
    await this.#underWay;
  }

  #later(): void {
    if (this.#isOver) return;
    this.#cancel = this.#parts.clock.after(tickMs, () => {
      this.#underWay = this.#tick()
        .catch((error: unknown) => this.#parts.log.error('watchdog-failed', { because: String(error) }))
        .finally(() => this.#later());
      this.#parts.background.run('watchdog', this.#underWay);
    });
  }

  async #tick(): Promise<void> {
    const troubles = this.#parts.delivery.tend();
    await this.#lookAtSpool();
    if (this.#isOver) return;
    const conditions = [...this.#routes(), ...this.#troubles(troubles), ...this.#found];
    for (const event of this.#alarms.look(conditions)) await this.#tell(event);
  }

  /** Continues the walk over old messages; begins another when the last one was some time ago. */
  async #lookAtSpool(): Promise<void> {
    const { spool, clock, queue } = this.#parts;
    const { stuckMs, heldMs } = this.#parts.options();
    const now = clock.now();
    if (this.#walk === undefined) {
      if (now - this.#walkedAt < stuckMs / 6) return;
      this.#walk = new SpoolWalk({ stuckMs, heldMs, maxDelayMs: 2 * queue.options.retry.maxMs }, now);
      this.#walkedAt = now;
      this.#walkFrom = undefined;
    }
    const until = queueIdBound(Math.max(0, this.#walkedAt - Math.min(stuckMs, heldMs)));
    const from = this.#walkFrom;
    let seen = 0;
    for await (const id of walkInTurns(spool, { ...(from && { from }), until })) {
      if (this.#isOver) return;
      if (seen === messagesPerTick) {
        this.#walkFrom = id;
        return;
      }
      this.#visit(this.#walk, id);
      seen++;
    }
    this.#found = this.#walk.conditions();
    this.#held = this.#walk.held;
    this.#walk = undefined;
  }

  #visit(walk: SpoolWalk, id: QueueId): void {
    const receivedAt = queueIdTime(id);
    let entries: readonly WatchedEntry[] | undefined;
    try {
      entries = this.#parts.spool.entries(id).map(({ lane, dueAt, held }) => {
        const until = this.#parts.queue.suspension(lane)?.until ?? 0;
        return { lane, dueAt: Math.max(dueAt, until), held };
      });
      // It came to its end meanwhile.
      if (entries.length === 0 && this.#parts.spool.envelope(id) === undefined) return;
    } catch {
      entries = undefined;
    }
    walk.visit({ id, receivedAt, entries });
  }

  #routes(): readonly Condition[] {
    const { delivery, routeWatch, spool } = this.#parts;
    const facts = {
      failingMs: this.#parts.options().routeFailingMs,
      isStatic: (lane: LaneName) => delivery.isStatic(lane),
      waiting: (lanes: readonly LaneName[]) => this.#count(lanes),
    };
    return routeWatch.failing(facts, (lane) => spool.laneDue(lane) !== undefined);
  }

  #count(lanes: readonly LaneName[]): string {
    let count = 0;
    for (const lane of lanes) {
      const limit = maxCounted - count;
      if (limit <= 0) break;
      count += this.#parts.spool.due(lane, { until: 2 ** 48 - 2, limit }).length;
    }
    return count >= maxCounted ? `${maxCounted} or more` : String(count);
  }

  /** A host is part of the alarm of its routes when they take nothing either, or have no token. */
  #troubles(troubles: readonly Trouble[]): readonly Condition[] {
    const { clock, options, routeWatch } = this.#parts;
    const now = clock.now();
    const withoutToken = new Set(
      troubles.flatMap(({ kind, lanes }) => (kind === 'token-expired' ? lanes : [])),
    );
    return troubles.flatMap(({ kind, subject, since, because, lanes }): Condition[] => {
      if (kind === 'token') return [{ kind, subject, since, because }];
      if (kind === 'token-expired') return [{ kind, subject, since, because, lanes }];
      if (now - since < options().routeFailingMs) return [];
      const isPart =
        lanes.length > 0 && lanes.every((lane) => withoutToken.has(lane) || routeWatch.isFailing(lane));
      return isPart ? [] : [{ kind: 'host-failing', subject, since, because }];
    });
  }

  async #tell(told: AlarmEvent): Promise<void> {
    const { log, options } = this.#parts;
    const { kind, subject, since, because, waiting } = told.alarm;
    const fields = { kind, subject, since: new Date(since).toISOString(), because, waiting };
    if (told.event === 'alarm-over') {
      log.info('alarm-over', fields);
      return;
    }
    // Logged first: the notice has to be made durable, and may fail.
    log.error('alarm', fields);
    if (!told.isNotice || !options().mail) return;
    const notice = await this.#parts.write(told.alarm, this.alarms);
    log.info('alarm-notice', { kind, subject, ...notice });
  }
}
