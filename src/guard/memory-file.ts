/** The file of holds and allowances, `guard.json`. */
import { open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock, Log } from '../base/index.ts';
import type { GuardMemory } from './ask.ts';
import type { GuardEvents } from './events.ts';

interface Row {
  readonly value: unknown;
  readonly expiresAt: number;
}

/**
 * Holds and allowances in one small file, which changes only by decisions. Each change writes a new file, syncs it and
 * renames it. A file that cannot be read is set aside and logged as an error: its mail can still be released, by the
 * ids in the queue.
 */
export async function openGuardMemory(
  path: string,
  parts: { readonly clock: Clock; readonly log: Log<GuardEvents> },
): Promise<GuardMemory> {
  return new GuardFile(path, parts.clock, await readRows(path, parts.log));
}

class GuardFile implements GuardMemory {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #rows: Map<string, Row>;
  #writing: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;

  constructor(path: string, clock: Clock, rows: Map<string, Row>) {
    this.#path = path;
    this.#clock = clock;
    this.#rows = rows;
  }

  *entries(): Generator<readonly [string, unknown]> {
    const now = this.#clock.now();
    for (const [key, { value, expiresAt }] of this.#rows) if (now < expiresAt) yield [key, value];
  }

  put(key: string, value: unknown, expiresAt: number): Promise<void> {
    this.#rows.set(key, { value, expiresAt });
    return this.#write();
  }

  remove(key: string): Promise<void> {
    return this.#rows.delete(key) ? this.#write() : Promise.resolve();
  }

  /** Changes that come while the file is being written share the next writing. */
  #write(): Promise<void> {
    this.#next ??= this.#writing
      .catch(() => {})
      .then(() => {
        this.#writing = this.#next ?? this.#writing;
        this.#next = undefined;
        return this.#replace();
      });
    return this.#next;
  }

  async #replace(): Promise<void> {
    const now = this.#clock.now();
    for (const [key, { expiresAt }] of this.#rows) if (expiresAt <= now) this.#rows.delete(key);
    const text = `${JSON.stringify({ version: 1, rows: Object.fromEntries(this.#rows) })}\n`;
    const young = `${this.#path}.new`;
    try {
      await using file = await open(young, 'w', 0o600);
      await file.writeFile(text);
      await file.sync();
    } catch (error) {
      await rm(young, { force: true }).catch(() => {});
      throw error;
    }
    await rename(young, this.#path);
    await using folder = await open(dirname(this.#path), 'r');
    await folder.sync();
  }
}

async function readRows(path: string, log: Log<GuardEvents>): Promise<Map<string, Row>> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return new Map();
    throw error;
  }
  try {
    const parsed: unknown = JSON.parse(text);
    const rows: unknown =
      typeof parsed === 'object' && parsed !== null ? Reflect.get(parsed, 'rows') : undefined;
    if (typeof rows !== 'object' || rows === null) throw new Error('there are no rows in it');
    return new Map(Object.entries(rows).flatMap(([key, row]) => (isRow(row) ? [[key, row] as const] : [])));
  } catch (error) {
    await rename(path, `${path}.damaged`);
    log.error('guard-file-damaged', { path, keptAs: `${path}.damaged`, because: String(error) });
    return new Map();
  }
}

function isRow(value: unknown): value is Row {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof Reflect.get(value, 'expiresAt') === 'number' &&
    'value' in value
  );
}
