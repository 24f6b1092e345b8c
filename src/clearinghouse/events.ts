/** The events of the clearinghouse, as they are logged. */
import type { BaseEvents, EventsOf, EventTable } from '../base/index.ts';

export const clearinghouseEvents = {
  'clearinghouse-ready': {
    level: 'info',
    when: 'its counts are read; `entries` changes of journals were applied',
    fields: { folder: 'text?', entries: 'number' },
  },
  'clearinghouse-state-unusable': {
    level: 'error',
    when: 'its snapshot or journals are damaged, or of another key or size: they are put aside as `*.unusable`, and it begins anew',
    fields: { folder: 'text?', because: 'text' },
  },
  'clearinghouse-journal-torn': {
    level: 'warn',
    when: 'the end of a journal was broken off, as by a crash, and is ignored',
    fields: { folder: 'text?', octets: 'number' },
  },
  'clearinghouse-state-unwritable': {
    level: 'error',
    when: 'its counts cannot be written: **look at it**',
    fields: { because: 'text' },
  },
  'clearinghouse-failed': {
    level: 'error',
    when: 'its thread died or has answered nothing for fifteen seconds; another one begins in five seconds: **look at it**',
    fields: { because: 'text' },
  },
  'bulk-held': {
    level: 'info',
    when: 'mail of this relay is bulk (`clearinghouse.relay`): `queue release`, `queue remove`',
    fields: { queueId: 'text', because: 'text' },
  },
  'bulk-refused': {
    level: 'info',
    when: 'mail of this relay is bulk, refused or deferred by a rule',
    fields: { queueId: 'text', because: 'text', reply: 'text' },
  },
  'fuzzy-storage-unusable': {
    level: 'error',
    when: 'the fuzzy storage begins anew',
    fields: { door: 'text', because: 'text' },
  },
  'fuzzy-storage-unwritable': {
    level: 'error',
    when: 'the fuzzy storage cannot be written',
    fields: { door: 'text', because: 'text' },
  },
  'razor-accounts-unwritable': {
    level: 'error',
    when: 'accounts of Razor cannot be written; they are valid until the relay ends, and it is tried again after a minute',
    fields: { path: 'text', because: 'text' },
  },
  'flood-ready': {
    level: 'info',
    when: 'the log of other clearinghouses is read',
    fields: { port: 'number?', peers: 'number', records: 'number' },
  },
  'flood-link': { level: 'info', when: 'there is a link to another clearinghouse', fields: { peer: 'text' } },
  'flood-link-closed': {
    level: 'info',
    when: 'a link to another clearinghouse is gone; it is tried again within 18 seconds',
    fields: { peer: 'text', because: 'text' },
  },
  'flood-unreachable': {
    level: 'info',
    when: 'another clearinghouse cannot be reached; it is tried again within 18 seconds',
    fields: { peer: 'text', because: 'text' },
  },
  'flood-link-dropped': {
    level: 'warn',
    when: 'a peer sent an invalid or forged record; its link stays closed for five minutes: **ask its operator**',
    fields: { peer: 'text', because: 'text' },
  },
  'flood-refused': {
    level: 'info',
    when: 'a caller is no peer',
    fields: { address: 'text?', fingerprint: 'text?' },
  },
  'flood-claims-failed': {
    level: 'error',
    when: 'our counts could not be sent to peers; it is tried again',
    fields: { because: 'text' },
  },
  'door-failed': {
    level: ['warn', 'error'],
    when: 'requests at a door could not be answered: at most once a minute, with their number (`failed`); an error without `failed` is about the door itself',
    fields: { door: 'text', client: 'text?', failed: 'number?', because: 'text' },
  },
} as const satisfies EventTable;

/** Includes the events of the background work in its thread. */
export type ClearinghouseEvents = EventsOf<typeof clearinghouseEvents> | BaseEvents;
