/** Finds a small disk to fill. */
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { Launcher } from './ledger.ts';

/** A file system of some megabytes, for a workload that has to run against its end. */
export interface SmallDisk {
  /** Where the workload has its spool. */
  readonly spool: string;
  readonly launcher: Launcher;
}

/** The largest size of a container's tmpfs without a configured one. */
const maxBallastBytes = 256 * 2 ** 20;
const roomBytes = 3 * 2 ** 20;

/**
 * Finds a way to a small disk; `copy` is where the spool is found afterwards. A mount of one's own goes away
 * with its process. Where no container may mount, its shared memory is a small disk already: a file takes up
 * the rest of it.
 */
export async function smallDisk(folder: string, copy: string): Promise<SmallDisk | undefined> {
  for (const unshare of [['-m'], ['-rm']]) {
    const mount = 'mount -t tmpfs -o size=3m posthouse "$0"';
    if (spawnSync('unshare', [...unshare, 'sh', '-c', mount, folder]).status !== 0) continue;
    const script = `${mount} || exit 77; mkdir "$0/spool"; "$@"; cp -a "$0/spool" "${copy}"`;
    return { spool: join(folder, 'spool'), launcher: ['unshare', ...unshare, 'sh', '-c', script, folder] };
  }
  return await sharedMemory(copy);
}

async function sharedMemory(copy: string): Promise<SmallDisk | undefined> {
  const found = await statfs('/dev/shm').catch(() => undefined);
  const tmpfsType = 0x01021994;
  const ballast = found === undefined ? 0 : found.bavail * found.bsize - roomBytes;
  if (found?.type !== tmpfsType || ballast <= 0 || ballast > maxBallastBytes) return undefined;
  const folder = `/dev/shm/posthouse-${randomUUID()}`;
  const script = `mkdir "$0" && trap 'rm -rf "$0"' EXIT && fallocate -l ${ballast} "$0/ballast" || exit 77
    mkdir "$0/spool"; "$@"; cp -a "$0/spool" "${copy}"`;
  return { spool: join(folder, 'spool'), launcher: ['sh', '-c', script, folder] };
}
