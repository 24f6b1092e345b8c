/** Makes alarms of lasting faults, and ends them. */
import type { Clock } from '../base/index.ts';

/** The kinds of lasting faults. */
export type AlarmKind =
  /** A message is due and is neither tried nor moved. */
  | 'stuck'
  /** A route takes nothing. */
  | 'route-failing'
  /** A smart host takes nothing, while its route still has another way. */
  | 'host-failing'
  /** The access token of a route will end, and there is no other. */
  | 'token'
  /** It has ended: mail has stopped. */
  | 'token-expired'
  /** Messages are held, and nobody looks after them. */
  | 'held';

/** A fault that is present now. Kind and subject identify it. */
export interface Condition {
  readonly kind: AlarmKind;
  readonly subject: string;
  readonly since: number;
  readonly because: string;
  /** The messages that wait for it, as far as they were counted. */
  readonly waiting?: string;
  /** The lanes that are concerned: a notice must not go by one of them. */
  readonly lanes?: readonly string[];
}

/** A condition that has become an alarm. */
export interface Alarm extends Condition {
  readonly raisedAt: number;
}

/** An alarm that begins, lasts or ends. With `isNotice` it is also mailed; the others are for log and status. */
export type AlarmEvent =
  | { readonly event: 'alarm'; readonly alarm: Alarm; readonly isNotice: boolean }
  | { readonly event: 'alarm-over'; readonly alarm: Alarm };

/** The intervals of alarms. */
export interface AlarmIntervals {
  /** A lasting alarm is repeated after this time; a further notice about the same condition is written no sooner. */
  readonly repeatMs: number;
}

/** An alarm ends when its condition was absent for this time: an intermittent condition is one alarm. */
export const calmMs = 15 * 60_000;
/** The maximum number of conditions whose last notice is remembered. */
const maxNotices = 10_000;

interface Entry {
  alarm: Alarm;
  toldAt: number;
  /** When the condition was last seen. */
  seenAt: number;
}

/**
 * Makes alarms of conditions: each one is reported when it begins, again after the repeat interval while it lasts, and
 * when it has been absent for a while. Pure over the clock and the conditions; it writes no log and no notice.
 */
export class Alarms {
  readonly #clock: Clock;
  readonly #options: () => AlarmIntervals;
  readonly #entries = new Map<string, Entry>();
  readonly #noticeAt = new Map<string, number>();

  constructor(clock: Clock, options: () => AlarmIntervals) {
    this.#clock = clock;
    this.#options = options;
  }

  /** The alarms that are on, the oldest first. */
  get alarms(): readonly Alarm[] {
    return [...this.#entries.values()].map(({ alarm }) => alarm).sort((a, b) => a.since - b.since);
  }

  /** Takes all conditions that hold now, of every kind. Returns the events to be reported. */
  look(conditions: readonly Condition[]): readonly AlarmEvent[] {
    const now = this.#clock.now();
    const events: AlarmEvent[] = [];
    for (const condition of conditions) {
      const told = this.#note(condition, now);
      if (told !== undefined) events.push(told);
    }
    for (const [key, { alarm, seenAt }] of this.#entries) {
      if (now - seenAt < calmMs) continue;
      this.#entries.delete(key);
      events.push({ event: 'alarm-over', alarm });
    }
    return events;
  }

  #note(condition: Condition, now: number): AlarmEvent | undefined {
    const key = `${condition.kind} ${condition.subject}`;
    const known = this.#entries.get(key);
    const { repeatMs } = this.#options();
    if (known === undefined) {
      const alarm = { ...condition, raisedAt: now };
      this.#entries.set(key, { alarm, toldAt: now, seenAt: now });
      return { event: 'alarm', alarm, isNotice: this.#mayWrite(key, now, repeatMs) };
    }
    // The first time of the condition stays; its latest description replaces the first one.
    const since = Math.min(known.alarm.since, condition.since);
    known.alarm = { ...condition, since, raisedAt: known.alarm.raisedAt };
    known.seenAt = now;
    if (now - known.toldAt < repeatMs) return undefined;
    known.toldAt = now;
    return { event: 'alarm', alarm: known.alarm, isNotice: this.#mayWrite(key, now, repeatMs) };
  }

  #mayWrite(key: string, now: number, repeatMs: number): boolean {
    const last = this.#noticeAt.get(key);
    if (last !== undefined && now - last < repeatMs) return false;
    if (this.#noticeAt.size >= maxNotices) this.#noticeAt.clear();
    this.#noticeAt.set(key, now);
    return true;
  }
}
