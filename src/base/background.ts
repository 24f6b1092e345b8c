/** Work that nobody awaits. */
import type { BaseEvents } from './events.ts';
import type { Log } from './log.ts';

/**
 * Background work: its failure is logged, and `drain` waits for it. Every promise in the program is awaited, returned,
 * or handed to one of these.
 */
export class Background {
  readonly #log: Log<BaseEvents>;
  /** How much is under way. A number, for each message hands over several. */
  #running = 0;
  #drains: (() => void)[] = [];

  constructor(log: Log<BaseEvents>) {
    this.#log = log;
  }

  run(what: string, work: Promise<unknown>): void {
    this.#running++;
    work.then(this.#done, (error: unknown) => {
      this.#log.error('background-failed', { what, error: String(error) });
      this.#done();
    });
  }

  readonly #done = (): void => {
    if (--this.#running > 0) return;
    for (const resolve of this.#drains.splice(0)) resolve();
  };

  async drain(): Promise<void> {
    while (this.#running > 0) await new Promise<void>((resolve) => this.#drains.push(resolve));
  }
}
