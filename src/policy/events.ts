/** The events of the relay policy, as they are logged. */
import type { EventsOf, EventTable } from '../base/index.ts';

export const policyEvents = {
  'many-names': {
    level: 'warn',
    when: 'more than ten HELO names came from a trusted address within an hour; once a day: **look at it**',
    fields: { client: 'text', names: 'number', because: 'text' },
  },
} as const satisfies EventTable;

export type PolicyEvents = EventsOf<typeof policyEvents>;
