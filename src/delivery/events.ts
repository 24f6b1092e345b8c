/** The events of attempts and of the hosts that mail goes to, as they are logged. */
import type { EventsOf, EventTable } from '../base/index.ts';

export const deliveryEvents = {
  'host-failed': {
    level: 'info',
    when: 'an address could not be used; the next one is tried',
    fields: { queueId: 'text', lane: 'text', relay: 'text', because: 'text' },
  },
  'tls-fallback': {
    level: 'warn',
    when: 'opportunistic TLS broke; mail goes to that address in clear for `delivery.tlsRetry`',
    fields: { relay: 'text', because: 'text' },
  },
  'callout-unanswered': {
    level: 'warn',
    when: 'a destination that was asked about a recipient gave another reply, such as a demand for a login: its recipients get 450. Once for the same reply within an hour, and in `posthouse status`: **act**',
    fields: { lane: 'text', relay: 'text?', because: 'text' },
  },
  'relay-auth-failed': {
    level: 'error',
    when: 'our login at a smart host was refused: **act**',
    fields: { relay: 'text', because: 'text' },
  },
  'route-passed-over': {
    level: 'warn',
    when: 'a route by sender with a login did not apply to this mail; at most once a minute',
    fields: { lane: 'text', from: 'text', ground: 'text?', because: 'text' },
  },
  'token-renewed': {
    level: 'info',
    when: 'the token endpoint gave a new token',
    fields: { subject: 'text', validMs: 'number' },
  },
  'token-refused': {
    level: 'warn',
    when: 'the token endpoint gave none; it is asked again after `retryMs`',
    fields: { subject: 'text', because: 'text', retryMs: 'number' },
  },
  'token-not-taken': {
    level: 'warn',
    when: 'a smart host refused a token; another one is asked for',
    fields: { relay: 'text', subject: 'text' },
  },
  'token-not-saved': {
    level: 'error',
    when: 'a new refresh token cannot be written: **act** before the next start',
    fields: { subject: 'text', because: 'text' },
  },
  'attempt-failed': {
    level: 'error',
    when: 'an attempt ended with an error of this program; its mail is tried again: report it',
    fields: { queueId: 'text', lane: 'text', error: 'text' },
  },
} as const satisfies EventTable;

export type DeliveryEvents = EventsOf<typeof deliveryEvents>;
