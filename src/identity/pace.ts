/** Lets attempts pass one by one, with pauses that grow with wrong ones. */
import { type BackOff, backOff, type Clock } from '../base/index.ts';

const delays: BackOff = { minMs: 500, maxMs: 30_000 };

/** From how many wrong attempts on there are pauses, and how they grow. */
export interface PaceRule {
  /** Wrong attempts that cost nothing. */
  readonly free: number;
  /** After so many more the pause is twice as long, up to half a minute. */
  readonly doubling: number;
  /** Half of the wrong attempts are forgotten in this time. */
  readonly halfLifeMs: number;
  /** The number of attempts that wait; beyond it, one that failed more often or waited longer is told to come back. */
  readonly room: number;
}

/** The result of an attempt. `none`: it was not judged. */
export type AttemptEnd = 'right' | 'wrong' | 'none';

interface Waiting {
  /** The lowest first, and of the same rank the newest: an older client may have gone. */
  readonly rank: number;
  readonly tell: (outcome: 'go' | 'busy') => void;
}

/**
 * Lets attempts through one by one, with a pause between them that grows with the number of wrong ones. A running
 * attempt counts as wrong until it is known, so that many at once gain nothing; a right one takes its pause back, and
 * the next one goes at once.
 */
export class Pace {
  readonly #clock: Clock;
  readonly #rule: PaceRule;
  readonly #wrong: Faded;
  readonly #offered: Faded;
  #judging = 0;
  #nextAt = 0;
  readonly #waiting: Waiting[] = [];
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, rule: PaceRule) {
    this.#clock = clock;
    this.#rule = rule;
    this.#wrong = new Faded(clock, rule.halfLifeMs);
    this.#offered = new Faded(clock, rule.halfLifeMs);
  }

  /** Wrong attempts, as far as they are not forgotten. */
  get failures(): number {
    return this.#wrong.count;
  }

  /** Secrets that were offered (`offer`), as far as they are not forgotten, whether or not they were judged. */
  get offered(): number {
    return this.#offered.count;
  }

  /** Whether an attempt waits or is being judged: then it must not be forgotten. */
  get isInUse(): boolean {
    return this.#judging > 0 || this.#waiting.length > 0;
  }

  get isFree(): boolean {
    return !this.isInUse && this.#delay() === 0;
  }

  /**
   * Resolves when the attempt may be judged: `end` has to be called then. `busy`: it may not, or the signal says that
   * the client has gone.
   */
  async enter({
    rank = 0,
    signal,
  }: {
    readonly rank?: number;
    readonly signal?: AbortSignal | undefined;
  } = {}) {
    if (signal?.aborted) return 'busy';
    if (this.#waiting.length === 0 && this.#clock.now() >= this.#nextAt) {
      this.#admit();
      return 'go';
    }
    if (this.#waiting.length >= this.#rule.room && !this.#makesRoom(rank)) return 'busy';
    return await new Promise<'go' | 'busy'>((tell) => {
      const waiting = { rank, tell };
      const place = this.#waiting.findIndex((other) => other.rank >= rank);
      this.#waiting.splice(place < 0 ? this.#waiting.length : place, 0, waiting);
      signal?.addEventListener('abort', () => this.#leave(waiting), { once: true });
      this.#wake();
    });
  }

  /** Takes the result of an attempt that was let through. */
  end(outcome: AttemptEnd): void {
    this.#judging--;
    if (outcome === 'wrong') this.fail();
    else this.#nextAt = Math.min(this.#nextAt, this.#clock.now() + (outcome === 'right' ? 0 : this.#delay()));
    this.#wake();
  }

  /** A wrong attempt, also one that did not come through here. */
  fail(): void {
    this.#wrong.add();
    this.#nextAt = Math.max(this.#nextAt, this.#clock.now() + this.#delay());
  }

  /** Notes a secret that cannot be judged yet. */
  offer(): void {
    this.#offered.add();
  }

  #admit(): void {
    this.#judging++;
    this.#nextAt = this.#clock.now() + this.#delay();
  }

  #delay(): number {
    const { free, doubling } = this.#rule;
    const excess = Math.round(this.failures + this.#judging - free);
    return excess < 0 ? 0 : backOff(1 + Math.floor(excess / doubling), delays);
  }

  #wake(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    const now = this.#clock.now();
    while (this.#waiting.length > 0 && now >= this.#nextAt) {
      this.#admit();
      this.#waiting.shift()?.tell('go');
    }
    if (this.#waiting.length > 0) this.#cancel = this.#clock.after(this.#nextAt - now, () => this.#wake());
  }

  #leave(waiting: Waiting): void {
    const place = this.#waiting.indexOf(waiting);
    if (place < 0) return;
    this.#waiting.splice(place, 1);
    waiting.tell('busy');
    this.#wake();
  }

  /** Dismisses the last attempt, unless it failed less often than the new one. */
  #makesRoom(rank: number): boolean {
    if ((this.#waiting.at(-1)?.rank ?? 0) < rank) return false;
    this.#waiting.pop()?.tell('busy');
    return true;
  }
}

/** A count of which half is forgotten in each half-life. */
class Faded {
  readonly #clock: Clock;
  readonly #halfLifeMs: number;
  #count = 0;
  #at = 0;

  constructor(clock: Clock, halfLifeMs: number) {
    this.#clock = clock;
    this.#halfLifeMs = halfLifeMs;
  }

  get count(): number {
    const age = Math.max(0, this.#clock.now() - this.#at);
    return this.#count * 0.5 ** (age / this.#halfLifeMs);
  }

  add(): void {
    this.#count = this.count + 1;
    this.#at = this.#clock.now();
  }
}
