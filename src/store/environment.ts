import { type Database, open, type RootDatabase } from 'lmdb';
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
  const root = open<Buffer, Buffer>({
    ...raw,
    path: file,
    noSubdir: true,
    overlappingSync: false,
    eventTurnBatching: false,
    maxDbs: tables.length,
    mapSize: 64 * 2 ** 30,
  });
  return {
    root,
    tables: new Map(tables.map(({ name }) => [name, root.openDB<Buffer, Buffer>({ ...raw, name })])),
  };
}

const outOfSpace = new Map([
  [28, 'ENOSPC'],
  [122, 'EDQUOT'],
]);

/** Why a commit failed: what the library rejects with has no code, its cause comes as a second promise. */
export async function commitFailure(error: unknown): Promise<{ isFull: boolean; because: string }> {
  const cause = await causeOf(error);
  const code = typeof cause === 'object' && cause !== null && 'code' in cause ? cause.code : undefined;
  return { isFull: typeof code === 'number' && outOfSpace.has(code), because: String(cause) };
}

async function causeOf(error: unknown): Promise<unknown> {
  if (!(error instanceof Error && 'commitError' in error)) return error;
  try {
    // Left alone, this promise would reject unhandled and end the process.
    await error.commitError;
    return error;
  } catch (cause) {
    return cause;
  }
}
