/** The events of the maildrop, as they are logged. */
import type { EventsOf, EventTable } from '../base/index.ts';

export const maildropEvents = {
  'maildrop-taken': {
    level: 'info',
    when: 'a message of `sendmail` is in the spool',
    fields: { name: 'text', uid: 'number?', from: 'text?', size: 'number?', queueId: 'text' },
  },
  'maildrop-refused': {
    level: 'warn',
    when: 'a message was moved to `bad/`; its sender got a DSN where that was possible',
    fields: {
      name: 'text',
      uid: 'number?',
      from: 'text?',
      size: 'number?',
      because: 'text',
      keptAs: 'text?',
    },
  },
  'maildrop-later': {
    level: 'warn',
    when: 'a message cannot be taken now; it stays in the maildrop',
    fields: { name: 'text', uid: 'number?', from: 'text?', size: 'number?', because: 'text' },
  },
  'maildrop-hidden': {
    level: 'warn',
    when: 'other users cannot reach the maildrop',
    fields: { folder: 'text', because: 'text' },
  },
  'maildrop-unwatched': {
    level: 'warn',
    when: 'the folder cannot be watched; it is read every few seconds',
    fields: { folder: 'text', error: 'error' },
  },
  'maildrop-unreadable': {
    level: 'error',
    when: 'the folder cannot be read: **act**',
    fields: { folder: 'text', error: 'error' },
  },
  'maildrop-failed': {
    level: 'error',
    when: 'a message could not be taken; it stays in the maildrop',
    fields: { name: 'text', error: 'error' },
  },
  'maildrop-stuck': {
    level: 'error',
    when: 'a refused message cannot be moved to `bad/`: **act**',
    fields: { name: 'text', uid: 'number?', from: 'text?', size: 'number?', because: 'text', error: 'error' },
  },
} as const satisfies EventTable;

export type MaildropEvents = EventsOf<typeof maildropEvents>;
