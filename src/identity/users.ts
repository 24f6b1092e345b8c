/** The users of a file, read again when the file changes. */
import { readFileSync, statSync } from 'node:fs';
import type { Clock, Log } from '../base/index.ts';
import type { IdentityEvents } from './events.ts';
import { nameKey } from './name.ts';
import { parseUsers, type User, type UserList } from './users-file.ts';

/** How often the file is looked at for a change. */
const freshMs = 1000;
const unreadable = 'unreadable';

/**
 * The users of a file, as it is on disk. A file that cannot be read, or is malformed, means that nobody can log in for
 * now (454): its earlier users may have been removed since.
 */
export class Users {
  readonly #file: string;
  readonly #clock: Clock;
  readonly #log: Log<IdentityEvents>;
  #list: UserList | undefined;
  #version = '';
  #lookedAt = Number.NEGATIVE_INFINITY;

  constructor(file: string, { clock, log }: { readonly clock: Clock; readonly log: Log<IdentityEvents> }) {
    this.#file = file;
    this.#clock = clock;
    this.#log = log;
  }

  /** `undefined` when there is no such user; `unavailable` when the file cannot be used now. */
  find(name: string): User | undefined | 'unavailable' {
    const list = this.list();
    return list === undefined ? 'unavailable' : list.users.get(nameKey(name));
  }

  /** `undefined` while the file cannot be used. */
  list(): UserList | undefined {
    const now = this.#clock.now();
    if (Math.abs(now - this.#lookedAt) < freshMs) return this.#list;
    this.#lookedAt = now;
    try {
      const { mtimeMs, size, ino } = statSync(this.#file);
      const version = `${mtimeMs} ${size} ${ino}`;
      if (version === this.#version) return this.#list;
      this.#version = version;
      this.#list = parseUsers(readFileSync(this.#file, 'utf8'), this.#file);
    } catch (error) {
      if (this.#version !== unreadable) {
        const because = error instanceof Error ? error.message : String(error);
        this.#log.error('users-unreadable', { file: this.#file, because: because.slice(0, 1000) });
      }
      this.#version = unreadable;
      this.#list = undefined;
    }
    return this.#list;
  }
}
