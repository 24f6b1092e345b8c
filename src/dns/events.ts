/** The events of name resolution, as they are logged. */
import type { EventsOf, EventTable } from '../base/index.ts';

export const dnsEvents = {
  'dns-unavailable': {
    level: 'warn',
    when: 'the resolvers gave no answer; mail waits',
    fields: { name: 'text', type: 'text', because: 'text' },
  },
} as const satisfies EventTable;

export type DnsEvents = EventsOf<typeof dnsEvents>;
