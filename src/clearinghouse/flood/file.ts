/** The log of the flood on disk. */
import { type FileHandle, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import { syncFolder, writeSynced } from '../files.ts';
import type { Note } from './log.ts';

const headOctets = 8;
/** No note is longer; a longer length is damage. */
const maxOctets = 1 << 16;
/** A file is written anew when it is twice as long as its valid notes, and at least this long. */
const minCompactedOctets = 8 * 2 ** 20;

/** Length u32, CRC-32, kind (`C` certificate, `R` record), length of the peer u8, peer, octets. Little-endian. */
export function encodeNote({ kind, by = '', octets }: Note): Buffer {
  const from = Buffer.from(by, 'hex');
  const kindOctets = Buffer.from([kind === 'certificate' ? 67 : 82, from.length]);
  const body = Buffer.concat([kindOctets, from, octets]);
  const head = Buffer.alloc(headOctets);
  head.writeUInt32LE(body.length);
  head.writeUInt32LE(crc32(body), 4);
  return Buffer.concat([head, body]);
}

/** The notes up to the end, or up to the first one that is broken off or damaged. */
export function* decodeNotes(file: Buffer): Generator<Note & { readonly end: number }> {
  let at = 0;
  while (at + headOctets <= file.length) {
    const length = file.readUInt32LE(at);
    const body = file.subarray(at + headOctets, at + headOctets + length);
    const isSound = length >= 2 && length <= maxOctets && body.length === length;
    if (!isSound || crc32(body) !== file.readUInt32LE(at + 4)) return;
    const kind = body[0] === 67 ? 'certificate' : 'record';
    const from = 2 + (body[1] ?? 0);
    if (from > body.length) return;
    const by = body.toString('hex', 2, from);
    at += headOctets + length;
    yield { kind, octets: body.subarray(from), end: at, ...(by !== '' && { by }) };
  }
}

/** The log of the flood on disk. It is synced once a second, so a crash loses the last second. */
export class FloodFile implements AsyncDisposable {
  readonly #path: string;
  #file: FileHandle | undefined;
  #waiting: Buffer[] = [];
  #length = 0;
  #compacted = 0;
  #work: Promise<unknown> = Promise.resolve();

  constructor(path: string) {
    this.#path = path;
  }

  /** Reads the file and cuts off a broken end. Rejects with the system's errors. */
  async open(): Promise<readonly Note[]> {
    const octets = await this.#read();
    const notes = [...decodeNotes(octets)];
    this.#file = await open(this.#path, 'a', 0o600);
    this.#length = notes.at(-1)?.end ?? 0;
    if (this.#length < octets.length) await this.#file.truncate(this.#length);
    return notes;
  }

  note(note: Note): void {
    this.#waiting.push(encodeNote(note));
  }

  /** Writes and syncs new notes; writes all of `all` anew when most of the file is obsolete. */
  sync(all: () => Iterable<Note>): Promise<void> {
    const next = this.#work.then(() => this.#sync(all));
    this.#work = next.catch(() => {});
    return next;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#work;
    await this.#file?.close();
  }

  async #sync(all: () => Iterable<Note>): Promise<void> {
    const octets = Buffer.concat(this.#waiting);
    this.#waiting = [];
    if (octets.length === 0) return;
    try {
      await this.#file?.writeFile(octets);
      await this.#file?.datasync();
    } catch (error) {
      // A partial note would hide those after it. The peers still have a lost one.
      await this.#file?.truncate(this.#length);
      throw error;
    }
    this.#length += octets.length;
    if (this.#length > minCompactedOctets && this.#length > 2 * this.#compacted) await this.#compact(all);
  }

  async #compact(all: () => Iterable<Note>): Promise<void> {
    const octets = Buffer.concat([...all()].map(encodeNote));
    // Notes from here on are in it already, or come after it.
    const temporary = `${this.#path}.new`;
    await writeSynced(temporary, [octets]);
    const file = await open(temporary, 'a', 0o600);
    try {
      await rename(temporary, this.#path);
      await syncFolder(dirname(this.#path));
    } catch (error) {
      await file.close();
      throw error;
    }
    await this.#file?.close();
    this.#file = file;
    this.#length = octets.length;
    this.#compacted = octets.length;
  }

  async #read(): Promise<Buffer> {
    try {
      return await readFile(this.#path);
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return Buffer.alloc(0);
      throw error;
    }
  }
}
