/** The only writer of the store: commits, faults, recovery. */
import type { Clock, Log } from '../base/index.ts';
import { causeOf, type Environment, type Failure, failureOf, openEnvironment } from './environment.ts';
import { StoreError } from './error.ts';
import type { StoreEvents } from './events.ts';
import { FileReserve } from './reserve.ts';
import type { Operation, TableName } from './table.ts';

/** Whether writes are durable now. */
export type WriterHealth =
  | { readonly state: 'ok' }
  | { readonly state: 'failing'; readonly code: 'full' | 'io'; readonly because: string };

export interface WriterOptions {
  readonly file: string;
  readonly tables: readonly TableName[];
  readonly clock: Clock;
  readonly log: Log<StoreEvents>;
  /** Called with the octets by which the file grew. */
  readonly onWrite: (bytes: number) => void;
  /** Makes the operation that tries whether writes work again. */
  readonly probe: () => Operation;
}

/** The writes that wait for one durable commit: those of one event turn, and of the sync before it. */
interface Batch {
  readonly operations: Operation[];
  bytes: number;
  readonly settled: PromiseWithResolvers<void>;
}

const maxBatchBytes = 8 * 2 ** 20;
const probeEveryMs = 1000;
const stallMs = 30_000;

/**
 * The one place where the store is written.
 *
 * Operations given in one call are in one LMDB transaction, all or none: LMDB-js could cut an event turn in
 * two when a synchronous transaction interrupts it, so there are none, and each batch is one explicit
 * `batch()` block. Only one batch is under way at a time; whatever comes meanwhile shares the next one. So
 * a failure says exactly which writes are in doubt, and the number of syncs adapts to the disk by itself.
 *
 * After a failed commit the environment is closed and opened again, always: when the meta page could not be
 * written, LMDB refuses every later transaction (the library then waits for ever), and reads as well.
 * Until a probe write has worked, writes are refused without touching the disk.
 */
export class Writer {
  readonly #options: WriterOptions;
  #environment: Environment | undefined;
  readonly #reserve: FileReserve;
  #waiting: Batch[] = [];
  #underWay: Batch | undefined;
  #health: WriterHealth = { state: 'ok' };
  #state: 'open' | 'closing' = 'open';
  #cancelProbe: () => void = () => {};
  #recovery: Promise<void> = Promise.resolve();

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#environment = openEnvironment(options.file, options.tables);
    this.#reserve = new FileReserve(options.file);
  }

  get health(): WriterHealth {
    return this.#health;
  }

  /** The handle for reads of a table. */
  database(name: string) {
    const database = this.#environment?.tables.get(name);
    if (this.#state === 'closing') throw new StoreError('closed', 'the store is closed');
    if (database === undefined) throw new StoreError('io', `the store cannot be opened: ${this.#because()}`);
    return database;
  }

  /**
   * Writes the operations, all or none, in the order of the calls. Resolves when they are durable; calls of
   * one turn get the same promise. Rejects with `StoreError` `full`, `io` or `closed`: after `io` they may
   * be durable all the same.
   */
  write(operations: readonly Operation[]): Promise<void> {
    if (this.#state === 'closing') return Promise.reject(new StoreError('closed', 'the store is closed'));
    if (this.#health.state === 'failing') return Promise.reject(this.#failure(this.#health));
    const batch = this.#forming();
    for (const operation of operations) {
      batch.operations.push(operation);
      batch.bytes += operation.key.length + (operation.frame?.length ?? 0);
    }
    return batch.settled.promise;
  }

  /** The batch that takes new operations; a full one waits while the next one forms. */
  #forming(): Batch {
    const last = this.#waiting.at(-1);
    if (last !== undefined && last.bytes < maxBatchBytes) return last;
    const batch: Batch = { operations: [], bytes: 0, settled: Promise.withResolvers() };
    this.#waiting.push(batch);
    if (last === undefined && this.#underWay === undefined) setImmediate(() => this.#next());
    return batch;
  }

  #next(): void {
    const environment = this.#environment;
    if (this.#underWay !== undefined || environment === undefined) return;
    const batch = this.#waiting.shift();
    if (batch === undefined) return;
    this.#underWay = batch;
    if (!this.#makeRoom(batch)) return;
    const cancelStall = this.#options.clock.after(stallMs, () => this.#stalled(batch));
    commit(environment, batch.operations).then(
      () => {
        cancelStall();
        this.#committed(batch);
      },
      (error: unknown) => {
        cancelStall();
        this.#recovery = this.#commitFailed(batch, error);
      },
    );
  }

  #committed(batch: Batch): void {
    this.#underWay = undefined;
    if (this.#health.state === 'failing') {
      this.#options.log.warn('store-recovered', { file: this.#options.file });
      this.#health = { state: 'ok' };
    }
    batch.settled.resolve();
    this.#next();
  }

  /** False when the disk is full; the batch is rejected then, and LMDB was not asked. */
  #makeRoom(batch: Batch): boolean {
    try {
      this.#options.onWrite(this.#reserve.ensure(batch.operations));
      return true;
    } catch (error) {
      this.#failed(batch, failureOf(error), error);
      return false;
    }
  }

  async #commitFailed(batch: Batch, error: unknown): Promise<void> {
    const failure = failureOf(await causeOf(error));
    this.#setFailing(failure);
    await this.#reopen();
    this.#failed(batch, failure, error);
  }

  #failed(batch: Batch, failure: Failure, cause: unknown): void {
    this.#setFailing(failure);
    this.#underWay = undefined;
    const error = new StoreError(failure.code, failure.because, { cause });
    for (const lost of [batch, ...this.#waiting.splice(0)]) lost.settled.reject(error);
    if (this.#state === 'open') {
      this.#cancelProbe = this.#options.clock.after(probeEveryMs, () => this.#probe());
    }
  }

  #setFailing({ code, because }: Failure): void {
    if (this.#health.state === 'ok') {
      this.#options.log.error('store-failing', { file: this.#options.file, code, because });
    }
    this.#health = { state: 'failing', code, because };
  }

  #stalled(batch: Batch): void {
    const because = `a commit takes more than ${stallMs / 1000} s`;
    if (this.#underWay === batch) this.#setFailing({ code: 'io', because });
  }

  /** Tries one write. When it works, `#committed` declares the store healthy. */
  #probe(): void {
    if (this.#state !== 'open' || this.#underWay !== undefined) return;
    this.#recovery = this.#reopen().then(() => {
      if (this.#environment === undefined) {
        this.#cancelProbe = this.#options.clock.after(probeEveryMs, () => this.#probe());
        return;
      }
      const batch: Batch = {
        operations: [this.#options.probe()],
        bytes: 0,
        settled: Promise.withResolvers(),
      };
      batch.settled.promise.catch(() => {});
      this.#waiting.unshift(batch);
      this.#next();
    });
  }

  async #reopen(): Promise<void> {
    try {
      const old = this.#environment;
      this.#environment = undefined;
      await old?.root.close();
      this.#environment = openEnvironment(this.#options.file, this.#options.tables);
    } catch (error) {
      this.#options.log.error('store-not-reopened', { file: this.#options.file, error: String(error) });
    }
  }

  #because(): string {
    return this.#health.state === 'failing' ? this.#health.because : 'unknown';
  }

  #failure(health: { readonly code: 'full' | 'io'; readonly because: string }): StoreError {
    return new StoreError(health.code, `the store takes no writes until a probe works: ${health.because}`);
  }

  /** Waits for running writes, then closes. Writes that have not begun are done as well. */
  async close(): Promise<void> {
    if (this.#state === 'closing') return;
    while (this.#underWay !== undefined || this.#waiting.length > 0) {
      const last = this.#waiting.at(-1) ?? this.#underWay;
      await last?.settled.promise.catch(() => {});
    }
    this.#state = 'closing';
    this.#cancelProbe();
    await this.#recovery;
    await this.#environment?.root.close();
    this.#reserve.close();
  }
}

/** One LMDB transaction; there is one promise for all of it. */
function commit(environment: Environment, operations: readonly Operation[]): Promise<boolean> {
  return environment.root.batch(() => {
    for (const { table, key, frame } of operations) {
      const database = environment.tables.get(table.name);
      // Inside a block these return a constant promise that is already resolved.
      if (frame === undefined) void database?.remove(key);
      else void database?.put(key, frame);
    }
  });
}
