/** The events of the control socket and of login reports over HTTP, as they are logged. */
import type { EventsOf, EventTable } from '../base/index.ts';

export const adminEvents = {
  control: {
    level: 'info',
    when: 'an operator changed something by a command',
    fields: { command: 'text', args: 'json?', result: 'json' },
  },
  'control-failed': {
    level: ['warn', 'error'],
    when: 'a command ended with an error of this program; an error is about the socket itself',
    fields: { error: 'error' },
  },
  'window-report-denied': {
    level: 'warn',
    when: 'a program reports a login over HTTP without the token; at most once a minute, with the number of reports (`denied`)',
    fields: { client: 'text', denied: 'number', because: 'text' },
  },
  'window-report-failed': {
    level: 'error',
    when: 'a report of a login could not be taken',
    fields: { client: 'text', because: 'text' },
  },
} as const satisfies EventTable;

export type AdminEvents = EventsOf<typeof adminEvents>;
