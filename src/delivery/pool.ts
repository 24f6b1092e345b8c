/** Sessions that are kept between attempts. */
import type { Background, Clock } from '../base/index.ts';
import type { ClientSession } from '../client/index.ts';
import type { LaneName } from '../mail/index.ts';
import type { DeliveryLimits } from './options.ts';
import type { NextHost } from './transport.ts';

/** A session with its facts between attempts. */
export interface PooledSession {
  readonly session: ClientSession;
  readonly lane: LaneName;
  /** `host[address]:port`. */
  readonly relay: string;
  /** The key of its address in the `HostMemory`, and all of its keys. */
  readonly hostKey: string;
  readonly keys: readonly string[];
  /** The host of the route that it is a session with. */
  readonly next: NextHost | undefined;
  /**
   * Opportunistic TLS was begun, or declined, and may turn out to be broken (`possible`); it was broken and the
   * session is in clear because of that (`taken`).
   */
  readonly fallback: 'none' | 'possible' | 'taken';
  readonly openedAt: number;
  idleSince: number;
}

/** How long a lane does without followers where one came to nothing. */
const withoutFollowersMs = 600_000;
/** Lanes of which that is known. */
const maxKnown = 1000;

type PoolLimits = Pick<
  DeliveryLimits,
  'idlePerLane' | 'idleTotal' | 'idleMs' | 'sessionAgeMs' | 'messagesPerSession'
>;

/**
 * Sessions kept between attempts, by lane: a lane is one destination with its credentials, TLS policy and source, so a
 * session never carries mail that another policy was meant for. `take` is synchronous and sets no timer; one sweep for
 * all lanes closes sessions that have been idle for long.
 */
export class SessionPool {
  readonly #limits: PoolLimits;
  readonly #clock: Clock;
  readonly #background: Background;
  readonly #idle = new Map<LaneName, PooledSession[]>();
  #count = 0;
  #cancelSweep: (() => void) | undefined;
  #isClosed = false;
  /** A session that sends its content, for an attempt that begins right now. */
  #offered: PooledSession | undefined;
  /** Until when nothing follows in a lane. */
  readonly #withoutFollowers = new Map<LaneName, number>();

  constructor(limits: PoolLimits, clock: Clock, background: Background) {
    this.#limits = limits;
    this.#clock = clock;
    this.#background = background;
  }

  /** Idle sessions in all lanes. */
  get size(): number {
    return this.#count;
  }

  /** The session used last in this lane, if it is still good, among those that `suits` accepts, if given. */
  take(lane: LaneName, suits?: (kept: PooledSession) => boolean): PooledSession | undefined {
    const offered = this.#offered;
    if (offered?.lane === lane) {
      this.#offered = undefined;
      return offered;
    }
    const idle = this.#idle.get(lane);
    if (idle === undefined) return undefined;
    const now = this.#clock.now();
    if (suits !== undefined) return this.#takeOne(lane, now, suits);
    for (let kept = idle.pop(); kept !== undefined; kept = idle.pop()) {
      this.#count--;
      if (this.#isGood(kept, now)) return kept;
      this.#quit(kept);
    }
    this.#idle.delete(lane);
    return undefined;
  }

  #takeOne(lane: LaneName, now: number, suits: (kept: PooledSession) => boolean): PooledSession | undefined {
    const idle = this.#idle.get(lane) ?? [];
    for (let at = idle.findLastIndex(suits); at >= 0; at = idle.findLastIndex(suits)) {
      const [kept] = idle.splice(at, 1);
      if (idle.length === 0) this.#idle.delete(lane);
      if (kept === undefined) return undefined;
      this.#count--;
      if (this.#isGood(kept, now)) return kept;
      this.#quit(kept);
    }
    return undefined;
  }

  /**
   * Has another attempt of the lane begun, which gets a session whose content is about to go out: the envelope of
   * another message may go out behind it.
   */
  offer(host: PooledSession, begin: () => void): void {
    const now = this.#clock.now();
    host.idleSince = now;
    const isPlain = (this.#withoutFollowers.get(host.lane) ?? 0) > now;
    if (this.#isClosed || isPlain || !this.#isGood(host, now)) return;
    this.#offered = host;
    begin();
    this.#offered = undefined;
  }

  /** A message that followed another on its session came to nothing: for a while none follows in the lane. */
  offerNoMore({ lane }: PooledSession): void {
    if (this.#withoutFollowers.size >= maxKnown) this.#withoutFollowers.clear();
    this.#withoutFollowers.set(lane, this.#clock.now() + withoutFollowersMs);
  }

  /** Keeps a session for the next attempt, or says QUIT when it has done enough or there are too many. */
  give(kept: PooledSession): void {
    const now = this.#clock.now();
    kept.idleSince = now;
    const idle = this.#idle.get(kept.lane);
    const isFull = this.#count >= this.#limits.idleTotal || (idle?.length ?? 0) >= this.#limits.idlePerLane;
    if (this.#isClosed || isFull || !this.#isGood(kept, now)) {
      this.#quit(kept);
      return;
    }
    if (idle === undefined) this.#idle.set(kept.lane, [kept]);
    else idle.push(kept);
    this.#count++;
    if (this.#cancelSweep === undefined) this.#scheduleSweep();
  }

  /** Says QUIT to a session that has done enough. */
  retire(kept: PooledSession): void {
    this.#quit(kept);
  }

  /** Says QUIT to every idle session; sessions given back later are still kept. */
  flush(): void {
    for (const idle of this.#idle.values()) for (const kept of idle) this.#quit(kept);
    this.#idle.clear();
    this.#count = 0;
    this.#cancelSweep?.();
    this.#cancelSweep = undefined;
  }

  /** Flushes, and keeps nothing from now on. */
  close(): void {
    this.#isClosed = true;
    this.flush();
  }

  #isGood({ session, openedAt, idleSince }: PooledSession, now: number): boolean {
    return (
      session.isUsable &&
      now - idleSince < this.#limits.idleMs &&
      now - openedAt < this.#limits.sessionAgeMs &&
      session.messagesSent < this.#limits.messagesPerSession
    );
  }

  #quit({ session }: PooledSession): void {
    if (session.isUsable) this.#background.run('quit', session.quit());
    else session.close();
  }

  #scheduleSweep(): void {
    this.#cancelSweep = this.#clock.after(Math.max(this.#limits.idleMs / 2, 1), () => {
      this.#cancelSweep = undefined;
      this.#sweep();
      if (this.#idle.size > 0) this.#scheduleSweep();
    });
  }

  #sweep(): void {
    const now = this.#clock.now();
    for (const [lane, idle] of this.#idle) {
      const good = idle.filter((kept) => this.#isGood(kept, now));
      if (good.length === idle.length && good.length > 0) continue;
      for (const kept of idle) if (!good.includes(kept)) this.#quit(kept);
      this.#count -= idle.length - good.length;
      if (good.length === 0) this.#idle.delete(lane);
      else this.#idle.set(lane, good);
    }
  }
}
