/** The events of the operator at work, as they are logged. */
import type { EventsOf, EventTable } from '../base/index.ts';

export const operationEvents = {
  'sessions-closed': {
    level: 'info',
    when: '`posthouse session close`, or `guard release` of an identity: the sessions got 421',
    fields: { which: 'text', sessions: 'number' },
  },
} as const satisfies EventTable;

export type OperationEvents = EventsOf<typeof operationEvents>;
