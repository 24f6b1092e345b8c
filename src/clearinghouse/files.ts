/** Writes files and folder entries so that they survive a crash. */
import { open } from 'node:fs/promises';

/** Node reads and writes no more than 2 GiB at once. */
const pieceOctets = 4 * 2 ** 20;

export function* piecesOf(octets: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < octets.length; at += pieceOctets) yield octets.subarray(at, at + pieceOctets);
}

/** Writes a new file, or one in place of another, to its end and to the disk. Rejects with the system's errors. */
export async function writeSynced(path: string, parts: readonly Uint8Array[]): Promise<void> {
  const file = await open(path, 'w', 0o600);
  try {
    for (const part of parts) for (const piece of piecesOf(part)) await file.writeFile(piece);
    await file.datasync();
  } finally {
    await file.close();
  }
}

/** So that a name that was given survives a crash. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
