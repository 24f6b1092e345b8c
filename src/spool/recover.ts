/** Compares the tables of the spool with each other at the start. */
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { Clock, Log } from '../base/index.ts';
import { type QueueId, queueIdOctets } from '../mail/index.ts';
import { type Operation, prefixEnd, type Row, type Store } from '../store/index.ts';
import type { SpoolEvents } from './events.ts';
import { largeFile, listLargeFiles } from './large-file.ts';
import {
  decodeEntry,
  encodeEntry,
  entryKey,
  idKey,
  idOfKey,
  parseScheduleKey,
  ScheduleKeys,
  statusKey,
} from './layout.ts';
import { findMessage, type MessageRows } from './message-rows.ts';
import { quarantine } from './quarantine.ts';
import { type FoundMessage, type Repair, repairMessage } from './repair.ts';
import { type SpoolTables, spoolTables } from './tables.ts';

export interface RecoverOptions {
  readonly store: Store;
  readonly path: string;
  readonly log: Log<SpoolEvents>;
  readonly clock: Clock;
  /** Also reads the octets of every message against their checksum. */
  readonly checkOctets: boolean;
}

/** The facts of the spool that the start of the relay needs. */
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

/** The same for one message, when damage shows while the spool is in use. True when the message stays. */
export async function recoverMessage(options: RecoverOptions, id: QueueId): Promise<boolean> {
  return await new Recovery(options).one(id);
}

const operationsAtOnce = 2000;

class Recovery {
  readonly #options: RecoverOptions;
  readonly #tables: SpoolTables;
  readonly #keys = new ScheduleKeys();
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
    // The remaining files were never accepted: their record was not written, or its removal was.
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

  async one(id: QueueId): Promise<boolean> {
    const file = largeFile(this.#options.path, id);
    if (existsSync(file)) this.#large.set(id, file);
    const start = idKey(id);
    const end = prefixEnd(start);
    const range = { start, ...(end && { end }) };
    const { envelope, octets, entry: entries, status } = this.#tables;
    await this.#message({
      id,
      envelope: envelope.rows(range)[0],
      octets: octets.rows(range)[0],
      entries: entries.rows(range),
      statuses: status.rows(range),
    });
    await this.#flush();
    return this.#count > 0;
  }

  async #message(rows: MessageRows): Promise<void> {
    const { path, checkOctets } = this.#options;
    const message = await findMessage(rows, { path, large: this.#large, checkOctets });
    const repair = repairMessage(message, this.#options.clock.now());
    for (const line of repair.found) this.#say(message.id, line);
    if (repair.kind === 'keep') this.#keep(message, repair);
    else if (repair.kind === 'drop') this.#drop(rows);
    else {
      const whole = { ...rows, octets: this.#octetsOf(rows) };
      const large = this.#large.get(message.id);
      const file = await quarantine({ path, rows: whole, found: repair.found, large });
      this.#say(message.id, `set aside as ${JSON.stringify(file)}`);
      this.#drop(rows);
    }
    if (repair.kind !== 'drop') this.#large.delete(message.id);
    if (this.#operations.length >= operationsAtOnce) await this.#flush();
  }

  /** The octets themselves, which a check of the keys alone has left out. */
  #octetsOf(rows: MessageRows): Row | undefined {
    return rows.octets && this.#tables.octets.rows({ start: rows.octets.key, limit: 1 })[0];
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
      const key = this.#keys.key(entry);
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
      const isRight =
        entry !== undefined && entry.held === undefined && this.#keys.key(entry).equals(row.key);
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
    this.#options.log.error('spool-finding', { ...(id !== undefined && { queueId: id }), detail });
  }
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
