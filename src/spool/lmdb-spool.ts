/** The spool in LMDB. */
import { rm } from 'node:fs/promises';
import {
  Background,
  type BaseEvents,
  type Clock,
  type Log,
  Reclaimer,
  silentLog,
  systemClock,
} from '../base/index.ts';
import {
  type Envelope,
  type LaneName,
  type QueueId,
  QueueIdSource,
  type RecipientStatus,
} from '../mail/index.ts';
import { type Operation, payloadOf, prefixEnd, Store, StoreError, type StoreEvents } from '../store/index.ts';
import { checkChange } from './change.ts';
import type { SpoolEvents } from './events.ts';
import { FreshMessages } from './fresh.ts';
import { InFlight } from './in-flight.ts';
import { largeFile, largeOctets } from './large-file.ts';
import {
  decodeEntry,
  decodeJson,
  type EnvelopeRecord,
  idKey,
  idOfKey,
  layoutVersion,
  recipientOfKey,
  ScheduleKeys,
  tables,
} from './layout.ts';
import { type DraftedMessage, type DraftHost, DraftMemory, LmdbDraft } from './lmdb-draft.ts';
import { defaultFloorBytes } from './options.ts';
import { wholeOctets } from './pieces.ts';
import { recover, recoverMessage } from './recover.ts';
import { Schedule } from './schedule.ts';
import {
  type Change,
  type Draft,
  type LaneEntry,
  type LaneWake,
  type Spool,
  SpoolError,
  type SpoolHealth,
  type StoredOctets,
} from './spool.ts';
import { type SpoolTables, spoolTables } from './tables.ts';
import { type Translation, UpdateTranslator } from './update.ts';

export interface LmdbSpoolOptions {
  /** A folder for this spool alone; made when it is missing. */
  readonly path: string;
  /** 0 to 255: in every id, so that the spools of several workers never make the same one. */
  readonly shard?: number;
  readonly clock?: Clock;
  readonly log?: Log<SpoolEvents | StoreEvents | BaseEvents>;
  /** Free octets below which the spool is `low`; below half of it drafts are refused. `defaultFloorBytes`. */
  readonly floorBytes?: number;
  /** Free octets of the file system; a test passes its own. */
  readonly freeBytes?: () => number;
  /** Memory for the octets of all drafts together; past it a draft goes to a file early. 16 MiB. */
  readonly draftMemoryBytes?: number;
  /** Messages up to this size are in the store: one sync instead of three. 128 KiB. */
  readonly inlineMaxBytes?: number;
  /** Also reads the octets of every message at the start, as after an unclean end. */
  readonly checkOctets?: boolean;
}

/**
 * Opens the spool in `path`, repairs what can be derived, and says what it found. Throws `SpoolError`:
 * `locked`, `newer-version`, or `corrupt` when the file itself cannot be trusted (see `salvageSpool`).
 *
 * Measured (`test/soak/spool-cost.ts`, two shared cores, 200,000 messages of 1.2 KB, 100 writers, a disk in
 * memory): accept and remove 28 µs of CPU, 19 of them on the main thread; a whole attempt with its two
 * updates 70 µs; the checks at the start 17 µs for each message in the spool. With 20 writers on a disk that
 * syncs 600 times a second the commits are smaller, and accept and remove cost 50 to 80 µs.
 */
export async function openSpool(options: LmdbSpoolOptions): Promise<Spool> {
  return await LmdbSpool.open(options);
}

class LmdbSpool implements Spool {
  readonly #options: LmdbSpoolOptions;
  readonly #store: Store;
  readonly #tables: SpoolTables;
  readonly #ids: QueueIdSource;
  readonly #host: DraftHost;
  readonly #drafts = new Set<Draft>();
  readonly #inFlight = new InFlight();
  readonly #fresh = new FreshMessages();
  readonly #reclaimer = new Reclaimer();
  readonly #repairing = new Set<QueueId>();
  readonly #keys = new ScheduleKeys();
  readonly #translator: UpdateTranslator;
  readonly #schedule: Schedule;
  readonly #background: Background;
  #count: number;
  #state: 'open' | 'closed' = 'open';

  private constructor(
    options: LmdbSpoolOptions,
    store: Store,
    found: { readonly count: number; readonly newest: QueueId | undefined },
  ) {
    const { shard = 0, clock = systemClock, log = silentLog, draftMemoryBytes = 16 * 2 ** 20 } = options;
    this.#options = options;
    this.#store = store;
    this.#tables = spoolTables(store);
    this.#count = found.count;
    const after = found.newest === undefined ? {} : { after: found.newest };
    this.#ids = new QueueIdSource({ shard, now: () => clock.now(), ...after });
    this.#host = this.#hostOf(new DraftMemory(draftMemoryBytes));
    this.#translator = new UpdateTranslator({
      store,
      tables: this.#tables,
      keys: this.#keys,
      inFlight: this.#inFlight,
      fresh: this.#fresh,
    });
    this.#background = new Background(log);
    this.#schedule = new Schedule(this.#tables, this.#keys, {
      onStale: (key) => this.#background.run('drop-stale-schedule', this.#dropStale(key)),
      onCorrupt: (id) => this.#repair(id),
    });
  }

  static async open(options: LmdbSpoolOptions): Promise<LmdbSpool> {
    const { path, clock = systemClock, log = silentLog, floorBytes = defaultFloorBytes, freeBytes } = options;
    const store = await asSpoolErrors(() =>
      Store.open({
        path,
        tables: Object.values(tables),
        version: layoutVersion,
        clock,
        log,
        floorBytes,
        ...(freeBytes && { freeBytes }),
      }),
    );
    try {
      const checkOctets = options.checkOctets ?? store.wasUnclean;
      const found = await asSpoolErrors(() => recover({ store, path, log, clock, checkOctets }));
      return new LmdbSpool(options, store, found);
    } catch (error) {
      await store[Symbol.asyncDispose]();
      throw error;
    }
  }

  begin(): Draft {
    this.#checkOpen();
    const draft = new LmdbDraft(this.#ids.next(), this.#host);
    this.#drafts.add(draft);
    return draft;
  }

  #hostOf(memory: DraftMemory): DraftHost {
    const { path, inlineMaxBytes = 128 * 1024 } = this.#options;
    return {
      path,
      memory,
      inlineMaxBytes,
      checkRoom: () => this.#checkRoom(),
      onFileWrite: (bytes) => {
        this.#store.spend(bytes);
        // Each octet came in a buffer of the network and was gathered in one of the file.
        this.#reclaimer.passed(2 * bytes);
      },
      accept: (message) => this.#accept(message),
      onEnd: (ended) => this.#drafts.delete(ended),
    };
  }

  #checkRoom(): void {
    this.#checkOpen();
    const health = this.#store.health();
    // The space below half of the floor is for updates, which free space.
    if (health.state === 'low' && health.freeBytes < health.floorBytes / 2) {
      throw new SpoolError('full', `${health.freeBytes} octets are free`);
    }
  }

  #accept(message: DraftedMessage): Promise<void> {
    const { id, changes } = message;
    const entries = message.entries.map((entry, number): LaneEntry => ({ ...entry, id, number }));
    const operations = this.#translator.accepted(message, entries);
    const written = changes.length > 0 ? this.#write(changes, operations) : this.#store.write(operations);
    return written.then(
      () => this.#accepted(message, entries),
      (cause: unknown) => this.#notAccepted(message, cause),
    );
  }

  #accepted({ id, key, envelope, frame }: DraftedMessage, entries: LaneEntry[]): void {
    this.#count++;
    if (frame !== undefined) this.#fresh.add(id, { envelope, entries, octets: payloadOf(frame, key) });
  }

  #notAccepted({ id, place }: DraftedMessage, cause: unknown): never {
    const error = spoolError(cause);
    // After `io` the record may be durable all the same, so its file has to stay: the next start knows.
    if (place.in === 'file' && error instanceof SpoolError && error.code === 'full') this.#unlink(id);
    throw error;
  }

  envelope(id: QueueId): Envelope | undefined {
    this.#checkOpen();
    return this.#fresh.get(id)?.envelope ?? this.#record(id)?.envelope;
  }

  octets(id: QueueId): StoredOctets | undefined {
    this.#checkOpen();
    // Looked for first where most are: the record says where they are, and takes as long to parse as they to copy.
    const whole = this.#fresh.octets(id) ?? this.#read(() => this.#tables.octets.get(idKey(id)));
    if (whole !== undefined) return wholeOctets(whole);
    const record = this.#record(id);
    if (record === undefined) return undefined;
    if (record.octets.in !== 'file') throw new SpoolError('missing', `the octets of ${id} are missing`);
    const file = largeFile(this.#options.path, id);
    return largeOctets(file, record.octets, (bytes) => this.#reclaimer.passed(bytes));
  }

  #record(id: QueueId): EnvelopeRecord | undefined {
    return this.#read(() => this.#tables.envelope.read(idKey(id), decodeJson<EnvelopeRecord>));
  }

  statuses(id: QueueId): ReadonlyMap<number, RecipientStatus> {
    const rows = this.#read(() => this.#tables.status.rows(rangeOf(id)));
    return new Map(
      rows.map(({ key, payload }) => {
        if (payload === undefined) throw new SpoolError('corrupt', `a status of ${id} is damaged`);
        return [recipientOfKey(key), decodeJson<RecipientStatus>(payload)];
      }),
    );
  }

  entries(id: QueueId): readonly LaneEntry[] {
    const rows = this.#read(() => this.#tables.entry.rows(rangeOf(id)));
    return rows.map(({ key, payload }) => {
      if (payload === undefined) throw new SpoolError('corrupt', `an entry of ${id} is damaged`);
      return decodeEntry(key, payload);
    });
  }

  async update(changes: readonly Change[]): Promise<void> {
    this.#checkOpen();
    await this.#write(changes, []);
  }

  /** Writes the changes, and what else is to be durable with them. Throws where they cannot be. */
  #write(changes: readonly Change[], more: readonly Operation[]): Promise<void> {
    for (const change of changes) checkChange(change);
    const translation = this.#read(() => this.#translator.translate(changes));
    const { operations } = translation;
    operations.push(...more);
    if (operations.length === 0) return Promise.resolve(this.#written(translation));
    return this.#store.write(operations).then(
      () => this.#written(translation),
      (error: unknown) => this.#notWritten(translation, error),
    );
  }

  #written({ touched, removed }: Translation): void {
    this.#count -= removed.length;
    for (const { id, isLarge } of removed) if (isLarge) this.#unlink(id);
    this.#inFlight.leave(touched);
  }

  #notWritten({ touched }: Translation, error: unknown): never {
    // From now on the state on disk is to be read.
    for (const id of touched) this.#fresh.take(id);
    this.#inFlight.leave(touched);
    throw spoolError(error);
  }

  #unlink(id: QueueId): void {
    this.#background.run('remove-large-file', rm(largeFile(this.#options.path, id), { force: true }));
  }

  /** An entry turned out to be damaged: its recipients are put where they are attempted. */
  #repair(id: QueueId): void {
    if (this.#repairing.has(id)) return;
    this.#repairing.add(id);
    // Its entries will differ from the accepted ones.
    this.#fresh.take(id);
    this.#background.run(
      'repair-message',
      this.#repaired(id).finally(() => this.#repairing.delete(id)),
    );
  }

  async #repaired(id: QueueId): Promise<void> {
    const { path, clock = systemClock, log = silentLog } = this.#options;
    const isKept = await recoverMessage({ store: this.#store, path, clock, log, checkOctets: true }, id);
    if (!isKept) this.#count--;
  }

  #dropStale(key: Buffer): Promise<void> {
    return this.#store.write([this.#store.remove(this.#tables.schedule, key)]);
  }

  due(
    lane: LaneName,
    options: { readonly until: number; readonly after?: LaneEntry; readonly limit: number },
  ): readonly LaneEntry[] {
    return this.#read(() => this.#schedule.due(lane, options));
  }

  laneDue(lane: LaneName): number | undefined {
    return this.#read(() => this.#schedule.laneDue(lane));
  }

  *lanes(): Generator<LaneWake> {
    for (let after: Buffer | undefined; ; ) {
      const next = this.#read(() => this.#schedule.nextLane(after));
      if (next === undefined) return;
      yield next.wake;
      after = next.after;
      if (after === undefined) return;
    }
  }

  *walk(options: { readonly from?: QueueId; readonly until?: QueueId } = {}): Generator<QueueId> {
    this.#checkOpen();
    const { from, until } = options;
    const range = { ...(from && { start: idKey(from) }), ...(until && { end: idKey(until) }) };
    for (const key of this.#tables.envelope.scanKeys(range)) yield idOfKey(key);
  }

  count(): number {
    this.#checkOpen();
    return this.#count;
  }

  health(): SpoolHealth {
    return this.#store.health();
  }

  #read<T>(read: () => T): T {
    this.#checkOpen();
    try {
      return read();
    } catch (error) {
      throw spoolError(error);
    }
  }

  #checkOpen(): void {
    if (this.#state === 'closed') throw new SpoolError('closed', 'the spool is closed');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    await Promise.all([...this.#drafts].map((draft) => draft[Symbol.asyncDispose]()));
    await this.#background.drain();
    await this.#store[Symbol.asyncDispose]();
  }
}

function rangeOf(id: QueueId) {
  const start = idKey(id);
  const end = prefixEnd(start);
  return { start, ...(end && { end }) };
}

/** The one place where errors of the store become errors of the spool. */
function spoolError(error: unknown): unknown {
  return error instanceof StoreError ? new SpoolError(error.code, error.message, { cause: error }) : error;
}

async function asSpoolErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw spoolError(error);
  }
}
