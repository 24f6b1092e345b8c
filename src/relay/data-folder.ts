/** Makes the data folder and opens the spool in it. */
import { existsSync } from 'node:fs';
import { chmod, chown, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Account } from '../base/index.ts';
import { openSpool, type Spool } from '../spool/index.ts';

/** How the data folder is opened. */
export interface DataOptions extends Omit<Parameters<typeof openSpool>[0], 'path'> {
  readonly folder: string;
  /** The account of the relay, which owns everything in the folder from its first moment. */
  readonly account: Account | undefined;
}

/** Makes the data folder and opens the spool in it. Rejects as `openSpool` does, and with the system's errors. */
export async function openData({ folder, account, ...options }: DataOptions): Promise<Spool> {
  const path = join(folder, 'spool');
  await makeFolder(folder);
  if (account === undefined || process.getuid?.() !== 0) return openSpool({ path, ...options });
  await chown(folder, account.uid, account.gid);
  await chmod(folder, 0o755);
  process.setegid?.(account.gid);
  process.seteuid?.(account.uid);
  try {
    return await openSpool({ path, ...options });
  } finally {
    process.seteuid?.(0);
    process.setegid?.(0);
  }
}

/**
 * Makes a folder and those above it. Node's `recursive` tries for ever, and cannot be ended by a signal, where
 * the system answers ENOENT below a folder that exists (seen in /proc, Node 24.21).
 */
async function makeFolder(folder: string): Promise<void> {
  if (existsSync(folder)) return;
  await makeFolder(dirname(folder));
  await mkdir(folder, { mode: 0o755 });
}
