/** The events of mail that the relay itself writes, as they are logged. */
import type { EventsOf, EventTable } from '../base/index.ts';

export const noticesEvents = {
  'bounce-sent': {
    level: 'info',
    when: 'a DSN (`queueId`) about a message (`about`) was spooled',
    fields: { queueId: 'text', about: 'text', kind: 'text', to: 'text' },
  },
  'bounce-shortened': {
    level: 'info',
    when: 'a DSN (`about`) was refused for its size and is sent again (`queueId`) without the enclosed message',
    fields: { queueId: 'text', about: 'text', size: 'number' },
  },
  'bounce-dropped': {
    level: 'warn',
    when: 'a failure of which no DSN may be sent, or whose sender does not exist',
    fields: { queueId: 'text', because: 'text', to: 'texts', reply: 'texts' },
  },
  'original-unreadable': {
    level: 'error',
    when: 'a DSN goes without its original, which cannot be read',
    fields: { queueId: 'text', because: 'text' },
  },
  'guard-notice-refused': {
    level: 'error',
    when: 'the notice of a hold could not be sent',
    fields: { to: 'text', reply: 'text' },
  },
} as const satisfies EventTable;

export type NoticesEvents = EventsOf<typeof noticesEvents>;
