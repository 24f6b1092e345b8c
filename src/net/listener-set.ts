/** The listeners of one kind that a configuration asks for, and their exchange at a reload. */
import type { Clock } from '../base/index.ts';

/** A listener that is bound once, and then served by its present options. */
export interface Listener<Options> {
  /** Takes connections from now on, by these options; present connections keep theirs. Cannot fail. */
  serve(options: Options): void;
  /** Takes no more connections, and waits for the end of the present ones; when `signal` aborts they are cut off. */
  drain(signal: AbortSignal): Promise<void>;
}

/** The parts of a set. */
export interface ListenerSetParts<Options, L extends Listener<Options>> {
  /** A listener that has the same key before and after keeps its socket; listeners with one key go by their order. */
  readonly keyOf: (options: Options) => string;
  /** Binds a listener, which serves nobody yet. Rejects with the system's error. */
  readonly bind: (options: Options) => Promise<L>;
  readonly clock: Clock;
}

/** Listeners bound for new options: exactly one of the two is called. */
export interface PreparedListeners {
  /** Cannot fail. */
  commit(): void;
  abandon(): Promise<void>;
}

/** The connections of a listener that is not in the configuration any more are cut off after this time. */
const drainMs = 30_000;

/**
 * Listeners by address. A socket whose address stays is kept, so that no connection is refused; a new one is bound
 * before anything changes; one that is not asked for any more is drained.
 */
export class ListenerSet<Options, L extends Listener<Options>> {
  readonly #parts: ListenerSetParts<Options, L>;
  #open: ReadonlyMap<string, L> = new Map();
  readonly #leaving = new Set<L>();
  #unused: ReadonlyMap<string, L> = new Map();
  #isDrained = false;

  constructor(parts: ListenerSetParts<Options, L>) {
    this.#parts = parts;
  }

  /** The listeners that take connections, in the order of their options. */
  get open(): readonly L[] {
    return [...this.#open.values()];
  }

  /** The listeners with connections, draining ones included. */
  *all(): Generator<L> {
    yield* this.#open.values();
    yield* this.#leaving;
  }

  /** Binds new listeners. Rejects with the system's error; then nothing has changed. */
  async prepare(options: readonly Options[]): Promise<PreparedListeners> {
    const { bind } = this.#parts;
    const wanted = this.#byKey(options);
    const fresh = new Map<string, L>();
    this.#unused = fresh;
    const abandon = () => drainAll(fresh.values(), AbortSignal.abort());
    try {
      for (const [key, each] of wanted) if (!this.#open.has(key)) fresh.set(key, await bind(each));
    } catch (error) {
      await abandon();
      throw error;
    }
    return { abandon, commit: () => this.#commit(wanted, fresh) };
  }

  #byKey(options: readonly Options[]): ReadonlyMap<string, Options> {
    const found = new Map<string, Options>();
    for (const each of options) {
      const key = this.#parts.keyOf(each);
      let free = key;
      for (let n = 2; found.has(free); n++) free = `${key} #${n}`;
      found.set(free, each);
    }
    return found;
  }

  #commit(wanted: ReadonlyMap<string, Options>, fresh: ReadonlyMap<string, L>): void {
    if (this.#isDrained) return;
    const before = this.#open;
    const after = new Map<string, L>();
    for (const [key, options] of wanted) {
      const listener = before.get(key) ?? fresh.get(key);
      if (listener === undefined) continue;
      after.set(key, listener);
      listener.serve(options);
    }
    this.#open = after;
    this.#unused = new Map();
    for (const [key, listener] of before) if (!after.has(key)) this.#leave(listener);
  }

  /** Not awaited: `drain` of the set waits for it, too. */
  #leave(listener: L): void {
    const late = new AbortController();
    const cancel = this.#parts.clock.after(drainMs, () => late.abort());
    this.#leaving.add(listener);
    void listener.drain(late.signal).then(() => {
      cancel();
      this.#leaving.delete(listener);
    });
  }

  /** Drains all, for good; prepared listeners that were not committed are closed. */
  async drain(signal: AbortSignal): Promise<void> {
    this.#isDrained = true;
    await Promise.all([
      drainAll(this.#unused.values(), AbortSignal.abort()),
      drainAll([...this.all()], signal),
    ]);
  }
}

async function drainAll<O>(listeners: Iterable<Listener<O>>, signal: AbortSignal): Promise<void> {
  await Promise.all(Array.from(listeners, (listener) => listener.drain(signal)));
}
