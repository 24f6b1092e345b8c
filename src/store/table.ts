/** Reads one table of the store. */
import type { Database } from 'lmdb';
import { StoreError } from './error.ts';
import { decodeFrame } from './frame.ts';

/** A table: its name in the environment and the number its frames carry, both for good. */
export interface TableName {
  readonly name: string;
  readonly kind: number;
}

export interface Row {
  readonly key: Buffer;
  /** The payload; undefined when the frame is damaged. */
  readonly payload: Buffer | undefined;
}

export interface Range {
  /** Inclusive. */
  readonly start?: Uint8Array;
  /** Exclusive. */
  readonly end?: Uint8Array;
  readonly limit?: number;
  readonly reverse?: boolean;
}

/** How many rows a scan copies at a time. */
const scanRows = 512;

/**
 * Reads of one table. They show the newest durable commit. All of them copy: no read transaction is held
 * once a call has returned, so that freed pages can be used again however slow the reader is.
 */
export class Table {
  readonly name: string;
  readonly kind: number;
  readonly #database: () => Database<Buffer, Buffer>;

  /** `database` gives the handle of the moment, which changes when the environment is opened again. */
  constructor(name: TableName, database: () => Database<Buffer, Buffer>) {
    this.name = name.name;
    this.kind = name.kind;
    this.#database = database;
  }

  /** A copy of the payload under `key`. Throws `StoreError` `corrupt`. */
  get(key: Buffer): Buffer | undefined {
    return this.read(key, (payload) => Buffer.from(payload));
  }

  /**
   * The decoded payload under `key`. `decode` gets a view that the next read of any table overwrites; for a value that
   * is parsed at once this saves the allocation, which costs more than the read. Throws `StoreError` `corrupt`.
   */
  read<T>(key: Buffer, decode: (payload: Buffer) => T): T | undefined {
    return guardRead(() => {
      const database = this.#database();
      const view = database.getBinaryFast(key);
      if (view === undefined) return undefined;
      // The library gives one buffer again and again, and says beside it how much of it counts.
      const frame = Buffer.from(view.buffer, view.byteOffset, view.length);
      return decode(decodeFrame(frame, { kind: this.kind, key }));
    });
  }

  has(key: Buffer): boolean {
    return guardRead(() => this.#database().doesExist(key));
  }

  keys(range: Range = {}): Buffer[] {
    return guardRead(() => [...this.#database().getKeys(rangeOptions(range))]);
  }

  rows(range: Range = {}): Row[] {
    return guardRead(() =>
      [...this.#database().getRange(rangeOptions(range))].map(({ key, value }) => ({
        key,
        payload: this.#payload(key, value),
      })),
    );
  }

  /** All rows of the range in order, copied in batches; rows that are written meanwhile may be seen or not. */
  *scan(range: Omit<Range, 'limit' | 'reverse'> = {}): Generator<Row> {
    let start = range.start;
    for (;;) {
      const rows = this.rows({ ...range, ...(start && { start }), limit: scanRows });
      yield* rows;
      const last = rows.at(-1);
      if (last === undefined || rows.length < scanRows) return;
      start = keyAfter(last.key);
    }
  }

  /** As `scan`, without the values. */
  *scanKeys(range: Omit<Range, 'limit' | 'reverse'> = {}): Generator<Buffer> {
    let start = range.start;
    for (;;) {
      const keys = this.keys({ ...range, ...(start && { start }), limit: scanRows });
      yield* keys;
      const last = keys.at(-1);
      if (last === undefined || keys.length < scanRows) return;
      start = keyAfter(last);
    }
  }

  count(): number {
    return guardRead(() => this.#database().getKeysCount({}));
  }

  #payload(key: Buffer, frame: Buffer): Buffer | undefined {
    try {
      return decodeFrame(frame, { kind: this.kind, key });
    } catch (error) {
      if (error instanceof StoreError && error.code === 'corrupt') return undefined;
      throw error;
    }
  }
}

/** The smallest key above `key`. */
export function keyAfter(key: Uint8Array): Buffer {
  const after = Buffer.alloc(key.length + 1);
  after.set(key);
  return after;
}

/** The smallest key above every key that begins with `prefix`; `undefined` when there is none. */
export function prefixEnd(prefix: Uint8Array): Buffer | undefined {
  const end = Buffer.from(prefix);
  for (let at = end.length - 1; at >= 0; at--) {
    const octet = end.readUInt8(at);
    if (octet < 0xff) {
      end[at] = octet + 1;
      return end.subarray(0, at + 1);
    }
  }
  return undefined;
}

function rangeOptions(range: Range) {
  const { start, end, limit, reverse } = range;
  return {
    ...(start && { start: Buffer.from(start) }),
    ...(end && { end: Buffer.from(end) }),
    ...(limit !== undefined && { limit }),
    ...(reverse && { reverse }),
  };
}

/** An error that LMDB throws at a read means a broken environment. */
function guardRead<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof StoreError) throw error;
    throw new StoreError('io', `reading failed: ${String(error)}`, { cause: error });
  }
}

/** One put, or a removal when there is no frame. */
export interface Operation {
  readonly table: Table;
  readonly key: Buffer;
  readonly frame: Buffer | undefined;
}
