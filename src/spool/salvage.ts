/** Copies all readable messages into a new spool. */
import { existsSync } from 'node:fs';
import { copyFile, mkdir, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { silentLog, systemClock } from '../base/index.ts';
import { type Envelope, parseMailbox, type QueueId } from '../mail/index.ts';
import { type Operation, Store, StoreError, storeFile, syncFolder } from '../store/index.ts';
import { largeFile } from './large-file.ts';
import { encodeEntry, entryKey, idKey, layoutVersion, ScheduleKeys, statusKey, tables } from './layout.ts';
import { findMessage, type MessageRows } from './message-rows.ts';
import { OfflineSpool, type SpoolProblem } from './offline.ts';
import { quarantine } from './quarantine.ts';
import { type FoundMessage, type Repair, repairMessage } from './repair.ts';
import { type LaneEntry, SpoolError } from './spool.ts';
import { type SpoolTables, spoolTables } from './tables.ts';

export interface SalvageReport {
  /** Messages that are in the new spool. */
  readonly salvaged: number;
  /** The number of them that are held, for a person to look at. */
  readonly held: number;
  /** The damage found and the records lost. */
  readonly problems: readonly SpoolProblem[];
}

/**
 * Copies every message that can be read from the spool at `from` into a new one at `to`, under its own id.
 * Where a tree is broken, the pages themselves are searched for records; a message that is found this way
 * only is held, because it may have been delivered or removed before. What is left of a message that
 * cannot be delivered goes to `salvage/` in `to`. The old spool is only read.
 *
 * Throws `SpoolError`: `locked` while `from` is open, `missing` when it is none. `to` must not exist yet.
 */
export async function salvageSpool(from: string, to: string): Promise<SalvageReport> {
  if (existsSync(storeFile(to))) throw new RangeError(`${JSON.stringify(to)} has a spool already`);
  using source = await OfflineSpool.open(from);
  await using target = await Store.open({
    path: to,
    tables: Object.values(tables),
    version: layoutVersion,
    clock: systemClock,
    log: silentLog,
    floorBytes: 0,
  });
  return await new Salvage(source, target, to).run();
}

class Salvage {
  readonly #source: OfflineSpool;
  readonly #target: Store;
  readonly #tables: SpoolTables;
  readonly #to: string;
  readonly #keys = new ScheduleKeys();
  readonly #problems: SpoolProblem[] = [];
  #salvaged = 0;
  #held = 0;

  constructor(source: OfflineSpool, target: Store, to: string) {
    this.#source = source;
    this.#target = target;
    this.#tables = spoolTables(target);
    this.#to = to;
  }

  async run(): Promise<SalvageReport> {
    this.#problems.push(...this.#source.problems);
    if (this.#source.isBroken) this.#source.scan();
    const { path, large } = this.#source;
    const unnamed = new Map(large);
    for (const rows of this.#source.messages()) {
      try {
        const found = await findMessage(rows, { path, large, checkOctets: true });
        // A removed message leaves parts of itself in free pages; only a whole one is worth a look.
        if (rows.isScanned && !isWhole(found)) continue;
        unnamed.delete(rows.id);
        await this.#message(rows, found);
      } catch (error) {
        // A disk that is full ends it; a message that cannot be copied does not.
        if (error instanceof StoreError) throw new SpoolError(error.code, error.message, { cause: error });
        this.#problem(rows.id, `lost: ${String(error)}`);
      }
    }
    for (const [id, file] of unnamed) await this.#keepFile(id, file);
    return { salvaged: this.#salvaged, held: this.#held, problems: this.#problems };
  }

  async #message(rows: MessageRows & { readonly isScanned: boolean }, found: FoundMessage): Promise<void> {
    const repair = repairMessage(found, systemClock.now());
    for (const detail of repair.found) this.#problem(rows.id, detail);
    if (repair.kind === 'drop') return;
    const file = this.#source.large.get(rows.id);
    if (repair.kind === 'quarantine') {
      const large = file === undefined ? undefined : await this.#copy(rows.id, file);
      await quarantine({ path: this.#to, rows, found: repair.found, large });
      this.#problem(rows.id, 'lost: what is left of it is in salvage/');
      return;
    }
    if (file !== undefined) await this.#copy(rows.id, file);
    await this.#target.write(this.#operations(rows, found, repair));
    this.#salvaged++;
  }

  #operations(
    rows: MessageRows & { readonly isScanned: boolean },
    found: FoundMessage,
    repair: Repair & { kind: 'keep' },
  ): Operation[] {
    const operations: Operation[] = [];
    const put = (table: keyof SpoolTables, key: Buffer, payload: Uint8Array | string) =>
      operations.push(this.#target.put(this.#tables[table], key, payload));
    const key = idKey(rows.id);
    if (rows.envelope?.payload !== undefined) put('envelope', key, rows.envelope.payload);
    if (rows.octets?.payload !== undefined) put('octets', key, rows.octets.payload);
    for (const { recipient, status: value } of found.statuses) {
      if (value !== undefined) put('status', statusKey(rows.id, recipient), JSON.stringify(value));
    }
    let isHeld = false;
    for (const kept of repair.entries) {
      const reason = 'salvaged from unused pages: it may have been delivered before';
      const entry = rows.isScanned ? { ...kept, held: kept.held ?? reason } : kept;
      isHeld ||= entry.held !== undefined;
      put('entry', entryKey(entry.id, entry.number), encodeEntry(entry));
      if (entry.held === undefined) put('schedule', this.#keys.key(entry), entry.lane);
    }
    if (isHeld) this.#held++;
    return operations;
  }

  /** Copies a large file to its place in the new spool, durable. */
  async #copy(id: QueueId, file: string): Promise<string> {
    const copy = largeFile(this.#to, id);
    await mkdir(dirname(copy), { recursive: true, mode: 0o700 });
    await copySynced(file, copy);
    syncFolder(dirname(dirname(copy)));
    return copy;
  }

  /** A large file whose record was lost: its octets are all there is. */
  async #keepFile(id: QueueId, file: string): Promise<void> {
    const copy = join(this.#to, 'salvage', `${id}.octets`);
    await mkdir(dirname(copy), { recursive: true, mode: 0o700 });
    await copySynced(file, copy);
    this.#problems.push({
      id,
      what: 'large-file',
      detail: `no record names it: kept as ${JSON.stringify(copy)}`,
    });
  }

  #problem(id: QueueId, detail: string): void {
    this.#problems.push({ id, what: 'message', detail });
  }
}

async function copySynced(from: string, to: string): Promise<void> {
  await copyFile(from, to);
  const handle = await open(to, 'r+');
  try {
    await handle.datasync();
  } finally {
    await handle.close();
  }
  syncFolder(dirname(to));
}

/**
 * The result of a scan may be invented by the sender of the octets, so it is believed only if it reads as a message.
 */
function isWhole({ envelope, octets, entries, statuses }: FoundMessage): boolean {
  return (
    octets === 'whole' &&
    typeof envelope === 'object' &&
    isEnvelope(Reflect.get(envelope, 'envelope')) &&
    entries.every(({ entry }) => entry === undefined || isEntry(entry)) &&
    statuses.every(({ status }) => status === undefined || Array.isArray(status.reply?.lines))
  );
}

function isEnvelope(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { reversePath, recipients, origin, content, receivedAt } = value as Partial<Envelope>;
  return (
    reversePath !== undefined &&
    (reversePath === null || isAddress(reversePath)) &&
    Array.isArray(recipients) &&
    recipients.length > 0 &&
    recipients.every((recipient) => isAddress(recipient?.address)) &&
    typeof origin?.client === 'string' &&
    typeof origin.ground === 'string' &&
    typeof content?.size === 'number' &&
    typeof receivedAt === 'number'
  );
}

function isAddress(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const text: unknown = Reflect.get(value, 'text');
  return typeof text === 'string' && parseMailbox(text, { smtputf8: true }) !== undefined;
}

function isEntry({ lane, recipients, attempts, dueAt }: LaneEntry): boolean {
  const isList = recipients === 'all' || Array.isArray(recipients);
  return typeof lane === 'string' && isList && Number.isInteger(attempts) && Number.isInteger(dueAt);
}
