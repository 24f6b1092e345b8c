/** The events of the process as a whole, as they are logged. */
import type { EventsOf, EventTable } from '../base/index.ts';

export const processEvents = {
  listening: {
    level: 'info',
    when: 'a listener takes connections',
    fields: { listener: 'text', role: 'text', address: 'text' },
  },
  'config-warning': {
    level: 'warn',
    when: 'at the start: a setting works and is perhaps not meant',
    fields: { path: 'text', because: 'text' },
  },
  reloaded: {
    level: 'info',
    when: 'a new configuration is in force, after SIGHUP or `posthouse reload`',
    fields: { changes: 'texts' },
  },
  'reload-refused': {
    level: 'error',
    when: 'a new configuration has problems; the one in force stays',
    fields: { because: 'text', problems: 'texts' },
  },
  stopping: { level: 'info', when: 'a signal asks the relay to end', fields: { signal: 'text' } },
  draining: {
    level: 'info',
    when: 'listeners are closed; sessions and attempts come to their end',
    fields: {},
  },
  stopped: { level: 'info', when: 'everything is closed', fields: {} },
  'local-login-unavailable': {
    level: 'warn',
    when: 'the local profile could not make its certificate or its user; it runs without STARTTLS and logins',
    fields: { because: 'text' },
  },
  'runtime-outdated': {
    level: 'warn',
    when: 'the Node that runs the relay lacks security fixes that are out: **act**',
    fields: { because: 'text' },
  },
  'state-damaged': {
    level: 'error',
    when: 'the small state (`state/`: windows of POP before SMTP) was unreadable at the start, is set aside and begun anew',
    fields: { because: 'text', kept: 'text' },
  },
  'spool-write-failed': {
    level: 'error',
    when: 'a message could not be written; the client got 451 or 452',
    fields: { queueId: 'text', because: 'text' },
  },
} as const satisfies EventTable;

export type ProcessEvents = EventsOf<typeof processEvents>;
