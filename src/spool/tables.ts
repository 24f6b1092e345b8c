/** The tables of the layout in an open store. */
import type { Store, Table } from '../store/index.ts';
import { tables } from './layout.ts';

/** The tables of the layout in an open store. */
export type SpoolTables = Readonly<Record<keyof typeof tables, Table>>;

export function spoolTables(store: Store): SpoolTables {
  return {
    envelope: store.table(tables.envelope),
    octets: store.table(tables.octets),
    status: store.table(tables.status),
    entry: store.table(tables.entry),
    schedule: store.table(tables.schedule),
  };
}
