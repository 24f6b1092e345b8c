/** Reads a spool that is not open, without LMDB. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type QueueId, queueIdOctets } from '../mail/index.ts';
import {
  decodeFrame,
  lockProcess,
  PageFile,
  type Row,
  StoreError,
  scanFrames,
  storeFile,
  type TreeRecord,
  walkTrees,
} from '../store/index.ts';
import { listLargeFiles } from './large-file.ts';
import { idOfKey, tables } from './layout.ts';
import type { MessageRows } from './message-rows.ts';
import { SpoolError } from './spool.ts';

/** Something that is wrong with a spool. `id` is absent when it is not about one message. */
export interface SpoolProblem {
  readonly id?: QueueId;
  readonly what: 'file' | 'message' | 'schedule' | 'large-file';
  readonly detail: string;
}

type TableName = keyof typeof tables;

/** The tables whose keys begin with the id of a message. */
type MessageTable = Exclude<TableName, 'schedule'>;

/** The octets of the keys of each table. */
const keyOctets: Readonly<Record<MessageTable, number>> = {
  envelope: queueIdOctets,
  octets: queueIdOctets,
  status: queueIdOctets + 4,
  entry: queueIdOctets + 2,
};

/** Where the value of a row is, to be read when it is needed. */
interface Source {
  readonly key: Buffer;
  read(): Buffer | undefined;
}

interface MessageSources {
  envelope?: Source;
  octets?: Source;
  readonly entries: Source[];
  readonly statuses: Source[];
  /** Some record was found by a scan of the pages only: it may have been removed long ago. */
  isScanned: boolean;
}

/**
 * A spool that is not open, read without LMDB: from plain reads of its pages, so that no damage can crash
 * the process. Holds the lock of the spool until it is disposed.
 */
export class OfflineSpool implements Disposable {
  readonly path: string;
  readonly problems: SpoolProblem[] = [];
  readonly large = new Map<QueueId, string>();
  readonly schedule = new Map<string, Source>();
  readonly #file: PageFile;
  readonly #release: () => void;
  readonly #messages = new Map<QueueId, MessageSources>();

  private constructor(path: string, file: PageFile, release: () => void) {
    this.path = path;
    this.#file = file;
    this.#release = release;
  }

  /** Throws `SpoolError` `locked` while the spool is open, `missing` when there is none. */
  static async open(path: string): Promise<OfflineSpool> {
    if (!existsSync(storeFile(path))) throw new SpoolError('missing', `${JSON.stringify(path)} is no spool`);
    const lock = takeLock(path);
    try {
      const spool = new OfflineSpool(path, PageFile.open(storeFile(path)), () => lock.release());
      await spool.#read();
      return spool;
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  async #read(): Promise<void> {
    for await (const { file, id } of listLargeFiles(this.path)) {
      if (id !== undefined) this.large.set(id, file);
    }
    walkTrees(this.#file, {
      onRecord: (record) => this.#record(record),
      onProblem: ({ table, page, detail }) => {
        this.problems.push({ what: 'file', detail: `table ${table}, page ${page}: ${detail}` });
      },
    });
  }

  /** Whether some part of a tree cannot be reached: there may be messages beside the known ones. */
  get isBroken(): boolean {
    return this.problems.length > 0;
  }

  #record({ table, key, value }: TreeRecord): void {
    const name = tableNamed(table);
    if (name === undefined) return;
    this.#add(name, { key, read: () => this.#payload(name, key, value) });
  }

  #payload(name: TableName, key: Buffer, value: () => Buffer): Buffer | undefined {
    try {
      return decodeFrame(value(), { kind: tables[name].kind, key });
    } catch (error) {
      if (error instanceof StoreError && error.code === 'corrupt') return undefined;
      throw error;
    }
  }

  #add(name: TableName, source: Source): void {
    if (name === 'schedule') this.schedule.set(source.key.toString('latin1'), source);
    else if (source.key.length < queueIdOctets) {
      this.problems.push({ what: 'file', detail: `table ${name} has a key of ${source.key.length} octets` });
    } else addTo(this.#message(idOfKey(source.key)), name, source);
  }

  #message(id: QueueId): MessageSources {
    const known = this.#messages.get(id);
    if (known !== undefined) return known;
    const message: MessageSources = { entries: [], statuses: [], isScanned: false };
    this.#messages.set(id, message);
    return message;
  }

  /** Adds the records that lie in the file and that no tree leads to, the newest of each key. */
  scan(): void {
    const reachable = new Set<string>();
    for (const message of this.#messages.values()) {
      for (const [name, source] of sourcesOf(message))
        reachable.add(`${name} ${source.key.toString('latin1')}`);
    }
    const newest = new Map<
      string,
      { name: MessageTable; transaction: number; key: Buffer; payload: Buffer }
    >();
    for (const { kind, key, payload, transaction } of scanFrames(this.#file)) {
      const name = tableOfKind(kind);
      if (name === undefined || name === 'schedule' || key.length !== keyOctets[name]) continue;
      const address = `${name} ${key.toString('latin1')}`;
      if (reachable.has(address) || (newest.get(address)?.transaction ?? -1) >= transaction) continue;
      newest.set(address, { name, transaction, key: Buffer.from(key), payload: Buffer.from(payload) });
    }
    for (const { name, key, payload } of newest.values()) {
      const message = this.#message(idOfKey(key));
      message.isScanned = true;
      addTo(message, name, { key, read: () => payload });
    }
  }

  /** The messages by age, each with all rows that were found. */
  *messages(): Generator<MessageRows & { readonly isScanned: boolean }> {
    for (const id of [...this.#messages.keys()].sort(compareText)) {
      const { envelope, octets, entries, statuses, isScanned } = this.#message(id);
      yield {
        id,
        isScanned,
        envelope: envelope && rowOf(envelope),
        octets: octets && rowOf(octets),
        entries: entries.map(rowOf),
        statuses: statuses.map(rowOf),
      };
    }
  }

  [Symbol.dispose](): void {
    this.#file.close();
    this.#release();
  }
}

function takeLock(path: string) {
  try {
    return lockProcess(join(path, 'lock'));
  } catch (error) {
    if (error instanceof StoreError) throw new SpoolError(error.code, error.message, { cause: error });
    throw error;
  }
}

function addTo(message: MessageSources, name: MessageTable, source: Source): void {
  if (name === 'entry') message.entries.push(source);
  else if (name === 'status') message.statuses.push(source);
  else message[name] = source;
}

function* sourcesOf(message: MessageSources): Generator<readonly [TableName, Source]> {
  if (message.envelope !== undefined) yield ['envelope', message.envelope];
  if (message.octets !== undefined) yield ['octets', message.octets];
  for (const source of message.entries) yield ['entry', source];
  for (const source of message.statuses) yield ['status', source];
}

function rowOf(source: Source): Row {
  return { key: source.key, payload: source.read() };
}

const tableNames = Object.keys(tables) as TableName[];

function tableNamed(name: string): TableName | undefined {
  return tableNames.find((known) => tables[known].name === name);
}

function tableOfKind(kind: number): TableName | undefined {
  return tableNames.find((known) => tables[known].kind === kind);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a === b ? 0 : 1;
}
