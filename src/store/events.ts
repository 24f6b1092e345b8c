/** The events of stores, as they are logged. */
import type { EventsOf, EventTable } from '../base/index.ts';

export const storeEvents = {
  'store-unclean': {
    level: 'warn',
    when: 'at the start: the last process did not end in order',
    fields: { path: 'text' },
  },
  'store-migration': {
    level: 'info',
    when: 'a newer version changes the layout of a store',
    fields: { from: 'number', to: 'number' },
  },
  'store-failing': {
    level: 'error',
    when: 'a write failed, and no mail is taken until a test write works: **act**',
    fields: { file: 'text', code: 'text', because: 'text' },
  },
  'store-recovered': {
    level: 'warn',
    when: 'a test write worked; mail is taken again',
    fields: { file: 'text' },
  },
  'store-not-reopened': {
    level: 'error',
    when: 'a store that failed could not be opened again; it is tried again',
    fields: { file: 'text', error: 'text' },
  },
  'state-row-damaged': {
    level: 'error',
    when: 'a row of the small state (`state/`) could not be read and was dropped',
    fields: { table: 'text', key: 'text' },
  },
} as const satisfies EventTable;

export type StoreEvents = EventsOf<typeof storeEvents>;
