/** Turns changes into operations on keys. */
import type { QueueId } from '../mail/index.ts';
import { type Operation, prefixEnd, type Store } from '../store/index.ts';
import { changedMessage } from './change.ts';
import type { FreshMessages } from './fresh.ts';
import type { InFlight, MessageInFlight } from './in-flight.ts';
import {
  decodeEntry,
  decodeJson,
  type EnvelopeRecord,
  encodeEntry,
  entryKey,
  idKey,
  numberOfEntryKey,
  type ScheduleKeys,
  statusKey,
} from './layout.ts';
import type { DraftedMessage } from './lmdb-draft.ts';
import { type Change, type LaneEntry, SpoolError } from './spool.ts';
import type { SpoolTables } from './tables.ts';

/** The operations and records that result from one `update`. */
export interface Translation {
  readonly operations: Operation[];
  /** The messages whose in-flight state this update has entered. */
  readonly touched: Set<QueueId>;
  /** Messages that are gone once the operations are durable; `isLarge` when they have a file to remove. */
  readonly removed: { readonly id: QueueId; readonly isLarge: boolean }[];
}

/** Turns changes into operations on keys, in view of stored and of pending changes. */
export class UpdateTranslator {
  readonly #store: Store;
  readonly #tables: SpoolTables;
  readonly #keys: ScheduleKeys;
  readonly #inFlight: InFlight;
  readonly #fresh: FreshMessages;

  constructor(options: {
    readonly store: Store;
    readonly tables: SpoolTables;
    readonly keys: ScheduleKeys;
    readonly inFlight: InFlight;
    readonly fresh: FreshMessages;
  }) {
    this.#store = options.store;
    this.#tables = options.tables;
    this.#keys = options.keys;
    this.#inFlight = options.inFlight;
    this.#fresh = options.fresh;
  }

  /** The operations that put a new message and its entries into the store. */
  accepted(message: DraftedMessage, entries: readonly LaneEntry[]): Operation[] {
    const { id, key, envelope, place, frame } = message;
    const tables = this.#tables;
    const record: EnvelopeRecord = { envelope, octets: place };
    const operations = [this.#store.put(tables.envelope, key, JSON.stringify(record))];
    if (frame !== undefined) operations.push({ table: tables.octets, key, frame });
    for (const entry of entries) {
      operations.push(this.#store.put(tables.entry, entryKey(id, entry.number), encodeEntry(entry)));
      if (entry.held === undefined)
        operations.push(this.#store.put(tables.schedule, this.#keys.key(entry), entry.lane));
    }
    return operations;
  }

  translate(changes: readonly Change[]): Translation {
    const into: Translation = { operations: [], touched: new Set(), removed: [] };
    for (const change of changes) {
      const id = changedMessage(change);
      if (this.#changeFresh(id, change, into)) continue;
      if (this.#inFlight.get(id)?.isRemoved || !this.#tables.envelope.has(idKey(id))) continue;
      this.#apply(change, this.#inFlight.enter(id, into.touched), into);
    }
    return into;
  }

  /** The same without reading, for a message that is fresh; it stays so when only a due time is written. */
  #changeFresh(id: QueueId, change: Change, into: Translation): boolean {
    const fresh = this.#fresh.get(id);
    if (fresh === undefined) return false;
    const from = change.kind === 'reschedule' ? fresh.entries[change.from.number] : undefined;
    if (change.kind === 'reschedule' && from !== undefined) {
      const to = { ...change.to, ...nameOf(from) };
      this.#replace(from, to, this.#inFlight.enter(id, into.touched), into);
      fresh.entries[from.number] = to;
      return true;
    }
    this.#fresh.take(id);
    if (change.kind === 'remove') this.#removeFresh(id, fresh.entries, into);
    return change.kind === 'remove';
  }

  #apply(change: Change, message: MessageInFlight, into: Translation): void {
    switch (change.kind) {
      case 'status':
        message.statuses.add(change.recipient);
        this.#put(into, 'status', statusKey(change.id, change.recipient), JSON.stringify(change.status));
        return;
      case 'reschedule': {
        const current = this.#current(change.from, message);
        if (current !== undefined)
          this.#replace(current, { ...change.to, ...nameOf(change.from) }, message, into);
        return;
      }
      case 'add':
        this.#replace(this.#current(change.entry, message), change.entry, message, into);
        return;
      case 'finish':
        this.#replace(this.#current(change.entry, message), undefined, message, into);
        return;
      case 'remove':
        this.#removeMessage(change.id, message, into);
        return;
      case 'envelope': {
        const { octets } = this.#record(change.id);
        const record: EnvelopeRecord = { envelope: change.envelope, octets };
        this.#put(into, 'envelope', idKey(change.id), JSON.stringify(record));
        return;
      }
    }
  }

  /** The entry as it will be when everything in flight is durable; `undefined` when there is none. */
  #current(named: LaneEntry, message: MessageInFlight): LaneEntry | undefined {
    if (message.entries.has(named.number)) return message.entries.get(named.number);
    const key = entryKey(named.id, named.number);
    return this.#tables.entry.read(key, (payload) => decodeEntry(key, payload));
  }

  #replace(
    from: LaneEntry | undefined,
    to: LaneEntry | undefined,
    message: MessageInFlight,
    into: Translation,
  ): void {
    if (from !== undefined && from.held === undefined) this.#remove(into, 'schedule', this.#keys.key(from));
    const named = to ?? from;
    if (named === undefined) return;
    message.entries.set(named.number, to);
    if (to === undefined) {
      this.#remove(into, 'entry', entryKey(named.id, named.number));
      return;
    }
    this.#put(into, 'entry', entryKey(to.id, to.number), encodeEntry(to));
    if (to.held === undefined) this.#put(into, 'schedule', this.#keys.key(to), to.lane);
  }

  #removeMessage(id: QueueId, message: MessageInFlight, into: Translation): void {
    const prefix = idKey(id);
    const end = prefixEnd(prefix);
    const range = { start: prefix, ...(end && { end }) };
    const { entry, status } = this.#tables;
    for (const { key, payload } of entry.rows(range)) {
      const number = numberOfEntryKey(key);
      if (message.entries.has(number)) continue;
      // A damaged entry goes as well; its key in the schedule is found to be stale later.
      if (payload === undefined) this.#remove(into, 'entry', key);
      else this.#replace(decodeEntry(key, payload), undefined, message, into);
    }
    for (const inFlight of message.entries.values()) this.#replace(inFlight, undefined, message, into);
    for (const key of status.keys(range)) this.#remove(into, 'status', key);
    for (const recipient of message.statuses) this.#remove(into, 'status', statusKey(id, recipient));
    this.#remove(into, 'octets', prefix);
    this.#remove(into, 'envelope', prefix);
    into.removed.push({ id, isLarge: !this.#tables.octets.has(prefix) });
    message.isRemoved = true;
  }

  /** The same as `#removeMessage` for a message of which all records are known. */
  #removeFresh(id: QueueId, entries: readonly LaneEntry[], into: Translation): void {
    this.#inFlight.enterRemoved(id, into.touched);
    for (const entry of entries) {
      if (entry.held === undefined) this.#remove(into, 'schedule', this.#keys.key(entry));
      this.#remove(into, 'entry', entryKey(id, entry.number));
    }
    const key = idKey(id);
    this.#remove(into, 'octets', key);
    this.#remove(into, 'envelope', key);
    into.removed.push({ id, isLarge: false });
  }

  #record(id: QueueId): EnvelopeRecord {
    const record = this.#tables.envelope.read(idKey(id), decodeJson<EnvelopeRecord>);
    if (record === undefined) throw new SpoolError('missing', `there is no message ${id}`);
    return record;
  }

  #put(into: Translation, table: keyof SpoolTables, key: Buffer, payload: string): void {
    into.operations.push(this.#store.put(this.#tables[table], key, payload));
  }

  #remove(into: Translation, table: keyof SpoolTables, key: Buffer): void {
    into.operations.push(this.#store.remove(this.#tables[table], key));
  }
}

function nameOf(entry: LaneEntry): Pick<LaneEntry, 'id' | 'number'> {
  return { id: entry.id, number: entry.number };
}
