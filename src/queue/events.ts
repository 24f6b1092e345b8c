/** The events of the queue, as they are logged. */
import type { EventsOf, EventTable } from '../base/index.ts';

/** The fields of a line about one recipient. */
const recipientFields = {
  queueId: 'text',
  from: 'text',
  to: 'text?',
  relay: 'text?',
  status: 'text',
  reply: 'text',
  delayMs: 'number',
} as const;

export const queueEvents = {
  delivered: {
    level: 'info',
    when: 'a recipient has the message; one line per recipient. `delayMs` counts from its acceptance',
    fields: recipientFields,
  },
  deferred: {
    level: 'info',
    when: 'a recipient waits for another attempt; one line per recipient and attempt',
    fields: recipientFields,
  },
  bounced: {
    level: 'info',
    when: 'a recipient was refused for good',
    fields: recipientFields,
  },
  expired: {
    level: 'info',
    when: 'the time for a recipient ran out; `reply` is the last one',
    fields: recipientFields,
  },
  held: {
    level: ['info', 'error'],
    when: 'mail was held: by an operator, by a check or by the guard; an error when it cannot be read',
    fields: { queueId: 'text', status: 'text', because: 'text' },
  },
  released: { level: 'info', when: 'an operator released held mail', fields: { queueId: 'text' } },
  redirected: {
    level: 'info',
    when: 'recipients were replaced by others: by an operator, or because the policy could resolve them only now',
    fields: { queueId: 'text', from: 'text or texts', to: 'texts' },
  },
  'recipients-removed': {
    level: 'info',
    when: 'an operator removed some recipients',
    fields: { queueId: 'text', to: 'texts', because: 'text' },
  },
  rerouted: {
    level: 'info',
    when: 'the routes have changed since the message was queued; `relay` is the lane that it leaves',
    fields: { queueId: 'text', relay: 'text', lanes: 'texts' },
  },
  removed: {
    level: 'info',
    when: 'the message has left the spool; with `because` when an operator removed it',
    fields: { queueId: 'text', to: 'texts?', because: 'text?' },
  },
  'lane-suspended': {
    level: 'warn',
    when: 'a destination (the lane `relay`) does not answer; it is tried again after `untilMs` milliseconds',
    fields: { relay: 'text', untilMs: 'number', waiting: 'number', reply: 'text' },
  },
  'attempts-interrupted': {
    level: 'warn',
    when: 'at the start: a crash interrupted attempts, which are due now',
    fields: { count: 'number' },
  },
  unreadable: {
    level: 'error',
    when: 'the octets of a message cannot be read; it is held',
    fields: { queueId: 'text', because: 'text' },
  },
  'entries-unreadable': {
    level: 'error',
    when: 'queue entries of a message cannot be read; it is tried again',
    fields: { queueId: 'text', because: 'text' },
  },
  'lanes-unreadable': {
    level: 'error',
    when: 'due times cannot be read from the spool; it is tried again',
    fields: { because: 'text' },
  },
  'claim-failed': {
    level: 'error',
    when: 'entries of a lane could not be claimed; it is tried again',
    fields: { relay: 'text', because: 'text' },
  },
  'sweep-failed': {
    level: 'error',
    when: 'a message whose time is over could not be ended; it is tried again',
    fields: { queueId: 'text', because: 'text' },
  },
  'end-not-recorded': {
    level: 'error',
    when: 'the end of an attempt could not be written; it is tried again until it is',
    fields: { queueId: 'text', because: 'text' },
  },
  'notification-failed': {
    level: 'error',
    when: 'a DSN could not be made; its recipients stay in the queue',
    fields: { queueId: 'text', because: 'text' },
  },
} as const satisfies EventTable;

export type QueueEvents = EventsOf<typeof queueEvents>;
