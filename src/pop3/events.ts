/** The events of the POP3 listeners, as they are logged. */
import type { EventsOf, EventTable } from '../base/index.ts';

export const pop3Events = {
  'pop3-login': {
    level: 'info',
    when: 'a client logged in at a POP3 listener',
    fields: {
      session: 'text',
      client: 'text',
      listener: 'text?',
      user: 'text?',
      identity: 'text?',
      tls: 'json?',
    },
  },
  'pop3-login-failed': {
    level: 'info',
    when: 'a login at the POP3 server failed',
    fields: { session: 'text', client: 'text', user: 'text?' },
  },
  'pop3-closed': {
    level: 'info',
    when: 'the end of a session with a mailbox',
    fields: { session: 'text', client: 'text', listener: 'text', identity: 'text?', retrieved: 'number' },
  },
  'pop3-no-mailbox': {
    level: 'warn',
    when: 'there is no mailbox for a login',
    fields: { session: 'text', client: 'text', identity: 'text' },
  },
  'pop3-mailbox-failed': {
    level: 'error',
    when: 'a mailbox cannot be opened',
    fields: { session: 'text', identity: 'text', because: 'text' },
  },
  'pop3-login-untold': {
    level: 'error',
    when: 'a login could not be reported, so it opened no window',
    fields: { session: 'text', identity: 'text', because: 'text' },
  },
  'pop3-upstream-failed': {
    level: 'warn',
    when: 'the POP3 server behind the proxy failed',
    fields: { session: 'text', client: 'text', server: 'text', because: 'text' },
  },
  'pop3-injection': {
    level: 'warn',
    when: 'a client sent a command behind STLS; the session is ended',
    fields: { session: 'text', client: 'text', because: 'text' },
  },
  'pop3-failed': {
    level: 'error',
    when: 'a session ended with an error of this program: report it',
    fields: { session: 'text?', listener: 'text?', error: 'text?', because: 'text?' },
  },
  refused: {
    level: 'info',
    when: 'a connection was refused',
    fields: { client: 'text', stage: 'text', because: 'text' },
  },
  'tls-failed': {
    level: 'info',
    when: 'the TLS handshake with a client failed',
    fields: { session: 'text', client: 'text', listener: 'text?', because: 'text' },
  },
  'proxy-header-invalid': {
    level: 'info',
    when: 'a proxy sent no valid PROXY header; the connection is cut',
    fields: { client: 'text' },
  },
  'listener-failed': {
    level: 'error',
    when: 'a listening socket broke',
    fields: { listener: 'text', error: 'text' },
  },
  'window-refused': {
    level: 'info',
    when: 'a login opens no window, since its name cannot be read',
    fields: { client: 'text', because: 'text' },
  },
} as const satisfies EventTable;

export type Pop3Events = EventsOf<typeof pop3Events>;
