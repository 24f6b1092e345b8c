/** The clock, as everything that depends on time is given it. */

/** The time and the timers a module may use, passed in so that tests can move them. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Calls back once after `delayMs`; the returned function cancels. Never keeps the process alive. */
  after(delayMs: number, callback: () => void): () => void;
}

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, Math.min(delayMs, 0x7fffffff));
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** A clock that moves only by `advance`. Timers fire in order of their time. */
export interface ManualClock extends Clock {
  advance(byMs: number): void;
}

/** Makes a manual clock that begins at `startMs`. */
export function manualClock(startMs = Date.UTC(2026, 0, 1)): ManualClock {
  let now = startMs;
  let serial = 0;
  const timers = new Map<number, { at: number; callback: () => void }>();
  const nextDue = (until: number) =>
    [...timers].filter(([, timer]) => timer.at <= until).sort((a, b) => a[1].at - b[1].at || a[0] - b[0])[0];
  return {
    now: () => now,
    after(delayMs, callback) {
      const id = serial++;
      timers.set(id, { at: now + delayMs, callback });
      return () => timers.delete(id);
    },
    advance(byMs) {
      const until = now + byMs;
      for (let due = nextDue(until); due !== undefined; due = nextDue(until)) {
        timers.delete(due[0]);
        now = Math.max(now, due[1].at);
        due[1].callback();
      }
      now = until;
    },
  };
}
