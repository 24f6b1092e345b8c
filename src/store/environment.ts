/** Opens the LMDB environment, and explains its errors. */
import { chmodSync, statSync } from 'node:fs';
import { type Database, open, type RootDatabase } from 'lmdb';
import { StoreError } from './error.ts';
import type { TableName } from './table.ts';

/** The LMDB environment as it is opened: one root, one handle for each table. */
export interface Environment {
  readonly root: RootDatabase<Buffer, Buffer>;
  readonly tables: ReadonlyMap<string, Database<Buffer, Buffer>>;
}

const raw = { encoding: 'binary', keyEncoding: 'binary', cache: false } as const;

/**
 * Opens (and makes) the environment.
 *
 * - `overlappingSync: false`: a commit is resolved after `fdatasync` of its pages and a write of the meta
 *   page through a file descriptor with O_DSYNC. A test looks at the system calls.
 * - `eventTurnBatching: false`: with it, the library makes a promise for each turn that nobody can reach,
 *   and that rejects unhandled when the disk is full.
 * - The map is large from the start: growing one means a second map of the same file. It is address space,
 *   not memory, and LMDB goes on beyond it.
 */
export function openEnvironment(file: string, tables: readonly TableName[]): Environment {
  try {
    return openTables(file, tables);
  } catch (error) {
    const { code, because } = failureOf(error);
    throw new StoreError(code, `${JSON.stringify(file)} cannot be opened: ${because}`, { cause: error });
  }
}

function openTables(file: string, tables: readonly TableName[]): Environment {
  const root = open<Buffer, Buffer>({
    ...raw,
    path: file,
    noSubdir: true,
    overlappingSync: false,
    eventTurnBatching: false,
    maxDbs: tables.length,
    mapSize: 64 * 2 ** 30,
  });
  // The library makes them for the group and everybody, as far as the umask allows.
  for (const path of [file, `${file}-lock`]) if ((statSync(path).mode & 0o077) !== 0) chmodSync(path, 0o600);
  return {
    root,
    tables: new Map(tables.map(({ name }) => [name, root.openDB<Buffer, Buffer>({ ...raw, name })])),
  };
}

/** Why a write failed, in words for the log, and whether it was for want of space. */
export interface Failure {
  readonly code: 'full' | 'io';
  readonly because: string;
}

/** The numbers are those of LMDB, the names those of Node. EFBIG is a limit on the size of a file. */
const outOfSpace: readonly unknown[] = [28, 122, 27, 'ENOSPC', 'EDQUOT', 'EFBIG'];

export function failureOf(error: unknown): Failure {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return { code: outOfSpace.includes(code) ? 'full' : 'io', because: String(error) };
}

/** The cause of a failed commit: the error of the library has no code, its cause is a second promise. */
export async function causeOf(error: unknown): Promise<unknown> {
  if (!(error instanceof Error && 'commitError' in error)) return error;
  try {
    // Left alone, this promise would reject unhandled and end the process.
    await error.commitError;
    return error;
  } catch (cause) {
    return cause;
  }
}
