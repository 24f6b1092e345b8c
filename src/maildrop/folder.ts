/** The folder of the maildrop, and its `bad`. */
import { randomBytes } from 'node:crypto';
import { chmod, lstat, mkdir, readdir, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';

import { ControlError } from '../admin/index.ts';

/** Files that are kept in `bad`; beyond that, refused ones are removed. */
const maxBad = 1000;

/**
 * Makes the folder of the maildrop: anyone may put a file in (`-wx`), nobody but the relay may list it,
 * and only its owner or the relay may remove a file (sticky). Files belong to the group of the relay
 * (setgid), so that it can read what others may not.
 */
export async function prepareMaildrop(folder: string): Promise<void> {
  await ownFolder(folder, 0o3733);
  await ownFolder(join(folder, 'bad'), 0o700);
}

async function ownFolder(folder: string, mode: number): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const found = await lstat(folder);
  const isOurs = found.isDirectory() && found.uid === process.geteuid?.();
  if (!isOurs)
    throw new ControlError('denied', `"${folder}" is not a folder that belongs to the relay's user`);
  await chmod(folder, mode);
}

/**
 * Moves a file to `bad`, for a person to look at, and returns its new name there: one of ours, so that it
 * can neither replace another nor be too long. When `bad` is full the file is removed.
 */
export async function keepAside(folder: string, name: string): Promise<string | undefined> {
  const bad = join(folder, 'bad');
  const kept = await readdir(bad);
  if (kept.length >= maxBad) {
    await unlink(join(folder, name));
    return undefined;
  }
  const keptAs = randomBytes(8).toString('hex');
  await rename(join(folder, name), join(bad, keptAs));
  return keptAs;
}
