/** The events of the log itself and of background work. */
import type { EventsOf, EventTable } from './event-table.ts';

export const baseEvents = {
  'background-failed': {
    level: 'error',
    when: 'background work ended with an error: report it',
    fields: { what: 'text', error: 'text' },
  },
  'log-lines-dropped': {
    level: 'warn',
    when: 'the reader of the log was too slow; `count` lines are missing',
    fields: { count: 'number' },
  },
} as const satisfies EventTable;

export type BaseEvents = EventsOf<typeof baseEvents>;
