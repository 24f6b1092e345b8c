/** The events of the process as a whole; and all events that a relay logs. */

import { type AdminEvents, adminEvents } from '../admin/index.ts';
import { type AuditEvents, auditEvents } from '../audit/index.ts';
import { type BaseEvents, baseEvents, type EventsOf, type EventTable } from '../base/index.ts';
import { type ClearinghouseEvents, clearinghouseEvents } from '../clearinghouse/index.ts';
import { type DeliveryEvents, deliveryEvents } from '../delivery/index.ts';
import { type DnsEvents, dnsEvents } from '../dns/index.ts';
import { type GuardEvents, guardEvents } from '../guard/index.ts';
import { type IdentityEvents, identityEvents } from '../identity/index.ts';
import { type LocalMailEvents, localMailEvents } from '../local-mail/index.ts';
import { type MaildropEvents, maildropEvents } from '../maildrop/index.ts';
import { type NoticesEvents, noticesEvents } from '../notices/index.ts';
import { type OperationEvents, operationEvents } from '../operation/index.ts';
import { type PolicyEvents, policyEvents } from '../policy/index.ts';
import { type Pop3Events, pop3Events } from '../pop3/index.ts';
import { type QueueEvents, queueEvents } from '../queue/index.ts';
import { type ReceiverEvents, receiverEvents } from '../receiver/index.ts';
import { type SpoolEvents, spoolEvents } from '../spool/index.ts';
import { type StoreEvents, storeEvents } from '../store/index.ts';
import { type TrapEvents, trapEvents } from '../trap/index.ts';

const processEvents = {
  listening: {
    level: 'info',
    when: 'a listener takes connections',
    fields: { listener: 'text', role: 'text', address: 'text' },
  },
  'config-warning': {
    level: 'warn',
    when: 'at the start: a setting is valid, and may be a mistake',
    fields: { path: 'text', because: 'text' },
  },
  reloaded: {
    level: 'info',
    when: 'a new configuration is in force, after SIGHUP or `posthouse reload`',
    fields: { changes: 'texts' },
  },
  'reload-refused': {
    level: 'error',
    when: 'a new configuration has problems; the one in force stays',
    fields: { because: 'text', problems: 'texts' },
  },
  stopping: { level: 'info', when: 'a signal asks the relay to end', fields: { signal: 'text' } },
  draining: {
    level: 'info',
    when: 'listeners are closed; sessions and attempts come to their end',
    fields: {},
  },
  stopped: { level: 'info', when: 'everything is closed', fields: {} },
  'local-login-unavailable': {
    level: 'warn',
    when: 'the local profile could not make its certificate or its user; it runs without STARTTLS and logins',
    fields: { because: 'text' },
  },
  'runtime-outdated': {
    level: 'warn',
    when: 'the Node that runs the relay lacks security fixes that are out: **act**',
    fields: { because: 'text' },
  },
  'state-damaged': {
    level: 'error',
    when: 'the small state (`state/`: windows of POP before SMTP) was unreadable at the start, is set aside and begun anew',
    fields: { because: 'text', kept: 'text' },
  },
  'spool-write-failed': {
    level: 'error',
    when: 'a message could not be written; the client got 451 or 452',
    fields: { queueId: 'text', because: 'text' },
  },
} as const satisfies EventTable;

type ProcessEvents = EventsOf<typeof processEvents>;

/** Every event that a relay logs. */
export type RelayEvents =
  | ReceiverEvents
  | LocalMailEvents
  | MaildropEvents
  | QueueEvents
  | DeliveryEvents
  | DnsEvents
  | NoticesEvents
  | IdentityEvents
  | Pop3Events
  | PolicyEvents
  | GuardEvents
  | ClearinghouseEvents
  | TrapEvents
  | AuditEvents
  | OperationEvents
  | AdminEvents
  | SpoolEvents
  | StoreEvents
  | ProcessEvents
  | BaseEvents;

/** All tables, under the headings that they have in docs/operations.md. */
export const eventTables: ReadonlyMap<string, EventTable> = new Map<string, EventTable>([
  ['SMTP sessions', receiverEvents],
  ['Mail of this machine', localMailEvents],
  ['The maildrop', maildropEvents],
  ['The queue', queueEvents],
  ['Attempts and destinations', deliveryEvents],
  ['Name resolution', dnsEvents],
  ['Notices', noticesEvents],
  ['Logins and POP before SMTP', identityEvents],
  ['POP3', pop3Events],
  ['The relay policy', policyEvents],
  ['Guard and watchdog', guardEvents],
  ['The clearinghouse', clearinghouseEvents],
  ['Traps', trapEvents],
  ['Audits', auditEvents],
  ['The operator', operationEvents],
  ['The control socket and reports over HTTP', adminEvents],
  ['The spool', spoolEvents],
  ['Stores', storeEvents],
  ['The process', processEvents],
  ['The log itself', baseEvents],
]);
