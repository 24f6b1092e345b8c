/** The events of traps, as they are logged. */
import type { EventsOf, EventTable } from '../base/index.ts';

export const trapEvents = {
  'trap-open': {
    level: 'info',
    when: 'the archive of traps is open',
    fields: { folder: 'text', messages: 'number', bytes: 'number' },
  },
  'trap-write-failed': {
    level: 'error',
    when: 'a message could not be archived; the client got 451 or 452',
    fields: { queueId: 'text', because: 'text' },
  },
} as const satisfies EventTable;

export type TrapEvents = EventsOf<typeof trapEvents>;
