/** Follows one message through the log until its recipients have their fate. */
import type { Log, LogFields } from '../base/index.ts';

/** What is told about one message: an event of the log with its fields. */
export type Follower = (event: string, fields: LogFields) => void;

/**
 * Lets somebody follow one message through what is logged about it, so that there is one account of its
 * fate and not two. Costs a look at an empty table while nobody follows.
 */
export class Followers {
  readonly #byId = new Map<string, Set<Follower>>();

  /** A log that passes everything on and tells the followers. */
  tap(log: Log): Log {
    const tell = (event: string, fields: LogFields = {}) => {
      if (this.#byId.size === 0) return;
      const { queueId } = fields;
      if (typeof queueId !== 'string') return;
      for (const follower of this.#byId.get(queueId) ?? []) follower(event, fields);
    };
    return {
      isVerbose: log.isVerbose,
      info(event, fields) {
        log.info(event, fields);
        tell(event, fields);
      },
      warn(event, fields) {
        log.warn(event, fields);
        tell(event, fields);
      },
      error(event, fields) {
        log.error(event, fields);
        tell(event, fields);
      },
    };
  }

  /** Returns the function that ends the following. */
  follow(queueId: string, follower: Follower): () => void {
    const followers = this.#byId.get(queueId) ?? new Set();
    this.#byId.set(queueId, followers.add(follower));
    return () => {
      followers.delete(follower);
      if (followers.size === 0) this.#byId.delete(queueId);
    };
  }
}
