/** The events of audits, as they are logged. */
import type { EventsOf, EventTable } from '../base/index.ts';

export const auditEvents = {
  'audit-begun': {
    level: 'info',
    when: '`posthouse audit` begins; every line that its mail and its sessions cause has the field `audit`, too',
    fields: { audit: 'text' },
  },
  'audit-ended': {
    level: 'info',
    when: '`posthouse audit` is done',
    fields: { audit: 'text', verdict: 'text', because: 'text' },
  },
  'audit-left': {
    level: 'warn',
    when: 'a message of an audit could not be removed from the queue; it is never sent',
    fields: { audit: 'text', queueId: 'text', because: 'text' },
  },
} as const satisfies EventTable;

export type AuditEvents = EventsOf<typeof auditEvents>;
