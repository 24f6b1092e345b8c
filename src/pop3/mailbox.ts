/** The Maildirs, each open in one session at a time. */
import { createHash } from 'node:crypto';
import { type FileHandle, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, type Maildir, messageNames, openMaildir, uniquePart } from './mailbox-folder.ts';
import { wireContent, wireSize } from './mailbox-wire.ts';

/** Messages of one mailbox that a session sees; the others come up when these are gone. */
export const maxMessages = 100_000;
/** Sizes that are remembered for all mailboxes together. */
const maxRemembered = 200_000;
/** Files that one session works on at once. */
const maxParallel = 16;

/** The result of opening a mailbox. */
export type Opening =
  | { readonly kind: 'open'; readonly mailbox: Mailbox }
  /** Another session has it (RFC 1939 §4: one at a time). */
  | { readonly kind: 'in-use' }
  | { readonly kind: 'unavailable'; readonly because: string };

interface Entry {
  readonly unique: string;
  folder: 'new' | 'cur';
  name: string;
  size: number | undefined;
}

/** The Maildirs, one session at a time in each. Shared by all listeners, for it has the locks. */
export class Mailboxes {
  readonly #locked = new Set<string>();
  /** Measured once: a file of a Maildir never changes. By mailbox, the oldest one first. */
  readonly #sizes = new Map<string, ReadonlyMap<string, number>>();
  #remembered = 0;

  /** Opens the Maildir at this path; a missing one is empty. Never rejects. */
  async open(path: string): Promise<Opening> {
    let maildir: Maildir | undefined;
    try {
      maildir = await openMaildir(path);
    } catch (error) {
      return { kind: 'unavailable', because: String(error) };
    }
    if (maildir === undefined) return { kind: 'open', mailbox: new Mailbox([], undefined, async () => {}) };
    const { key } = maildir;
    if (this.#locked.has(key)) {
      await maildir[Symbol.asyncDispose]();
      return { kind: 'in-use' };
    }
    this.#locked.add(key);
    try {
      const entries = await list(maildir, this.#sizes.get(key));
      const close = async () => {
        this.#remember(key, entries);
        try {
          await maildir[Symbol.asyncDispose]();
        } finally {
          this.#locked.delete(key);
        }
      };
      return { kind: 'open', mailbox: new Mailbox(entries, maildir, close) };
    } catch (error) {
      this.#locked.delete(key);
      await maildir[Symbol.asyncDispose]();
      return { kind: 'unavailable', because: String(error) };
    }
  }

  #remember(key: string, entries: readonly Entry[]): void {
    const sizes = new Map<string, number>();
    for (const { unique, size } of entries) if (size !== undefined) sizes.set(unique, size);
    this.#forget(key);
    this.#sizes.set(key, sizes);
    this.#remembered += sizes.size;
    for (const oldest of this.#sizes.keys()) {
      if (this.#remembered <= maxRemembered) break;
      this.#forget(oldest);
    }
  }

  #forget(key: string): void {
    this.#remembered -= this.#sizes.get(key)?.size ?? 0;
    this.#sizes.delete(key);
  }
}

/**
 * One session's view of a Maildir: the messages that were there when it began, in order of arrival. Messages are
 * counted from zero. Only their names and sizes are kept in memory.
 */
export class Mailbox {
  readonly #entries: readonly Entry[];
  readonly #maildir: Maildir | undefined;
  readonly #close: () => Promise<void>;

  constructor(entries: readonly Entry[], maildir: Maildir | undefined, close: () => Promise<void>) {
    this.#entries = entries;
    this.#maildir = maildir;
    this.#close = close;
  }

  get count(): number {
    return this.#entries.length;
  }

  /** At most 70 printable characters, the same in every session (RFC 1939 §7). */
  uid(index: number): string {
    const unique = this.#entries[index]?.unique ?? '';
    if (/^[\x21-\x7e]{1,70}$/.test(unique)) return unique;
    return createHash('sha256').update(unique).digest('hex');
  }

  /** Octets on the wire; 0 for a message that cannot be read. */
  async size(index: number): Promise<number> {
    const entry = this.#entries[index];
    if (entry === undefined) return 0;
    if (entry.size !== undefined) return entry.size;
    // The following sizes are most likely asked for next.
    const batch = this.#entries.slice(index, index + maxParallel).filter(({ size }) => size === undefined);
    await Promise.all(batch.map((one) => this.#measure(one)));
    return entry.size ?? 0;
  }

  /** The message as it goes over the wire, to be read to its end or returned; `undefined` when it cannot be read. */
  async content(index: number, bodyLines?: number): Promise<AsyncGenerator<Buffer> | undefined> {
    const entry = this.#entries[index];
    const file = entry && (await this.#open(entry));
    return file && wireContent(file, bodyLines);
  }

  /** Removes messages for good, and resolves with the number of those that could not be removed. */
  async remove(indices: Iterable<number>): Promise<number> {
    const doomed = [...indices].flatMap((index) => this.#entries[index] ?? []);
    const moved = await this.#unlinkAll(doomed);
    if (moved.missing.length > 0) await this.#find();
    const again = await this.#unlinkAll(moved.missing);
    await this.#maildir?.cur.handle.sync().catch(() => {});
    // A missing message was removed by another program.
    return moved.failed + again.failed;
  }

  /** Lets the next session in. Earlier calls have to have ended. */
  async close(): Promise<void> {
    await this.#close();
  }

  async #unlinkAll(entries: readonly Entry[]) {
    const missing: Entry[] = [];
    let failed = 0;
    const one = async (entry: Entry) => {
      const path = this.#pathOf(entry);
      try {
        if (path !== undefined) await unlink(path);
      } catch (error) {
        if (codeOf(error) === 'ENOENT') missing.push(entry);
        else failed++;
      }
    };
    for (let at = 0; at < entries.length; at += maxParallel)
      await Promise.all(entries.slice(at, at + maxParallel).map(one));
    return { missing, failed };
  }

  async #measure(entry: Entry): Promise<void> {
    try {
      const file = await this.#open(entry);
      if (file !== undefined) entry.size = await wireSize(file);
    } catch {
      // It counts as empty, and RETR will report the error.
    }
  }

  /** Opens a message, also where another program has changed its flags, and so its name, meanwhile. */
  async #open(entry: Entry): Promise<FileHandle | undefined> {
    const maildir = this.#maildir;
    if (maildir === undefined) return undefined;
    try {
      return await maildir.openFile(entry.folder, entry.name);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') return undefined;
    }
    await this.#find();
    return await maildir.openFile(entry.folder, entry.name).catch(() => undefined);
  }

  /** Learns the names that the messages have now. */
  async #find(): Promise<void> {
    const maildir = this.#maildir;
    if (maildir === undefined) return;
    const known = new Map(this.#entries.map((entry) => [entry.unique, entry]));
    try {
      for (const folder of ['new', 'cur'] as const) {
        for await (const name of messageNames(maildir[folder])) {
          const entry = known.get(uniquePart(name));
          if (entry !== undefined) Object.assign(entry, { folder, name });
        }
      }
    } catch {
      // The missing ones are read one by one.
    }
  }

  #pathOf({ folder, name }: Entry): string | undefined {
    return this.#maildir && join(this.#maildir[folder].path, name);
  }
}

/** Lists `cur` and `new`, and moves new messages to `cur`, since a user has now seen them. */
async function list(
  maildir: Maildir,
  sizes: ReadonlyMap<string, number> | undefined,
): Promise<readonly Entry[]> {
  const found = new Map<string, Entry>();
  for (const folder of ['cur', 'new'] as const) {
    for await (const name of messageNames(maildir[folder])) {
      if (found.size >= maxMessages) break;
      const unique = uniquePart(name);
      // A message in both is being moved by another program.
      if (!found.has(unique)) found.set(unique, { unique, folder, name, size: sizes?.get(unique) });
    }
  }
  const entries = [...found.values()].sort(byArrival);
  const unseen = entries.filter(({ folder }) => folder === 'new');
  for (let at = 0; at < unseen.length; at += maxParallel)
    await Promise.all(unseen.slice(at, at + maxParallel).map((entry) => moveToCur(maildir, entry)));
  return entries;
}

/** Flags that it has already are kept. Where it cannot be moved it is served from where it is. */
async function moveToCur(maildir: Maildir, entry: Entry): Promise<void> {
  const name = entry.name.includes(':') ? entry.name : `${entry.name}:2,`;
  try {
    await rename(join(maildir.new.path, entry.name), join(maildir.cur.path, name));
    entry.folder = 'cur';
    entry.name = name;
  } catch {
    // A folder that may only be read is no reason to show nothing.
  }
}

/** By the seconds that a name begins with, then by name, so that the numbers are the same in every session. */
function byArrival(a: Entry, b: Entry): number {
  const difference = secondsOf(a) - secondsOf(b);
  if (difference !== 0) return difference;
  return a.unique < b.unique ? -1 : 1;
}

function secondsOf({ unique }: Entry): number {
  const seconds = Number.parseInt(unique, 10);
  return Number.isNaN(seconds) ? 0 : seconds;
}
