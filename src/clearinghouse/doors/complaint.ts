/** Logs unanswered requests of a door, at most once a minute. */
import type { DoorOptions } from './door.ts';

const silenceMs = 60_000;

/**
 * Says that requests cannot be answered, once a minute: where the disk or the engine fails, all of them fail. `failed` is
 * how many did since it was said last.
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
