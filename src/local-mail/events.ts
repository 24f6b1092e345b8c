/** The events of mail of this machine, as they are logged. */
import type { EventsOf, EventTable } from '../base/index.ts';

export const localMailEvents = {
  accepted: {
    level: 'info',
    when: 'local mail is in the spool; `recipients` is their number',
    fields: {
      queueId: 'text',
      user: 'text',
      from: 'text',
      size: 'number',
      recipients: 'number',
      ground: 'text',
    },
  },
  discarded: {
    level: 'info',
    when: 'local mail was accepted and thrown away, by a check',
    fields: { queueId: 'text', from: 'text', because: 'text?' },
  },
  'recipient-left-out': {
    level: 'info',
    when: 'a check added a recipient to local mail, and the policy refuses it: the others get the message',
    fields: { queueId: 'text', to: 'text', reply: 'text', because: 'text' },
  },
  'letter-refusal-untold': {
    level: 'error',
    when: 'a refused message of the maildrop could not be returned to its sender',
    fields: { uid: 'number', to: 'json', because: 'text' },
  },
} as const satisfies EventTable;

export type LocalMailEvents = EventsOf<typeof localMailEvents>;
