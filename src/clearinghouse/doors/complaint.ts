/** Logs unanswered requests of a door, at most once a minute. */
import type { DoorOptions } from './door.ts';

const silenceMs = 60_000;

/**
 * Logs that requests cannot be answered, at most once a minute, since a failing disk or engine fails all of them.
 * `failed` is the number of failures since the last such event.
 */
export function complaintsOf({
  name,
  clock,
  log,
}: Pick<DoorOptions, 'name' | 'clock' | 'log'>): (client: string, because: unknown) => void {
  let saidAt = Number.NEGATIVE_INFINITY;
  let failed = 0;
  return (client, because) => {
    failed++;
    if (clock.now() - saidAt < silenceMs) return;
    saidAt = clock.now();
    log.warn('door-failed', { door: name, client, failed, because: String(because) });
    failed = 0;
  };
}
