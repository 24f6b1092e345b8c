import { type FileHandle, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { decodeEntries, type Entry, encodeEntry } from './journal.ts';

/** What can be written down and read back. */
export interface Storable {
  arrays(): readonly Uint8Array[];
  save(): unknown;
  restore(saved: unknown): void;
  apply(entry: Entry): unknown;
}

/** What is kept of a state that was read. */
export interface Restored {
  readonly entries: number;
  /** Why the snapshot was of no use; absent where it was, or where there was none. */
  readonly because?: string;
}

const layout = 1;
const magic = 'PHCH';
/** Then a snapshot is written, so that a start has not much to play. */
const maxJournal = 64 * 2 ** 20;
const pieceOctets = 4 * 2 ** 20;

/**
 * The counts on disk: a snapshot of all that is in memory, and journals of what changed since. A journal is synced
 * once a second, so a crash loses the last second. What is damaged is left out, and what was written before it counts.
 */
export class StateFiles implements AsyncDisposable {
  readonly #folder: string;
  readonly #storable: Storable;
  #journal: FileHandle | undefined;
  #serial = 0;
  #written = 0;
  #waiting: Buffer[] = [];
  #work: Promise<unknown> = Promise.resolve();

  constructor(folder: string, storable: Storable) {
    this.#folder = folder;
    this.#storable = storable;
  }

  /** Reads what is there and begins a journal. Rejects with the system's errors. */
  async open(): Promise<Restored> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const snapshot = await this.#readSnapshot();
    const from = snapshot.from ?? 0;
    const serials = (await this.#journals()).filter((serial) => serial >= from);
    let entries = 0;
    for (const serial of serials) {
      for (const entry of decodeEntries(await readFile(this.#path(serial)))) {
        this.#storable.apply(entry);
        entries++;
      }
    }
    this.#serial = Math.max(from, ...serials, 0) + 1;
    this.#journal = await open(this.#path(this.#serial), 'a', 0o600);
    return { entries, ...(snapshot.because !== undefined && { because: snapshot.because }) };
  }

  /** Notes a change; it is on disk with the next `sync`. */
  note(entry: Entry): void {
    this.#waiting.push(encodeEntry(entry));
  }

  /** Writes and syncs what was noted; a snapshot when there is much. One after the other. */
  sync(): Promise<void> {
    const next = this.#work.then(() => this.#sync());
    this.#work = next.catch(() => {});
    return next;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sync();
    if (this.#written > 0) await this.#snapshot();
    await this.#journal?.close();
  }

  async #sync(): Promise<void> {
    const octets = Buffer.concat(this.#waiting);
    this.#waiting = [];
    if (octets.length === 0) return;
    await this.#journal?.write(octets);
    await this.#journal?.datasync();
    this.#written += octets.length;
    if (this.#written > maxJournal) await this.#snapshot();
  }

  /**
   * The memory is copied at once, while nothing changes it; what is noted from then on goes to the next journal, which
   * is there before the snapshot counts.
   */
  async #snapshot(): Promise<void> {
    const arrays = this.#storable.arrays();
    const from = this.#serial + 1;
    const sizes = arrays.map(({ length }) => length);
    const copy = Buffer.concat(arrays);
    const head = Buffer.from(
      JSON.stringify({ layout, from, sizes, crc: crc32(copy), saved: this.#storable.save() }),
    );
    const rest = Buffer.concat(this.#waiting);
    this.#waiting = [];
    const journal = await open(this.#path(from), 'a', 0o600);
    await this.#journal?.write(rest);
    const temporary = join(this.#folder, 'snapshot.new');
    const file = await open(temporary, 'w', 0o600);
    try {
      const size = Buffer.alloc(8);
      size.write(magic, 'latin1');
      size.writeUInt32LE(head.length, 4);
      await file.write(Buffer.concat([size, head]));
      for (let at = 0; at < copy.length; at += pieceOctets)
        await file.write(copy.subarray(at, at + pieceOctets));
      await file.datasync();
    } finally {
      await file.close();
    }
    await rename(temporary, join(this.#folder, 'snapshot'));
    await syncFolder(this.#folder);
    await this.#journal?.close();
    this.#journal = journal;
    this.#serial = from;
    this.#written = 0;
    for (const serial of await this.#journals())
      if (serial < from) await rm(this.#path(serial), { force: true });
  }

  async #readSnapshot(): Promise<{ readonly from?: number; readonly because?: string }> {
    let octets: Buffer;
    try {
      octets = await readFile(join(this.#folder, 'snapshot'));
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return {};
      throw error;
    }
    try {
      return { from: this.#restore(octets) };
    } catch (error) {
      return { because: error instanceof Error ? error.message : String(error) };
    }
  }

  /** Puts the snapshot into memory; gives the journal that it goes on with. Throws for what does not fit. */
  #restore(octets: Buffer): number {
    if (octets.toString('latin1', 0, 4) !== magic) throw new Error('it is no snapshot');
    const headEnd = 8 + octets.readUInt32LE(4);
    const head: { layout: number; from: number; sizes: number[]; crc: number; saved: unknown } = JSON.parse(
      octets.toString('utf8', 8, headEnd),
    );
    const arrays = this.#storable.arrays();
    const isSame = head.layout === layout && arrays.every(({ length }, at) => head.sizes[at] === length);
    if (!isSame) throw new Error('it is of another size or layout');
    if (crc32(octets.subarray(headEnd)) !== head.crc) throw new Error('it is damaged');
    let at = headEnd;
    for (const array of arrays) {
      array.set(octets.subarray(at, at + array.length));
      at += array.length;
    }
    this.#storable.restore(head.saved);
    return head.from;
  }

  async #journals(): Promise<number[]> {
    const names = await readdir(this.#folder);
    return names
      .flatMap((name) => (/^journal-\d+$/.test(name) ? [Number(name.slice(8))] : []))
      .sort((a, b) => a - b);
  }

  #path(serial: number): string {
    return join(this.#folder, `journal-${serial}`);
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
