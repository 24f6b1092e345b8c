/** The events of logins and of POP before SMTP, as they are logged. */
import type { EventsOf, EventTable } from '../base/index.ts';

export const identityEvents = {
  'auth-succeeded': {
    level: 'info',
    when: 'a client logged in',
    fields: {
      client: 'text',
      listener: 'text',
      mechanism: 'text',
      tls: 'text?',
      identity: 'text',
      device: 'text?',
    },
  },
  'auth-failed': {
    level: 'warn',
    when: 'a login failed; `because` has the name that was given, which the reply does not',
    fields: { client: 'text', listener: 'text', mechanism: 'text', tls: 'text?', because: 'text' },
  },
  'users-unreadable': {
    level: 'error',
    when: 'the file of users cannot be read, and all logins get 454: **act**',
    fields: { file: 'text', because: 'text' },
  },
  'dovecot-unavailable': {
    level: 'error',
    when: 'Dovecot cannot be asked; logins get 454',
    fields: { because: 'text' },
  },
  'window-opened': {
    level: 'info',
    when: 'POP before SMTP: an address may relay until `expiresAt`',
    fields: { client: 'text', user: 'text?', source: 'text', names: 'number', expiresAt: 'text' },
  },
  'window-renewed': {
    level: 'info',
    when: 'POP before SMTP: an address may relay for longer',
    fields: { client: 'text', user: 'text?', source: 'text', names: 'number', expiresAt: 'text' },
  },
  'window-revoked': {
    level: 'info',
    when: 'POP before SMTP: an address may no longer relay, or not for this user',
    fields: { client: 'text', user: 'text?', because: 'text' },
  },
  'window-refused': {
    level: 'info',
    when: 'POP before SMTP: a login opens no window',
    fields: { client: 'text', user: 'text?', source: 'text?', because: 'text' },
  },
  'window-shared': {
    level: 'warn',
    when: 'POP before SMTP: too many people share an address, so that it opens no window without a login',
    fields: { client: 'text', names: 'number', because: 'text' },
  },
} as const satisfies EventTable;

export type IdentityEvents = EventsOf<typeof identityEvents>;
