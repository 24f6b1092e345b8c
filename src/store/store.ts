/** The guarded LMDB environment. */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Clock, Log } from '../base/index.ts';
import { failureOf } from './environment.ts';
import { StoreError } from './error.ts';
import type { StoreEvents } from './events.ts';
import { examine } from './examine.ts';
import { encodeFrame } from './frame.ts';
import { lockProcess, type ProcessLock } from './lock.ts';
import { freeBytesOf, SpaceWatch } from './space.ts';
import { type Operation, Table, type TableName } from './table.ts';
import { Writer } from './writer.ts';

/** Turns a store of the version before `to` into one of `to`. It must bear to be run again after a crash. */
export interface Migration {
  readonly to: number;
  run(store: Store): Promise<void>;
}

export interface StoreOptions {
  /** A folder of its own; made when it is missing. */
  readonly path: string;
  readonly tables: readonly TableName[];
  /** The version of the layout that this program writes. */
  readonly version: number;
  readonly migrations?: readonly Migration[];
  readonly clock: Clock;
  readonly log: Log<StoreEvents>;
  /** Free octets below which the store is `low`. */
  readonly floorBytes: number;
  /** Free octets of the file system; the real ones when absent. */
  readonly freeBytes?: () => number;
}

/** Whether the store takes writes, and has room for more. */
export type StoreHealth =
  | { readonly state: 'ok' }
  | { readonly state: 'low'; readonly freeBytes: number; readonly floorBytes: number }
  | { readonly state: 'failing'; readonly because: string };

const ownTable = { name: 'store', kind: 0 } as const;
const versionKey = Buffer.from('version');
const probeKey = Buffer.from('probe');

/** The guarded LMDB environment. See the folder's `index.ts` for what it guards against. */
export class Store implements AsyncDisposable {
  readonly #options: StoreOptions;
  readonly #lock: ProcessLock;
  readonly #writer: Writer;
  readonly #space: SpaceWatch;
  readonly #own: Table;
  #state: 'open' | 'closed' = 'open';
  /** The process before did not close the store. */
  readonly wasUnclean: boolean;

  private constructor(options: StoreOptions, lock: ProcessLock, wasUnclean: boolean) {
    this.#options = options;
    this.#lock = lock;
    this.wasUnclean = wasUnclean;
    const { path, clock, log, floorBytes, freeBytes = () => freeBytesOf(path) } = options;
    this.#space = new SpaceWatch({ clock, floorBytes, freeBytes });
    this.#writer = new Writer({
      file: storeFile(path),
      tables: [ownTable, ...options.tables],
      clock,
      log,
      onWrite: (bytes) => this.#space.spend(bytes),
      probe: () => this.put(this.#own, probeKey, String(clock.now())),
    });
    this.#own = this.table(ownTable);
  }

  /**
   * Opens the store. Throws `StoreError`: `locked` when another process has it, `corrupt` when its file
   * cannot be trusted (nothing is mapped then), `newer-version` when a newer program wrote it.
   */
  static async open(options: StoreOptions): Promise<Store> {
    const { path, log } = options;
    mkdirSync(path, { recursive: true, mode: 0o700 });
    const lock = lockProcess(join(path, 'lock'));
    let store: Store | undefined;
    try {
      const isNew = !existsSync(storeFile(path));
      const wasClean = isNew || (!lock.wasAbandoned && closedAs(path) === fingerprint(path));
      if (!wasClean) log.warn('store-unclean', { path });
      if (!isNew) await examine(storeFile(path), { isSuspect: !wasClean });
      rmSync(closedFile(path), { force: true });
      store = new Store(options, lock, !wasClean);
      if (isNew) syncFolder(path);
      await store.#bringUpToDate(isNew);
      store.#space.start();
      return store;
    } catch (error) {
      if (store !== undefined) {
        await store.#writer.close();
        if (!store.wasUnclean) recordClose(path);
      }
      lock.release();
      throw asStoreError(error);
    }
  }

  /** The table; it has to be one of those the store was opened with. */
  table(name: TableName): Table {
    return new Table(name, () => this.#writer.database(name.name));
  }

  /** An operation that stores `payload` under `key`. */
  put(table: Table, key: Buffer, payload: Uint8Array | string): Operation {
    return { table, key, frame: encodeFrame({ kind: table.kind, key }, payload) };
  }

  /** An operation that removes the value under `key`, if any. */
  remove(table: Table, key: Buffer): Operation {
    return { table, key, frame: undefined };
  }

  /** See `Writer.write`: all or none, durable when it resolves. */
  write(operations: readonly Operation[]): Promise<void> {
    return this.#writer.write(operations);
  }

  /** Subtracts octets that were written beside the store, on the same file system. */
  spend(bytes: number): void {
    this.#space.spend(bytes);
  }

  /** An estimate; the file system is asked every second. */
  get freeBytes(): number {
    return this.#space.freeBytes;
  }

  health(): StoreHealth {
    const { health } = this.#writer;
    if (health.state === 'failing') return { state: 'failing', because: health.because };
    const { freeBytes, floorBytes } = this.#space;
    return freeBytes < floorBytes ? { state: 'low', freeBytes, floorBytes } : { state: 'ok' };
  }

  async #bringUpToDate(isNew: boolean): Promise<void> {
    const { version, migrations = [], log } = this.#options;
    const record = this.#own.get(versionKey);
    // A store without the record is older than the record.
    const found = isNew ? version : record === undefined ? 0 : Number(record.toString());
    if (found > version) {
      throw new StoreError('newer-version', `the store has version ${found}, this program knows ${version}`);
    }
    for (let next = found + 1; next <= version; next++) {
      log.info('store-migration', { from: next - 1, to: next });
      await migrations.find((migration) => migration.to === next)?.run(this);
      await this.#writeVersion(next);
    }
    if (isNew) await this.#writeVersion(version);
  }

  #writeVersion(version: number): Promise<void> {
    return this.write([this.put(this.#own, versionKey, String(version))]);
  }

  /** Waits for the writes that were begun and closes. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#space.stop();
    const isHealthy = this.#writer.health.state === 'ok';
    await this.#writer.close();
    if (isHealthy) recordClose(this.#options.path);
    this.#lock.release();
  }
}

/** The LMDB file of a store folder. */
export function storeFile(path: string): string {
  return join(path, 'store.mdb');
}

function closedFile(path: string): string {
  return join(path, 'closed');
}

/** The mark of a clean close: a file that was changed since is checked before it is mapped. */
function fingerprint(path: string): string {
  const { size, mtimeMs } = statSync(storeFile(path));
  return `${size} ${mtimeMs}\n`;
}

function closedAs(path: string): string | undefined {
  return existsSync(closedFile(path)) ? readFileSync(closedFile(path), 'utf8') : undefined;
}

function recordClose(path: string): void {
  try {
    writeFileSync(closedFile(path), fingerprint(path), { mode: 0o600 });
  } catch {
    // Without it the next start looks at the file first; a full disk must not keep us from closing.
  }
}

/** Errors of the file system at the start become a `StoreError`; a bug stays as it is. */
function asStoreError(error: unknown): unknown {
  if (!(error instanceof Error && 'syscall' in error)) return error;
  const { code, because } = failureOf(error);
  return new StoreError(code, `the store cannot be opened: ${because}`, { cause: error });
}

/** Makes the names in a folder durable. */
export function syncFolder(path: string): void {
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
