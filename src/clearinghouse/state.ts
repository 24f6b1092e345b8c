/** The counts on disk: a snapshot and journals. */
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { piecesOf, syncFolder, writeSynced } from './files.ts';
import { decodeEntries, type Entry, encodeEntry } from './journal.ts';

/** A state that can be written down and read back. */
export interface Storable {
  /** The same arrays each time, zeros at first. */
  arrays(): readonly Uint8Array[];
  save(): unknown;
  restore(saved: unknown): void;
  apply(entry: Entry): unknown;
}

/** The result of reading a state. */
export interface Restored {
  readonly entries: number;
  /** Octets at the end of journals that were broken off or damaged, and left out. */
  readonly torn: number;
  /** Why the snapshot or journals were of no use and put aside; absent where they were, or where there were none. */
  readonly because?: string;
}

interface Head {
  readonly of: string;
  /** The journal that goes on with it. */
  readonly from: number;
  readonly sizes: readonly number[];
  readonly crc: number;
  readonly saved: unknown;
}

const magic = { snapshot: 'PHC3', journal: 'PHJ3' } as const;
/** Magic, length and CRC-32 of the JSON that follows. */
const headOctets = 12;
/** Then a snapshot is written, so that a start has not much to play. */
const maxJournal = 64 * 2 ** 20;
/** The octets that may wait while the disk fails. */
const maxWaiting = 16 * 2 ** 20;
/** Syncs until a snapshot is tried again that could not be written. */
const pause = 60;

/**
 * The counts on disk: a snapshot of the memory, and journals of the changes since. A journal is synced once a second,
 * so a crash loses the last second. A broken end is left out, and the entries before it count; an unusable file is put
 * aside as `*.unusable`.
 */
export class StateFiles implements AsyncDisposable {
  readonly #folder: string;
  readonly #storable: Storable;
  /** The key and the size of the counts: with others they are nonsense. */
  readonly #of: string;
  #journal: FileHandle | undefined;
  #serial = 0;
  /** Octets of the journal that is open, and of all since the snapshot. */
  #length = 0;
  #written = 0;
  #waiting: Buffer[] = [];
  #waitingOctets = 0;
  /** Changes were lost on the way to the journal: only a snapshot is whole again. */
  #hasHole = false;
  #pause = 0;
  #work: Promise<unknown> = Promise.resolve();

  constructor(folder: string, storable: Storable, of: string) {
    this.#folder = folder;
    this.#storable = storable;
    this.#of = of;
  }

  /** Reads the files and begins a journal. Rejects with the system's errors. */
  async open(): Promise<Restored> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const because: string[] = [];
    const from = await this.#readSnapshot().catch(async (error: unknown) => {
      if (!(error instanceof Unusable)) throw error;
      because.push(`snapshot: ${error.message}`);
      // A journal has changes only, which are useless without their snapshot.
      await this.#putAside('snapshot', ...(await this.#journals()).map(nameOf));
      return 0;
    });
    const serials = (await this.#journals()).filter((serial) => serial >= from);
    let [entries, torn] = [0, 0];
    for (const [at, serial] of serials.entries()) {
      const played = await this.#play(serial);
      if (played === undefined) {
        because.push(`${nameOf(serial)}: it is of another key, size or layout`);
        await this.#putAside(nameOf(serial));
        continue;
      }
      entries += played.entries;
      torn += played.torn;
      const behind = serials.slice(at + 1).map(nameOf);
      if (played.torn === 0 || behind.length === 0) continue;
      // They continue the missing one.
      because.push(`${behind.join(', ')}: what is before it is damaged`);
      await this.#putAside(...behind);
      break;
    }
    this.#serial = Math.max(from, ...serials, 0) + 1;
    this.#journal = await this.#openJournal(this.#serial);
    this.#length = this.#journalHead().length;
    return { entries, torn, ...(because.length > 0 && { because: because.join('; ') }) };
  }

  /** Makes the changes of a journal, up to its end or to where it is damaged; undefined where it is of something else. */
  async #play(serial: number): Promise<{ readonly entries: number; readonly torn: number } | undefined> {
    const octets = await readFile(this.#path(serial));
    const head = octets.subarray(0, this.#journalHead().length);
    // Broken off before it began.
    if (!this.#journalHead().subarray(0, head.length).equals(head)) return undefined;
    let entries = 0;
    let read = head.length;
    for (const { entry, end } of decodeEntries(octets.subarray(head.length))) {
      this.#storable.apply(entry);
      entries++;
      read = head.length + end;
    }
    this.#written += read;
    const torn = octets.length - read;
    // So that later entries are not taken for those behind the damage.
    if (torn > 0) await truncate(this.#path(serial), read);
    return { entries, torn };
  }

  /** Notes a change; it is on disk with the next `sync`. */
  note(entry: Entry): void {
    if (this.#hasHole) return;
    const octets = encodeEntry(entry);
    this.#waiting.push(octets);
    this.#waitingOctets += octets.length;
    if (this.#waitingOctets <= maxWaiting) return;
    this.#hasHole = true;
    this.#takeWaiting();
  }

  /** Writes and syncs the noted changes; makes a snapshot when there are many. One call after the other. */
  sync(): Promise<void> {
    const next = this.#work.then(() => this.#sync());
    this.#work = next.catch(() => {});
    return next;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#work;
    try {
      if (!this.#hasHole) await this.#append();
      if (this.#written > 0 || this.#hasHole) await this.#snapshot();
    } finally {
      await this.#journal?.close();
    }
  }

  async #sync(): Promise<void> {
    if (!this.#hasHole) await this.#append();
    if (this.#pause > 0) this.#pause--;
    else if (this.#hasHole || this.#written > maxJournal) await this.#snapshot();
  }

  /** Writes the waiting changes. If that fails, the journal is cut where it was whole, and they wait on. */
  async #append(): Promise<void> {
    const octets = this.#takeWaiting();
    if (octets.length === 0) return;
    try {
      await this.#journal?.writeFile(octets);
      await this.#journal?.datasync();
    } catch (error) {
      this.#waiting.unshift(octets);
      this.#waitingOctets += octets.length;
      await this.#journal?.truncate(this.#length).catch(() => {
        this.#hasHole = true;
        this.#takeWaiting();
      });
      throw error;
    }
    this.#length += octets.length;
    this.#written += octets.length;
  }

  /**
   * Copies the memory at once, while nothing changes it. Later changes go to the next journal, which exists before the
   * snapshot counts. If the snapshot cannot be written, the journal goes on.
   */
  async #snapshot(): Promise<void> {
    this.#pause = pause;
    const from = this.#serial + 1;
    const wasHole = this.#hasHole;
    this.#hasHole = false;
    const before = this.#takeWaiting();
    const arrays = this.#storable.arrays();
    const copy = Buffer.concat(arrays);
    const head = { of: this.#of, from, sizes: arrays.map(({ length }) => length), crc: crcOf(copy) };
    const json = Buffer.from(JSON.stringify({ ...head, saved: this.#storable.save() } satisfies Head));
    let journal: FileHandle | undefined;
    try {
      const temporary = join(this.#folder, 'snapshot.new');
      await writeSynced(temporary, [headOf(json), json, copy]);
      journal = await this.#openJournal(from);
      await rename(temporary, join(this.#folder, 'snapshot'));
      await syncFolder(this.#folder);
    } catch (error) {
      await journal?.close();
      this.#hasHole = wasHole || this.#hasHole;
      if (this.#hasHole) this.#takeWaiting();
      else {
        this.#waiting.unshift(before);
        this.#waitingOctets += before.length;
      }
      throw error;
    }
    await this.#journal?.close();
    this.#journal = journal;
    this.#serial = from;
    this.#length = this.#journalHead().length;
    this.#written = 0;
    this.#pause = 0;
    for (const serial of await this.#journals())
      if (serial < from) await rm(this.#path(serial), { force: true });
  }

  #takeWaiting(): Buffer {
    const octets = Buffer.concat(this.#waiting);
    this.#waiting = [];
    this.#waitingOctets = 0;
    return octets;
  }

  async #openJournal(serial: number): Promise<FileHandle> {
    const file = await open(this.#path(serial), 'a', 0o600);
    try {
      // An existing one was begun for a snapshot that was not completed.
      await file.truncate(0);
      await file.writeFile(this.#journalHead());
      return file;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  #journalHead(): Buffer {
    return Buffer.concat([Buffer.from(magic.journal), Buffer.from(this.#of, 'hex')]);
  }

  /** Puts the snapshot into memory; the journal that it goes on with, 0 where there is none. Rejects with `Unusable`. */
  async #readSnapshot(): Promise<number> {
    let file: FileHandle;
    try {
      file = await open(join(this.#folder, 'snapshot'), 'r');
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return 0;
      throw error;
    }
    try {
      const head = await readHead(file);
      const arrays = this.#storable.arrays();
      const isSame = head.of === this.#of && arrays.every(({ length }, at) => head.sizes[at] === length);
      if (!isSame) throw new Unusable('it is of another key, size or layout');
      let crc = 0;
      for (const array of arrays)
        for (const piece of piecesOf(array)) {
          await readAll(file, piece);
          crc = crc32(piece, crc);
        }
      if (crc !== head.crc) throw new Unusable('it is damaged');
      this.#storable.restore(head.saved);
      return head.from;
    } catch (error) {
      if (error instanceof Unusable) for (const array of this.#storable.arrays()) array.fill(0);
      throw error;
    } finally {
      await file.close();
    }
  }

  async #putAside(...names: readonly string[]): Promise<void> {
    for (const name of names) await rename(join(this.#folder, name), join(this.#folder, `${name}.unusable`));
  }

  async #journals(): Promise<number[]> {
    const names = await readdir(this.#folder);
    return names
      .flatMap((name) => (/^journal-\d+$/.test(name) ? [Number(name.slice(8))] : []))
      .sort((a, b) => a - b);
  }

  #path(serial: number): string {
    return join(this.#folder, nameOf(serial));
  }
}

/** The files cannot be used. */
class Unusable extends Error {
  override readonly name = 'Unusable';
}

function nameOf(serial: number): string {
  return `journal-${serial}`;
}

function headOf(json: Buffer): Buffer {
  const head = Buffer.alloc(headOctets);
  head.write(magic.snapshot, 'latin1');
  head.writeUInt32LE(json.length, 4);
  head.writeUInt32LE(crc32(json), 8);
  return head;
}

async function readHead(file: FileHandle): Promise<Head> {
  const head = Buffer.alloc(headOctets);
  await readAll(file, head);
  if (head.toString('latin1', 0, 4) !== magic.snapshot)
    throw new Unusable('it is no snapshot of this layout');
  const { size } = await file.stat();
  const length = head.readUInt32LE(4);
  if (length > size) throw new Unusable('it is damaged');
  const json = Buffer.alloc(length);
  await readAll(file, json);
  if (crc32(json) !== head.readUInt32LE(8)) throw new Unusable('it is damaged');
  return JSON.parse(json.toString());
}

/** Fills the octets with the next ones of the file. */
async function readAll(file: FileHandle, octets: Uint8Array): Promise<void> {
  for (let at = 0; at < octets.length; ) {
    const { bytesRead } = await file.read(octets, at, octets.length - at);
    if (bytesRead === 0) throw new Unusable('it is broken off');
    at += bytesRead;
  }
}

function crcOf(octets: Uint8Array): number {
  let crc = 0;
  for (const piece of piecesOf(octets)) crc = crc32(piece, crc);
  return crc;
}
