/** Finds mail in the spool that is held too long or does not move. */
import type { Condition } from './alarms.ts';

/** An entry of a message, as the watchdog sees it. */
export interface WatchedEntry {
  readonly lane: string;
  /** When it is to be tried next. */
  readonly dueAt: number;
  /** Set aside, and why. */
  readonly held?: string | undefined;
}

/** A message that is old enough to be looked at. */
export interface WatchedMessage {
  readonly id: string;
  readonly receivedAt: number;
  /** Empty: nothing will ever be tried for it. `undefined`: it cannot be read. */
  readonly entries: readonly WatchedEntry[] | undefined;
}

export interface SpoolLimits {
  readonly stuckMs: number;
  readonly heldMs: number;
  /** No attempt is ever planned further ahead than this. */
  readonly maxDelayMs: number;
}

/** Mail that is set aside. */
export interface Held {
  readonly count: number;
  /** When the oldest came; absent where there is none. */
  readonly oldestAt?: number;
}

/** Messages that are named in an alarm; the others are counted. */
const maxNamed = 5;

/**
 * One walk over the spool, message by message: which of them neither moved nor are about to. It holds counts and
 * a few names, however long the queue is.
 */
export class SpoolWalk {
  readonly #limits: SpoolLimits;
  readonly #now: number;
  readonly #stuck: { readonly id: string; readonly because: string }[] = [];
  readonly #lanes = new Set<string>();
  #stuckCount = 0;
  #stuckSince = Number.POSITIVE_INFINITY;
  #heldCount = 0;
  #heldSince = Number.POSITIVE_INFINITY;

  constructor(limits: SpoolLimits, now: number) {
    this.#limits = limits;
    this.#now = now;
  }

  /** Looks at one message. */
  visit({ id, receivedAt, entries }: WatchedMessage): void {
    if (entries === undefined || entries.length === 0) {
      this.#note(id, receivedAt, entries === undefined ? 'it cannot be read' : 'nothing is planned for it');
      return;
    }
    const { stuckMs, maxDelayMs } = this.#limits;
    let isHeld = false;
    for (const { lane, dueAt, held } of entries) {
      if (held !== undefined) isHeld = true;
      else if (this.#now - dueAt >= stuckMs) {
        this.#lanes.add(lane);
        this.#note(id, dueAt, `it was due at ${new Date(dueAt).toISOString()} in ${lane}`);
        break;
      } else if (dueAt - this.#now > maxDelayMs + stuckMs) {
        this.#lanes.add(lane);
        this.#note(id, receivedAt, `it is not due before ${new Date(dueAt).toISOString()} in ${lane}`);
        break;
      }
    }
    if (!isHeld) return;
    this.#heldCount++;
    this.#heldSince = Math.min(this.#heldSince, receivedAt);
  }

  #note(id: string, since: number, because: string): void {
    this.#stuckCount++;
    this.#stuckSince = Math.min(this.#stuckSince, since);
    if (this.#stuck.length < maxNamed) this.#stuck.push({ id, because });
  }

  get held(): Held {
    return this.#heldCount === 0 ? { count: 0 } : { count: this.#heldCount, oldestAt: this.#heldSince };
  }

  /** The conditions found, when the walk is over. */
  conditions(): readonly Condition[] {
    const found: Condition[] = [];
    if (this.#stuckCount > 0) {
      const named = this.#stuck.map(({ id, because }) => `${id}: ${because}`).join('; ');
      const more = this.#stuckCount - this.#stuck.length;
      found.push({
        kind: 'stuck',
        subject: 'queue',
        since: this.#stuckSince,
        because: `accepted mail is neither tried nor moved: ${named}${more > 0 ? ` and ${more} more` : ''}`,
        waiting: String(this.#stuckCount),
        lanes: [...this.#lanes],
      });
    }
    if (this.#heldCount > 0 && this.#now - this.#heldSince >= this.#limits.heldMs) {
      found.push({
        kind: 'held',
        subject: 'queue',
        since: this.#heldSince,
        because: 'messages are held; "posthouse queue list" shows why, "queue release" sends them',
        waiting: String(this.#heldCount),
      });
    }
    return found;
  }
}
