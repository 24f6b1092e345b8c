/** The events of guard and watchdog, as they are logged. */
import type { EventsOf, EventTable } from '../base/index.ts';

export const guardEvents = {
  'guard-held': {
    level: 'warn',
    when: 'a sender exceeded a budget: its mail is held from now on. **Look at it**',
    fields: { hold: 'text', subject: 'text', because: 'text', status: 'text' },
  },
  'guard-released': {
    level: 'info',
    when: 'an operator released the mail of a hold',
    fields: { hold: 'text', subject: 'text', messages: 'number' },
  },
  'guard-removed': {
    level: 'info',
    when: 'an operator removed the mail of a hold',
    fields: { hold: 'text', subject: 'text', messages: 'number' },
  },
  'guard-ended': {
    level: 'info',
    when: 'a hold ended by itself; its mail stays held',
    fields: { hold: 'text', subject: 'text', because: 'text' },
  },
  'guard-reported': {
    level: 'info',
    when: 'another part reported abuse',
    fields: { subject: 'text', kind: 'text', weight: 'number' },
  },
  'guard-file-damaged': {
    level: 'error',
    when: 'the file of holds cannot be read; held mail can be released by the ids in the queue',
    fields: { path: 'text', keptAs: 'text', because: 'text' },
  },
  'hold-not-kept': {
    level: 'error',
    when: 'a hold could not be written, so its message was not accepted',
    fields: { queueId: 'text', because: 'text' },
  },
  alarm: {
    level: 'error',
    when: 'a fault lasts for too long: **act**. Kinds: [Smart hosts](howto/smarthost.md#when-something-does-not-work)',
    fields: { kind: 'text', subject: 'text', since: 'text', because: 'text', waiting: 'text?' },
  },
  'alarm-notice': {
    level: 'info',
    when: 'the notice to the postmaster is in the queue, or why there is none',
    fields: { kind: 'text', subject: 'text', queueId: 'text?', because: 'text?' },
  },
  'alarm-over': {
    level: 'info',
    when: 'the cause of an alarm has been away for 15 minutes',
    fields: { kind: 'text', subject: 'text', since: 'text', because: 'text', waiting: 'text?' },
  },
  'watchdog-failed': {
    level: 'error',
    when: 'the watchdog could not check the queue; it tries again in 10 s',
    fields: { because: 'text' },
  },
} as const satisfies EventTable;

export type GuardEvents = EventsOf<typeof guardEvents>;
