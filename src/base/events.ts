/** The events of the log itself and of background work. */
import type { EventsOf, EventTable } from './event-table.ts';

export const baseEvents = {
  'background-failed': {
    level: 'error',
    when: 'work that nobody waits for ended with an error: report it',
    fields: { what: 'text', error: 'text' },
  },
  'log-lines-dropped': {
    level: 'warn',
    when: 'what reads the log was too slow, and this many lines are missing',
    fields: { count: 'number' },
  },
} as const satisfies EventTable;

export type BaseEvents = EventsOf<typeof baseEvents>;
