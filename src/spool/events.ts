/** The events of the spool, as they are logged. */
import type { EventsOf, EventTable } from '../base/index.ts';

export const spoolEvents = {
  'spool-checked': {
    level: ['info', 'warn'],
    when: 'the check at the start is done; a warning when it found damage',
    fields: { path: 'text', messages: 'number', findings: 'number', ms: 'number' },
  },
  'spool-finding': {
    level: 'error',
    when: 'the check at the start found damage; `detail` has its repair',
    fields: { queueId: 'text?', detail: 'text' },
  },
} as const satisfies EventTable;

export type SpoolEvents = EventsOf<typeof spoolEvents>;
