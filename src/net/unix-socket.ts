/** The file of a unix socket: room is made for it, and its mode is right from its first moment. */
import { once } from 'node:events';
import { chmod, lstat, unlink } from 'node:fs/promises';
import { createConnection } from 'node:net';

/** Something else is where a socket was to be. */
export class SocketInUse extends Error {
  readonly code = 'socket-in-use';
}

/**
 * Removes a socket at which no program answers: a killed program leaves it behind. Rejects with `SocketInUse` if a
 * program answers, or if the file is no socket; `name` is the path in the message.
 */
export async function removeStaleSocket(path: string, name: string): Promise<void> {
  const found = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (found === undefined) return;
  if (!found.isSocket()) throw new SocketInUse(`"${name}" is not a socket`);
  const probe = createConnection(path);
  const code = await once(probe, 'connect').then(
    () => 'connected',
    (error: NodeJS.ErrnoException) => error.code,
  );
  probe.destroy();
  if (code !== 'ECONNREFUSED' && code !== 'ENOENT')
    throw new SocketInUse(`another program listens at "${name}"`);
  await unlink(path).catch(() => {});
}

/** Binds by `listen`, which does so before it returns: the file is for its owner alone until it has its mode. */
export async function listenWithMode(path: string, mode: number, listen: () => Promise<void>): Promise<void> {
  const mask = process.umask(0o177);
  let listening: Promise<void>;
  try {
    listening = listen();
  } finally {
    process.umask(mask);
  }
  await listening;
  await chmod(path, mode);
}
