/** A small table whose rows expire. */
import { type Clock, DueHeap, type Log } from '../base/index.ts';
import { StoreError } from './error.ts';
import type { StoreEvents } from './events.ts';
import { maxKeyBytes } from './frame.ts';
import type { Store } from './store.ts';
import type { Operation, TableName } from './table.ts';

/** The parts of an expiring table. */
export interface ExpiringTableOptions<T> {
  readonly store: Pick<Store, 'table' | 'put' | 'remove' | 'write'>;
  /** One of the tables that the store was opened with. */
  readonly name: TableName;
  /** Decodes a stored value; undefined if it is invalid. */
  readonly decode: (value: unknown) => T | undefined;
  /** The number of rows; beyond it the one that would expire first goes. */
  readonly limit: number;
  readonly clock: Clock;
  readonly log: Log<StoreEvents>;
}

interface Held<T> {
  readonly value: T;
  readonly expiresAt: number;
}

/** Expired rows that one write takes along: a flood of them must not make one write slow. */
const sweepRows = 64;

/**
 * A small table whose rows end by themselves. All of it is in memory, so reads answer at once; a write counts in
 * memory when it is durable and not before, so that both agree. Values are JSON. A damaged row is logged and removed:
 * all rows here can be learnt again.
 */
export class ExpiringTable<T> {
  readonly #options: ExpiringTableOptions<T>;
  readonly #table: ReturnType<Store['table']>;
  readonly #rows = new Map<string, Held<T>>();
  readonly #due: DueHeap;
  /** Rows that are being written for the first time: they need their places already. */
  #newcomers = 0;
  /** On disk only, to be removed with the next write. */
  readonly #stale = new Set<string>();

  /** Reads the table. Throws `StoreError` when it cannot be read. */
  constructor(options: ExpiringTableOptions<T>) {
    this.#options = options;
    this.#table = options.store.table(options.name);
    this.#due = new DueHeap(options.limit);
    this.#load();
  }

  /** The number of rows, expired ones included that were not looked up since. */
  get size(): number {
    return this.#rows.size;
  }

  /** The value, until the instant of its expiry. */
  get(key: string): T | undefined {
    const row = this.#rows.get(key);
    if (row === undefined) return undefined;
    if (this.#options.clock.now() < row.expiresAt) return row.value;
    this.#drop(key);
    return undefined;
  }

  *entries(): Generator<readonly [key: string, value: T, expiresAt: number]> {
    const now = this.#options.clock.now();
    for (const [key, { value, expiresAt }] of this.#rows) if (now < expiresAt) yield [key, value, expiresAt];
  }

  /** Resolves when the row is durable; rejects with `StoreError`, and nothing is changed then. */
  async put(key: string, value: T, expiresAt: number): Promise<void> {
    const { store, limit } = this.#options;
    const octets = keyOctets(key);
    this.#sweep();
    const isNew = !this.#rows.has(key);
    const isFull = isNew && this.#rows.size + this.#newcomers >= limit;
    const victim = isFull ? this.#due.take(Number.POSITIVE_INFINITY) : undefined;
    if (isFull && victim === undefined)
      throw new StoreError('full', 'all rows of the table are being written');
    const stale = [...this.#stale].filter((old) => old !== key).slice(0, sweepRows);
    const payload = JSON.stringify({ value, expiresAt });
    const operations: Operation[] = [
      ...[...stale, ...(victim === undefined ? [] : [victim])].map((old) => this.#removal(old)),
      store.put(this.#table, octets, payload),
    ];
    if (isNew) this.#newcomers++;
    try {
      await store.write(operations);
    } catch (error) {
      const spared = victim === undefined ? undefined : this.#rows.get(victim);
      if (victim !== undefined && spared !== undefined) this.#due.set(victim, spared.expiresAt);
      throw error;
    } finally {
      if (isNew) this.#newcomers--;
    }
    for (const old of stale) this.#stale.delete(old);
    if (victim !== undefined) this.#rows.delete(victim);
    this.#stale.delete(key);
    this.#rows.set(key, { value, expiresAt });
    this.#due.set(key, expiresAt);
  }

  /** Resolves when the row is gone for good; rejects with `StoreError`, and the row stays then. */
  async remove(key: string): Promise<void> {
    if (!this.#rows.has(key) && !this.#stale.has(key)) return;
    await this.#options.store.write([this.#removal(key)]);
    this.#rows.delete(key);
    this.#due.delete(key);
    this.#stale.delete(key);
  }

  #removal(key: string): Operation {
    return this.#options.store.remove(this.#table, keyOctets(key));
  }

  /** Expired: gone for all readers at once, for good even if the clock is set back; from disk soon. */
  #drop(key: string): void {
    this.#rows.delete(key);
    this.#due.delete(key);
    this.#stale.add(key);
  }

  #sweep(): void {
    const now = this.#options.clock.now();
    for (let taken = 0; taken < sweepRows; taken++) {
      const key = this.#due.take(now);
      if (key === undefined) return;
      this.#drop(key);
    }
  }

  #load(): void {
    const { decode, clock, log, name } = this.#options;
    const now = clock.now();
    for (const { key, payload } of this.#table.scan()) {
      const text = key.toString('utf8');
      const row = payload === undefined ? undefined : decodeRow(payload, decode);
      if (row === undefined) log.error('state-row-damaged', { table: name.name, key: text });
      // A table that is larger than it may be keeps the rows that were read first.
      const isKept = row !== undefined && now < row.expiresAt && this.#due.set(text, row.expiresAt);
      if (isKept) this.#rows.set(text, row);
      else this.#stale.add(text);
    }
  }
}

function decodeRow<T>(payload: Buffer, decode: (value: unknown) => T | undefined): Held<T> | undefined {
  try {
    const row: unknown = JSON.parse(payload.toString('utf8'));
    if (typeof row !== 'object' || row === null) return undefined;
    const [stored, expiresAt]: unknown[] = [Reflect.get(row, 'value'), Reflect.get(row, 'expiresAt')];
    const value = decode(stored);
    return value === undefined || typeof expiresAt !== 'number' ? undefined : { value, expiresAt };
  } catch {
    return undefined;
  }
}

function keyOctets(key: string): Buffer {
  const octets = Buffer.from(key, 'utf8');
  if (octets.length === 0 || octets.length > maxKeyBytes)
    throw new StoreError('io', `a key has 1 to ${maxKeyBytes} octets, not ${octets.length}`);
  return octets;
}
