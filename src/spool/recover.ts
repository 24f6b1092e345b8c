import { statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { Clock, Log } from '../base/index.ts';
import { type QueueId, queueIdOctets, type RecipientStatus } from '../mail/index.ts';
import { type Operation, type Row, type Store, StoreError } from '../store/index.ts';
import { largeFile, largeOctets, listLargeFiles } from './large-file.ts';
import {
  decodeEntry,
  decodeJson,
  type EnvelopeRecord,
  encodeEntry,
  entryKey,
  idOfKey,
  numberOfEntryKey,
  parseScheduleKey,
  recipientOfKey,
  scheduleKey,
  statusKey,
} from './layout.ts';
import { quarantine } from './quarantine.ts';
import { type FoundMessage, type Repair, repairMessage } from './repair.ts';
import { SpoolError } from './spool.ts';
import { type SpoolTables, spoolTables } from './tables.ts';

export interface RecoverOptions {
  readonly store: Store;
  readonly path: string;
  readonly log: Log;
  readonly clock: Clock;
  /** Also reads the octets of every message against their checksum. */
  readonly checkOctets: boolean;
}

/** What the start has to know of the spool. */
export interface Recovered {
  readonly count: number;
  readonly newest: QueueId | undefined;
  readonly findings: number;
}

/**
 * Compares everything in the spool with everything else, once, before it is used: envelopes, octets,
 * statuses, entries, schedule and large files. Repairs what can be derived, sets aside what cannot, and
 * logs one line for each finding. No record that is damaged stops the start.
 */
export async function recover(options: RecoverOptions): Promise<Recovered> {
  return await new Recovery(options).run();
}

const operationsAtOnce = 2000;

class Recovery {
  readonly #options: RecoverOptions;
  readonly #tables: SpoolTables;
  readonly #large = new Map<QueueId, string>();
  #operations: Operation[] = [];
  #count = 0;
  #scheduled = 0;
  #findings = 0;
  #newest: QueueId | undefined;

  constructor(options: RecoverOptions) {
    this.#options = options;
    this.#tables = spoolTables(options.store);
  }

  async run(): Promise<Recovered> {
    const startedAt = this.#options.clock.now();
    for await (const { file, id } of listLargeFiles(this.#options.path)) {
      if (id !== undefined) this.#large.set(id, file);
      else this.#say(undefined, `${JSON.stringify(file)} is no file of the spool`);
    }
    for (const rows of messages(this.#tables, this.#options.checkOctets)) await this.#message(rows);
    await this.#flush();
    await this.#dropStrays();
    // What is left was never accepted: its record was not written, or its removal was.
    for (const [id, file] of this.#large) {
      this.#say(id, 'a large file without a record is removed');
      await rm(file, { force: true });
    }
    const { log, path, clock } = this.#options;
    const fields = { path, messages: this.#count, findings: this.#findings, ms: clock.now() - startedAt };
    if (this.#findings > 0) log.warn('spool-checked', fields);
    else log.info('spool-checked', fields);
    return { count: this.#count, newest: this.#newest, findings: this.#findings };
  }

  async #message(rows: MessageRows): Promise<void> {
    const message = await this.#find(rows);
    const repair = repairMessage(message, this.#options.clock.now());
    for (const line of repair.found) this.#say(message.id, line);
    if (repair.kind === 'keep') this.#keep(message, repair);
    else if (repair.kind === 'drop') this.#drop(rows);
    else {
      const { path } = this.#options;
      const file = await quarantine({ path, rows, found: repair.found, large: this.#large.get(message.id) });
      this.#say(message.id, `set aside as ${JSON.stringify(file)}`);
      this.#drop(rows);
    }
    if (repair.kind !== 'drop') this.#large.delete(message.id);
    if (this.#operations.length >= operationsAtOnce) await this.#flush();
  }

  async #find(rows: MessageRows): Promise<FoundMessage> {
    const envelope = rows.envelope === undefined ? 'absent' : decoded<EnvelopeRecord>(rows.envelope.payload);
    return {
      id: rows.id,
      envelope,
      octets: await this.#octets(rows, envelope),
      entries: rows.entries.map(({ key, payload }) => ({
        number: numberOfEntryKey(key),
        entry: payload === undefined ? undefined : decodeEntry(key, payload),
      })),
      statuses: rows.statuses.map(({ key, payload }) => ({
        recipient: recipientOfKey(key),
        status: decoded<RecipientStatus>(payload),
      })),
    };
  }

  async #octets(
    rows: MessageRows,
    envelope: EnvelopeRecord | 'absent' | undefined,
  ): Promise<FoundMessage['octets']> {
    const place = envelope === undefined || envelope === 'absent' ? undefined : envelope.octets;
    if (place?.in === 'file') {
      const file = largeFile(this.#options.path, rows.id);
      if (!this.#large.has(rows.id)) return 'absent';
      if (statSync(file).size !== place.size) return 'damaged';
      if (!this.#options.checkOctets) return 'whole';
      return await readsWell(largeOctets(file, place).chunks());
    }
    // Without an envelope a file may belong to a draft that was never accepted; it is no loss.
    if (rows.octets === undefined) return 'absent';
    return rows.octets.payload === undefined ? 'damaged' : 'whole';
  }

  #keep(message: FoundMessage, repair: Repair & { kind: 'keep' }): void {
    const { store } = this.#options;
    const { entry: entries, status, schedule } = this.#tables;
    this.#count++;
    if (this.#newest === undefined || message.id > this.#newest) this.#newest = message.id;
    const put = (operation: Operation) => this.#operations.push(operation);
    for (const recipient of repair.dropStatuses) put(store.remove(status, statusKey(message.id, recipient)));
    for (const number of repair.dropEntries) put(store.remove(entries, entryKey(message.id, number)));
    for (const entry of repair.entries) {
      if (repair.found.length > 0)
        put(store.put(entries, entryKey(entry.id, entry.number), encodeEntry(entry)));
      if (entry.held !== undefined) continue;
      this.#scheduled++;
      const key = scheduleKey(entry);
      if (schedule.has(key)) continue;
      if (repair.found.length === 0) this.#say(message.id, `entry ${entry.number} was in no schedule`);
      put(store.put(schedule, key, entry.lane));
    }
  }

  #drop(rows: MessageRows): void {
    const { store } = this.#options;
    const drop = (table: keyof SpoolTables, row: Row | undefined) => {
      if (row !== undefined) this.#operations.push(store.remove(this.#tables[table], row.key));
    };
    drop('envelope', rows.envelope);
    drop('octets', rows.octets);
    for (const row of rows.entries) drop('entry', row);
    for (const row of rows.statuses) drop('status', row);
  }

  /** Removes keys of the schedule that no entry stands behind; looked for only when there are too many. */
  async #dropStrays(): Promise<void> {
    const { schedule, entry: entries } = this.#tables;
    if (schedule.count() === this.#scheduled) return;
    for (const row of schedule.scan()) {
      const { id, number } = parseScheduleKey(row.key);
      const key = entryKey(id, number);
      const [found] = entries.rows({ start: key, limit: 1 });
      const isHere = found?.payload !== undefined && found.key.equals(key);
      const entry = isHere && found.payload !== undefined ? decodeEntry(key, found.payload) : undefined;
      const isRight = entry !== undefined && entry.held === undefined && scheduleKey(entry).equals(row.key);
      if (isRight && row.payload !== undefined) continue;
      this.#say(id, 'a key of the schedule does not match its entry');
      const { store } = this.#options;
      this.#operations.push(
        isRight ? store.put(schedule, row.key, entry.lane) : store.remove(schedule, row.key),
      );
    }
    await this.#flush();
  }

  async #flush(): Promise<void> {
    const operations = this.#operations;
    this.#operations = [];
    if (operations.length > 0) await this.#options.store.write(operations);
  }

  #say(id: QueueId | undefined, detail: string): void {
    this.#findings++;
    this.#options.log.error('spool-finding', { ...(id !== undefined && { id }), detail });
  }
}

/** All rows whose keys begin with one id. */
export interface MessageRows {
  readonly id: QueueId;
  readonly envelope: Row | undefined;
  /** Without the payload when octets are not to be checked; then it is an empty one. */
  readonly octets: Row | undefined;
  readonly entries: readonly Row[];
  readonly statuses: readonly Row[];
}

/** Goes through four tables side by side, in order of the id. */
function* messages(tables: SpoolTables, withOctets: boolean): Generator<MessageRows> {
  const nothing = Buffer.alloc(0);
  const octetRows = withOctets ? tables.octets.scan() : present(tables.octets.scanKeys(), nothing);
  const sources = [tables.envelope.scan(), octetRows, tables.entry.scan(), tables.status.scan()];
  const cursors = sources.map((source) => new GroupCursor(source));
  const [envelope, octets, entries, statuses] = cursors;
  for (;;) {
    let prefix: Buffer | undefined;
    for (const { next } of cursors) {
      if (next !== undefined && (prefix === undefined || next.compare(prefix) < 0)) prefix = next;
    }
    if (prefix === undefined) return;
    yield {
      id: idOfKey(prefix),
      envelope: envelope?.take(prefix)[0],
      octets: octets?.take(prefix)[0],
      entries: entries?.take(prefix) ?? [],
      statuses: statuses?.take(prefix) ?? [],
    };
  }
}

function* present(keys: Iterable<Buffer>, payload: Buffer): Generator<Row> {
  for (const key of keys) yield { key, payload };
}

/** Takes rows from a table by the id they begin with. */
class GroupCursor {
  readonly #rows: Iterator<Row>;
  #row: Row | undefined;

  constructor(rows: Iterator<Row>) {
    this.#rows = rows;
    this.#advance();
  }

  /** The id of the next row. */
  get next(): Buffer | undefined {
    return this.#row?.key.subarray(0, queueIdOctets);
  }

  take(prefix: Buffer): Row[] {
    const taken: Row[] = [];
    while (this.#row !== undefined && this.next?.equals(prefix)) {
      taken.push(this.#row);
      this.#advance();
    }
    return taken;
  }

  #advance(): void {
    const step = this.#rows.next();
    this.#row = step.done ? undefined : step.value;
  }
}

function decoded<T>(payload: Buffer | undefined): T | undefined {
  return payload === undefined ? undefined : decodeJson<T>(payload);
}

async function readsWell(pieces: AsyncIterable<Buffer>): Promise<'whole' | 'damaged'> {
  try {
    for await (const _ of pieces);
    return 'whole';
  } catch (error) {
    if (error instanceof SpoolError || error instanceof StoreError) return 'damaged';
    throw error;
  }
}
