import { once } from 'node:events';
import { lstat, unlink } from 'node:fs/promises';
import { createConnection } from 'node:net';

/**
 * Makes room for a unix socket: one that nobody answers at is what a killed program leaves behind. Rejects for anything
 * else that is there, and leaves it.
 */
export async function removeStale(path: string): Promise<void> {
  const found = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (found === undefined) return;
  if (!found.isSocket()) throw new Error(`"${path}" is not a socket`);
  const probe = createConnection(path);
  const code = await once(probe, 'connect').then(
    () => 'connected',
    (error: NodeJS.ErrnoException) => error.code,
  );
  probe.destroy();
  if (code !== 'ECONNREFUSED' && code !== 'ENOENT') throw new Error(`another program listens at "${path}"`);
  await unlink(path).catch(() => {});
}
