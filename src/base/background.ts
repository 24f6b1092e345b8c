/** Work that nobody awaits. */
import type { BaseEvents } from './events.ts';
import type { Log } from './log.ts';

/**
 * Work that nobody awaits: its failure is logged, and `drain` waits for what is under way.
 * Every promise in the program is awaited, returned, or handed to one of these.
 */
export class Background {
  readonly #log: Log<BaseEvents>;
  readonly #running = new Set<Promise<void>>();

  constructor(log: Log<BaseEvents>) {
    this.#log = log;
  }

  run(what: string, work: Promise<unknown>): void {
    const done: Promise<void> = work.then(
      () => {
        this.#running.delete(done);
      },
      (error: unknown) => {
        this.#running.delete(done);
        this.#log.error('background-failed', { what, error: String(error) });
      },
    );
    this.#running.add(done);
  }

  async drain(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }
}
