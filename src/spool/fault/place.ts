/** A spool for tests of damage. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memoryLog, silentLog, systemClock } from '../../base/index.ts';
import { Store, type Table } from '../../store/index.ts';
import { openSpool, type Spool } from '../index.ts';
import { layoutVersion, tables } from '../layout.ts';
import { type SpoolTables, spoolTables } from '../tables.ts';

export const inlineMaxBytes = 10_000;
/** A folder for a spool, and the ways to open and to damage it. */
export interface Place extends AsyncDisposable {
  readonly path: string;
  readonly log: ReturnType<typeof memoryLog>;
  /** The findings in the log, without their ids. */
  findings(): string[];
  open(checkOctets?: boolean): Promise<Spool>;
  /** Opens the tables themselves, to damage them. */
  damage(work: (store: Store, tables: SpoolTables) => Promise<void>): Promise<void>;
}

export async function newPlace(): Promise<Place> {
  const path = await mkdtemp(join(tmpdir(), 'posthouse-damage-'));
  const log = memoryLog();
  return {
    path,
    log,
    findings: () =>
      log.lines.flatMap((line) => (line.event === 'spool-finding' ? String(line.fields.detail) : [])),
    open: (checkOctets = false) =>
      openSpool({ path, clock: systemClock, log, floorBytes: 0, inlineMaxBytes, checkOctets }),
    async damage(work) {
      await using store = await Store.open({
        path,
        tables: Object.values(tables),
        version: layoutVersion,
        clock: systemClock,
        log: silentLog,
        floorBytes: 0,
      });
      await work(store, spoolTables(store));
    },
    [Symbol.asyncDispose]: () => rm(path, { recursive: true }),
  };
}

/** Replaces a record by one whose checksum does not match. */
export function spoil(store: Store, table: Table, key: Buffer): Promise<void> {
  const { frame } = store.put(table, key, 'not what it was');
  assert.ok(frame !== undefined);
  frame[frame.length - 6] = frame.readUInt8(frame.length - 6) ^ 1;
  return store.write([{ table, key, frame }]);
}
