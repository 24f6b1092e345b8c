/** Releases and removes held mail, and completes what a crash interrupted. */
import { holdTag } from './hold.ts';
import type { Hold, Holds } from './holds.ts';
import type { GuardParts } from './options.ts';

type Verb = 'release' | 'remove';

/**
 * The decisions on held mail. A decision is on disk before it is carried out by a walk over the queue: after a crash
 * the next process repeats the walk and finds the remaining messages.
 */
export class Decisions {
  readonly #parts: GuardParts;
  readonly #holds: Holds;
  readonly #running = new Map<string, { readonly verb: Verb; readonly done: Promise<number> }>();

  constructor(parts: GuardParts, holds: Holds) {
    this.#parts = parts;
    this.#holds = holds;
  }

  /** Continues decisions that a restart interrupted, and counts held mail. */
  resume(): void {
    for (const hold of this.#holds.all()) {
      const { id, state, removeUntil } = hold.record;
      const work =
        state === 'releasing'
          ? this.#serially(id, 'release', () => this.#finishRelease(hold))
          : removeUntil === undefined
            ? this.#holds.recount(hold)
            : this.#serially(id, 'remove', () => this.#finishRemove(hold, removeUntil));
      this.#parts.background.run(`hold ${id}`, work);
    }
  }

  /** Lets everything go. Resolves with the number of messages, `undefined` when there was nothing of that name. */
  async release(id: string): Promise<number | undefined> {
    const hold = this.#holds.get(id);
    if (hold === undefined) return (await this.#parts.mail.release(holdTag(id), 0)) || undefined;
    await this.#holds.change(hold, { state: 'releasing' });
    return await this.#serially(id, 'release', () => this.#finishRelease(hold));
  }

  /** Removes the messages accepted so far. Resolves as `release` does. */
  async remove(id: string): Promise<number | undefined> {
    const hold = this.#holds.get(id);
    const until = this.#parts.clock.now() + 1;
    if (hold === undefined) {
      return (await this.#parts.mail.remove(holdTag(id), { from: 0, until })) || undefined;
    }
    await this.#holds.change(hold, { state: hold.record.state, removeUntil: until });
    return await this.#serially(id, 'remove', () => this.#finishRemove(hold, until));
  }

  /** One decision about a hold after the other; the same one again waits for the first. */
  async #serially(id: string, verb: Verb, work: () => Promise<number>): Promise<number> {
    const running = this.#running.get(id);
    if (running?.verb === verb) return await running.done;
    const before = running?.done.catch(() => {}) ?? Promise.resolve();
    const mine = { verb, done: before.then(work) };
    this.#running.set(id, mine);
    try {
      return await mine.done;
    } finally {
      if (this.#running.get(id) === mine) this.#running.delete(id);
    }
  }

  async #finishRelease(hold: Hold): Promise<number> {
    const { id, subject, from } = hold.record;
    await hold.settled();
    const messages = await this.#parts.mail.release(holdTag(id), from);
    await this.#holds.remove(hold);
    this.#parts.log.info('guard-released', { hold: id, subject, messages });
    return messages;
  }

  async #finishRemove(hold: Hold, until: number): Promise<number> {
    const { id, subject, from } = hold.record;
    // It was released meanwhile.
    if (this.#holds.get(id) !== hold) return 0;
    await hold.settled();
    const messages = await this.#parts.mail.remove(holdTag(id), { from, until });
    await this.#holds.recount(hold);
    const { state } = hold.record;
    if (state === 'ended' && hold.messages === 0) await this.#holds.remove(hold);
    else await this.#holds.change(hold, { state });
    this.#parts.log.info('guard-removed', { hold: id, subject, messages });
    return messages;
  }
}
