/** Shortens the path of a unix socket that is too long for a socket address. */
import { type FileHandle, open } from 'node:fs/promises';
import { basename, dirname } from 'node:path';

/** A path that fits into a socket address, valid until it is disposed of. */
export interface SocketPath extends AsyncDisposable {
  readonly path: string;
}

/** `sun_path` has 108 octets on Linux, 104 elsewhere, with a NUL at the end. */
const maxPathOctets = 103;

/**
 * Makes a long path short: on Linux, by way of the open folder in `/proc/self/fd`. Elsewhere a long path
 * is returned as it is, and bind or connect fails with its own error.
 */
export async function shortSocketPath(path: string): Promise<SocketPath> {
  if (Buffer.byteLength(path) <= maxPathOctets || process.platform !== 'linux') {
    return { path, [Symbol.asyncDispose]: async () => {} };
  }
  const folder: FileHandle = await open(dirname(path), 'r');
  return {
    path: `/proc/self/fd/${folder.fd}/${basename(path)}`,
    [Symbol.asyncDispose]: () => folder.close(),
  };
}
