/** Passes lines of the log on to the parts that follow events. */
import type { AnyEvent, Line, LineSubject, LogFields } from './event-table.ts';
import type { Log } from './log.ts';

/**
 * Calls a subscriber with each of these events as they are logged. A subscriber neither throws nor waits. The returned
 * function ends the subscription.
 */
export interface Subscribable<E extends AnyEvent> {
  subscribe(events: readonly E['event'][], subscriber: (...line: Line<E>) => void): () => void;
}

type Write = (event: string, fields?: LogFields) => void;

/** The log of a relay, with its subscribers. Without a subscriber a line costs one test. */
export class LogHub<E extends AnyEvent> {
  readonly log: Log<AnyEvent>;
  readonly #subscribers = new Map<string, Set<Write>>();
  #mark: ((about: LineSubject) => LogFields | undefined) | undefined;

  constructor(log: Log<AnyEvent>) {
    const passing =
      (write: Write): Write =>
      (event, given) => {
        const fields = this.#mark === undefined ? given : this.#marked(given);
        write(event, fields);
        if (this.#subscribers.size === 0) return;
        for (const subscriber of this.#subscribers.get(event) ?? []) subscriber(event, fields);
      };
    this.log = {
      isVerbose: log.isVerbose,
      info: passing((event, fields) => log.info(event, fields)),
      warn: passing((event, fields) => log.warn(event, fields)),
      error: passing((event, fields) => log.error(event, fields)),
    };
  }

  /** As `Subscribable` has it. */
  subscribe<N extends E['event']>(
    events: readonly N[],
    subscriber: (...line: Line<Extract<E, { readonly event: N }>>) => void,
  ): () => void {
    // The compiler has checked the fields of each event where it is logged. A new function each time, so that one
    // subscriber may subscribe twice.
    const one: Write = (...line) => subscriber(...(line as Line<Extract<E, { readonly event: N }>>));
    for (const event of events) {
      const subscribers = this.#subscribers.get(event);
      if (subscribers === undefined) this.#subscribers.set(event, new Set([one]));
      else subscribers.add(one);
    }
    return () => {
      for (const event of events) {
        const subscribers = this.#subscribers.get(event);
        if (subscribers?.delete(one) && subscribers.size === 0) this.#subscribers.delete(event);
      }
    };
  }

  /** Adds the fields that `mark` returns to each line from now on, until the returned function is called. */
  mark(mark: (about: LineSubject) => LogFields | undefined): () => void {
    this.#mark = mark;
    return () => {
      if (this.#mark === mark) this.#mark = undefined;
    };
  }

  #marked(fields: LogFields | undefined): LogFields | undefined {
    const more = fields === undefined ? undefined : this.#mark?.(fields);
    return more === undefined ? fields : { ...fields, ...more };
  }
}
