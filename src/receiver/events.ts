/** The events of SMTP sessions, as they are logged. */
import type { EventsOf, EventTable } from '../base/index.ts';

export const receiverEvents = {
  accepted: {
    level: 'info',
    when: '250 is about to be sent; `recipients` is their number',
    fields: {
      queueId: 'text',
      session: 'text',
      client: 'text',
      helo: 'text',
      from: 'text',
      size: 'number',
      recipients: 'number',
      ground: 'text',
      messageId: 'text?',
    },
  },
  discarded: {
    level: 'info',
    when: 'a message was accepted and thrown away, by a check',
    fields: { queueId: 'text', session: 'text', client: 'text', from: 'text', because: 'text?' },
  },
  refused: {
    level: 'info',
    when: 'a connection, command or message was refused (`stage`: `connect`, `xclient`, `hello`, `auth`, `mail`, `rcpt`, `data`); for recipients `because` names the rule that decided',
    fields: {
      session: 'text?',
      client: 'text',
      name: 'text?',
      helo: 'text?',
      stage: 'text',
      from: 'text?',
      to: 'text?',
      reply: 'text',
      because: 'text?',
    },
  },
  'session-closed': {
    level: 'info',
    when: 'the end of a connection',
    fields: {
      session: 'text',
      client: 'text',
      listener: 'text',
      helo: 'text?',
      tls: 'text?',
      transactions: 'number',
      accepted: 'number',
      durationMs: 'number',
    },
  },
  'tls-failed': {
    level: 'info',
    when: 'the TLS handshake with a client failed',
    fields: { session: 'text', because: 'text' },
  },
  'proxy-header-invalid': {
    level: 'info',
    when: 'a proxy sent no valid PROXY header; the connection is cut',
    fields: { client: 'text?' },
  },
  lenient: {
    level: 'info',
    when: 'a client of ours violates RFC 5321, and is let off; once for each client',
    fields: { client: 'text', listener: 'text', verb: 'text', because: 'text' },
  },
  'check-skipped': {
    level: 'warn',
    when: 'a check (`check`: `audit`, `guard`, `bulk`) did not answer for `messages` messages, and `action` was taken in its place; at most once a minute for each check',
    fields: { check: 'text', because: 'text', messages: 'number', action: 'text' },
  },
  'listener-failed': {
    level: 'error',
    when: 'a listening socket broke',
    fields: { listener: 'text', error: 'text' },
  },
  'session-failed': {
    level: 'error',
    when: 'a session ended with an error of this program; the client got 451: report it',
    fields: { session: 'text', error: 'text' },
  },
} as const satisfies EventTable;

export type ReceiverEvents = EventsOf<typeof receiverEvents>;
