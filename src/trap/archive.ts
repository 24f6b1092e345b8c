/** The archive of the trap: files, limits, oldest first out. */
import { mkdir, open, readdir, rename, rm, rmdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parseQueueId, type QueueId, QueueIdSource } from '../mail/index.ts';
import type { Intake } from '../receiver/index.ts';
import { dayOf, encodeRecord, idOfFile, isDay, type TrapRecord } from './file.ts';
import { IncomingFile } from './incoming.ts';
import { createTrapIntake } from './intake.ts';
import type { ArchiveOptions, TrapParts } from './options.ts';

/** An open archive, and the intake that fills it. */
export interface Trap extends AsyncDisposable {
  readonly intake: Intake;
  /** Messages and octets that are kept. */
  readonly size: { readonly messages: number; readonly bytes: number };
}

/** The interval of looks for expired messages. */
const ageCheckMs = 3_600_000;

/** Opens the archive. Rejects with the system's error when its folder cannot be used. */
export async function openTrap(options: ArchiveOptions, parts: TrapParts): Promise<Trap> {
  const archive = await Archive.open(options, parts);
  return {
    intake: createTrapIntake(archive, { ...parts, maxMessageBytes: options.maxMessageBytes }),
    get size() {
      return archive.size;
    },
    [Symbol.asyncDispose]: () => archive[Symbol.asyncDispose](),
  };
}

/** The files. Of each message the number and the octets are in memory; names are read again when the oldest go. */
class Archive implements AsyncDisposable {
  readonly #options: ArchiveOptions;
  readonly #parts: TrapParts;
  readonly #ids: QueueIdSource;
  #messages = 0;
  #bytes = 0;
  #arrivingBytes = 0;
  /** The oldest first: the names of one day at most. */
  #oldest: string[] = [];
  #trimming: Promise<void> | undefined;
  #isTrimDue = false;
  #cancelAgeCheck = () => {};

  private constructor(options: ArchiveOptions, parts: TrapParts, newest: QueueId | undefined) {
    this.#options = options;
    this.#parts = parts;
    const after = newest === undefined ? {} : { after: newest };
    this.#ids = new QueueIdSource({ shard: 0, now: () => parts.clock.now(), ...after });
  }

  static async open(options: ArchiveOptions, parts: TrapParts): Promise<Archive> {
    const incoming = join(options.folder, 'incoming');
    await mkdir(options.folder, { recursive: true, mode: 0o700 });
    await rm(incoming, { recursive: true, force: true });
    await mkdir(incoming, { mode: 0o700 });
    let messages = 0;
    let bytes = 0;
    let newest: string | undefined;
    for (const day of await daysOf(options.folder)) {
      for (const name of await namesOf(options.folder, day)) {
        messages++;
        bytes += (await stat(join(options.folder, day, name))).size;
        newest = idOfFile(name) ?? newest;
      }
    }
    const archive = new Archive(options, parts, newest === undefined ? undefined : parseQueueId(newest));
    archive.#messages = messages;
    archive.#bytes = bytes;
    await archive.#trim();
    archive.#checkAges();
    return archive;
  }

  get size() {
    return { messages: this.#messages, bytes: this.#bytes };
  }

  /** A file for octets that are about to come. */
  begin(): IncomingFile {
    const id = this.#ids.next();
    const path = join(this.#options.folder, 'incoming', id);
    return new IncomingFile(id, path, {
      take: (octets) => {
        if (this.#arrivingBytes + octets > this.#options.maxBytes) return false;
        this.#arrivingBytes += octets;
        return true;
      },
      give: (octets) => {
        this.#arrivingBytes -= octets;
      },
    });
  }

  /** Keeps a message under its envelope. When it resolves, a power cut does not lose it. */
  async keep(record: TrapRecord, octets: IncomingFile): Promise<void> {
    const { folder } = this.#options;
    const day = dayOf(record.envelope.receivedAt);
    if ((await mkdir(join(folder, day), { recursive: true, mode: 0o700 })) !== undefined)
      await syncFolder(folder);
    const whole = `${octets.path}.whole`;
    const size = await octets.copyBehind(encodeRecord(record), whole);
    await rename(whole, join(folder, day, `${record.id}.eml`));
    await syncFolder(join(folder, day));
    this.#messages++;
    this.#bytes += size;
    this.#parts.background.run('trap archive', this.#trim());
  }

  /** Removes the oldest while there is too much. One at a time is at it, and looks again when asked meanwhile. */
  #trim(): Promise<void> {
    this.#isTrimDue = true;
    this.#trimming ??= this.#trimWhileDue().finally(() => {
      this.#trimming = undefined;
    });
    return this.#trimming;
  }

  async #trimWhileDue(): Promise<void> {
    while (this.#isTrimDue) {
      this.#isTrimDue = false;
      await this.#removeOldest();
    }
  }

  async #removeOldest(): Promise<void> {
    const { folder, maxMessages, maxBytes, maxAgeMs } = this.#options;
    const firstDay = dayOf(this.#parts.clock.now() - maxAgeMs);
    for (;;) {
      const isTooMuch = this.#messages > maxMessages || this.#bytes > maxBytes;
      const path = this.#oldest[0] ?? (await this.#readOldestDay(isTooMuch ? undefined : firstDay));
      if (path === undefined) return;
      if (!isTooMuch && path.slice(0, 10) >= firstDay) return;
      this.#oldest.shift();
      const found = await stat(join(folder, path)).catch(() => undefined);
      if (found === undefined) continue;
      await rm(join(folder, path), { force: true });
      this.#messages--;
      this.#bytes -= found.size;
    }
  }

  /** Reads the names of the oldest day that has any, if it is before `before`; empty days are removed. */
  async #readOldestDay(before: string | undefined): Promise<string | undefined> {
    const { folder } = this.#options;
    const today = dayOf(this.#parts.clock.now());
    for (const day of await daysOf(folder)) {
      if (before !== undefined && day >= before) return undefined;
      const names = await namesOf(folder, day);
      this.#oldest = names.map((name) => join(day, name));
      if (this.#oldest[0] !== undefined) return this.#oldest[0];
      // A message may be on its way into the folder of today.
      if (day < today) await rmdir(join(folder, day)).catch(() => {});
    }
    return undefined;
  }

  #checkAges(): void {
    this.#cancelAgeCheck = this.#parts.clock.after(ageCheckMs, () => {
      this.#parts.background.run('trap archive', this.#trim());
      this.#checkAges();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#cancelAgeCheck();
    await this.#trimming;
  }
}

/** The days of an archive, the oldest first. */
export async function daysOf(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  return names.filter(isDay).sort();
}

/** The files of a day, the oldest first: ids sort by age. */
export async function namesOf(folder: string, day: string): Promise<string[]> {
  return (await readdir(join(folder, day))).filter((name) => idOfFile(name) !== undefined).sort();
}

/** Makes the names in a folder durable. */
async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path, 'r');
  await folder.sync();
}
