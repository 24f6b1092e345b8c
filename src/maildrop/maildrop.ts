/** Takes in the files that local users leave in the maildrop. */
import { type FSWatcher, watch } from 'node:fs';
import { lstat, opendir, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import type { Clock, Log } from '../base/index.ts';
import { type DroppedMessage, openDropped, type Refused } from './dropped-message.ts';
import type { MaildropEvents } from './events.ts';
import { dropSuffix, partPrefix } from './file.ts';
import { keepAside, prepareMaildrop } from './folder.ts';

/** The relay's decision about a message. */
export type DropOutcome =
  /** It is durable in the spool: the file goes. */
  | { readonly kind: 'taken'; readonly queueId: string }
  /** It can never be accepted: the file is moved aside. */
  | { readonly kind: 'refused'; readonly because: string }
  /** Not now (spool full, draining): the file stays and is tried again. */
  | { readonly kind: 'later'; readonly because: string };

/** Accepts one message. A rejection counts as `later`. */
export type DropIntake = (dropped: DroppedMessage) => Promise<DropOutcome>;

/** The options of `watchMaildrop`. */
export interface MaildropOptions {
  /** Made when it is missing. */
  readonly folder: string;
  readonly intake: DropIntake;
  readonly log: Log<MaildropEvents>;
  readonly clock: Clock;
  /** Largest message, in octets. */
  readonly maxMessageBytes: number;
  /** How often the folder is read even when nothing was noticed; 10 s unless given. */
  readonly scanMs?: number;
}

/** A maildrop that is being watched. Disposing of it waits for the messages that are being taken in. */
export interface Maildrop extends AsyncDisposable {
  /** Reads the folder now; resolves when everything found was dealt with. */
  scan(): Promise<void>;
}

/** A partial file is litter when its writer has been gone for this long. */
const litterMs = 24 * 3600 * 1000;
const parallelMessages = 8;

/**
 * Takes in what local users leave in the folder. A message is unlinked only after the intake said `taken`,
 * so a crash between the two delivers it twice and never loses it. Rejects when the folder is not ours or
 * cannot be made safe.
 */
export async function watchMaildrop(options: MaildropOptions): Promise<Maildrop> {
  await prepareMaildrop(options.folder);
  await warnWhenHidden(options);
  return new WatchedMaildrop(options);
}

/** A folder above that others may not pass makes the maildrop useless to them, which is hard to see. */
async function warnWhenHidden({ folder, log }: MaildropOptions): Promise<void> {
  const above = dirname(folder);
  const { mode } = await stat(above);
  if ((mode & 0o001) === 0) {
    log.warn('maildrop-hidden', { folder: above, because: 'other users cannot pass it (chmod o+x)' });
  }
}

class WatchedMaildrop implements Maildrop {
  readonly #options: MaildropOptions;
  readonly #watcher: FSWatcher | undefined;
  /** Files that cannot even be moved aside, so that each is reported once. */
  readonly #stuck = new Set<string>();
  #scanning: Promise<void> | undefined;
  #isScanWanted = false;
  #cancelTimer: () => void = () => {};
  #isClosed = false;

  constructor(options: MaildropOptions) {
    this.#options = options;
    this.#watcher = this.#watch();
    void this.scan();
  }

  /** One scan at a time; a wish that comes during one is granted after it. */
  scan(): Promise<void> {
    this.#isScanWanted = true;
    this.#scanning ??= this.#scanWhileWanted().finally(() => {
      this.#scanning = undefined;
    });
    return this.#scanning;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#watcher?.close();
    this.#cancelTimer();
    await this.#scanning;
  }

  /** Where watching is impossible (no inotify instances left) the periodic scan has to do. */
  #watch(): FSWatcher | undefined {
    const { folder, log } = this.#options;
    try {
      const watcher = watch(folder, { persistent: false }, (_event, name) => {
        if (name?.endsWith(dropSuffix) !== false) void this.scan();
      });
      watcher.on('error', (error) => log.warn('maildrop-unwatched', { folder, error }));
      return watcher;
    } catch (error) {
      log.warn('maildrop-unwatched', { folder, error });
      return undefined;
    }
  }

  async #scanWhileWanted(): Promise<void> {
    this.#cancelTimer();
    while (this.#isScanWanted && !this.#isClosed) {
      this.#isScanWanted = false;
      try {
        await this.#scanOnce();
      } catch (error) {
        this.#options.log.error('maildrop-unreadable', { folder: this.#options.folder, error });
      }
    }
    if (this.#isClosed) return;
    this.#cancelTimer = this.#options.clock.after(this.#options.scanMs ?? 10_000, () => void this.scan());
  }

  async #scanOnce(): Promise<void> {
    const running = new Set<Promise<void>>();
    for await (const entry of await opendir(this.#options.folder)) {
      if (this.#isClosed) break;
      if (this.#stuck.has(entry.name)) continue;
      const work: Promise<void> = this.#take(entry.name).finally(() => running.delete(work));
      running.add(work);
      if (running.size >= parallelMessages) await Promise.race(running);
    }
    await Promise.all(running);
  }

  /** Deals with one name of the folder. Never rejects. */
  async #take(name: string): Promise<void> {
    if (name === 'bad') return;
    const { folder, intake, log, maxMessageBytes } = this.#options;
    try {
      if (name.startsWith(partPrefix)) return await this.#clearLitter(name);
      const found = await openDropped(join(folder, name), { maxMessageBytes });
      if (found.kind === 'gone') return;
      if (found.kind === 'refused') return await this.#putAside(name, found);
      await using dropped = found.dropped;
      const outcome = await intake(dropped);
      const fields = { name, uid: dropped.uid, from: dropped.envelope.from, size: dropped.size };
      if (outcome.kind === 'refused') return await this.#putAside(name, { ...fields, ...outcome });
      if (outcome.kind === 'later')
        return log.warn('maildrop-later', { ...fields, because: outcome.because });
      await unlink(join(folder, name));
      log.info('maildrop-taken', { ...fields, queueId: outcome.queueId });
    } catch (error) {
      log.error('maildrop-failed', { name, error });
    }
  }

  /** The time of the last change cannot be set by the user, other than that of the content. */
  async #clearLitter(name: string): Promise<void> {
    const path = join(this.#options.folder, name);
    const found = await lstat(path).catch((error: NodeJS.ErrnoException) => {
      // It has its final name by now.
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (found !== undefined && this.#options.clock.now() - found.ctimeMs > litterMs) await unlink(path);
  }

  async #putAside(name: string, why: Refused): Promise<void> {
    const { folder, log } = this.#options;
    const { kind: _, ...fields } = why;
    try {
      const keptAs = await keepAside(folder, name);
      log.warn('maildrop-refused', { name, ...fields, keptAs });
    } catch (error) {
      if (this.#stuck.size < 10_000) this.#stuck.add(name);
      log.error('maildrop-stuck', { name, ...fields, error });
    }
  }
}
