/** The delivery, with the guard hearing of recipients that came back. */
import type { Deliver } from '../queue/index.ts';
import type { Guard } from './guard.ts';
import { subjectOf } from './subject.ts';

/** Passes mail without a subject as it is. */
export function guardDelivery(deliver: Deliver, guard: () => Pick<Guard, 'failed'>): Deliver {
  return (attempt, signal) => {
    const done = deliver(attempt, signal);
    const { origin } = attempt.envelope;
    if (subjectOf(origin) === undefined) return done;
    return done.then((result) => {
      let failed = 0;
      for (const { status } of result.statuses.values()) if (status === 'failed') failed++;
      if (failed > 0) guard().failed(origin, failed);
      return result;
    });
  };
}
