/** Reads the index of due times. */
import type { LaneName, QueueId } from '../mail/index.ts';
import { keyAfter, prefixEnd, type Row, StoreError } from '../store/index.ts';
import { decodeEntry, entryKey, laneHashOctets, parseScheduleKey, type ScheduleKeys } from './layout.ts';
import type { LaneEntry, LaneWake } from './spool.ts';
import type { SpoolTables } from './tables.ts';

export interface ScheduleOptions {
  /** A key that no entry stands behind: a write failed at a bad moment. It is to be removed. */
  readonly onStale: (key: Buffer) => void;
  /** The record of an entry is damaged. `onStale` is called with its key as well. */
  readonly onCorrupt: (id: QueueId) => void;
}

/**
 * Reads the index of due times. The record of an entry is authoritative; a key of the index that does not agree with
 * it is skipped and dropped, so that it can neither wake a lane for nothing nor hide the entries behind it.
 */
export class Schedule {
  readonly #tables: SpoolTables;
  readonly #keys: ScheduleKeys;
  readonly #options: ScheduleOptions;

  constructor(tables: SpoolTables, keys: ScheduleKeys, options: ScheduleOptions) {
    this.#tables = tables;
    this.#keys = keys;
    this.#options = options;
  }

  due(
    lane: LaneName,
    options: { readonly until: number; readonly after?: LaneEntry; readonly limit: number },
  ): readonly LaneEntry[] {
    const { after, until, limit } = options;
    const end = this.#keys.bound(lane, until + 1);
    let start =
      after === undefined ? this.#keys.bound(lane, 0) : keyAfter(this.#keys.key({ ...after, lane }));
    const found: LaneEntry[] = [];
    while (found.length < limit && start.compare(end) < 0) {
      const wanted = limit - found.length;
      const rows = this.#tables.schedule.rows({ start, end, limit: wanted });
      for (const row of rows) {
        const entry = this.#entry(row);
        if (entry?.lane === lane) found.push(entry);
      }
      const last = rows.at(-1);
      if (last === undefined || rows.length < wanted) break;
      start = keyAfter(last.key);
    }
    return found;
  }

  laneDue(lane: LaneName): number | undefined {
    return this.due(lane, { until: Number.MAX_SAFE_INTEGER, limit: 1 })[0]?.dueAt;
  }

  /** The first lane after a key, and the key to go on from; `undefined` when there is no other. */
  nextLane(after: Buffer | undefined): { wake: LaneWake; after: Buffer | undefined } | undefined {
    let start = after;
    for (;;) {
      const [row] = this.#tables.schedule.rows({ ...(start && { start }), limit: 1 });
      if (row === undefined) return undefined;
      const entry = this.#entry(row);
      if (entry !== undefined) {
        const rest = prefixEnd(row.key.subarray(0, laneHashOctets));
        return { wake: { lane: entry.lane, dueAt: entry.dueAt }, after: rest };
      }
      start = keyAfter(row.key);
    }
  }

  /** The entry that a key of the index stands for. */
  #entry(row: Row): LaneEntry | undefined {
    const { id, number, dueAt } = parseScheduleKey(row.key);
    const key = entryKey(id, number);
    try {
      const entry = this.#tables.entry.read(key, (payload) => decodeEntry(key, payload));
      const isRight =
        entry !== undefined &&
        entry.held === undefined &&
        entry.dueAt === dueAt &&
        this.#keys.prefix(entry.lane).equals(row.key.subarray(0, laneHashOctets));
      if (isRight) return entry;
    } catch (error) {
      if (!(error instanceof StoreError && error.code === 'corrupt')) throw error;
      this.#options.onCorrupt(id);
    }
    this.#options.onStale(row.key);
    return undefined;
  }
}
