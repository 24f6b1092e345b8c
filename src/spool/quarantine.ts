/** Sets a message aside that cannot be delivered any more. */
import { mkdir, open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { Row } from '../store/index.ts';
import { syncFolder } from '../store/index.ts';
import type { MessageRows } from './message-rows.ts';

/**
 * Sets a message aside that cannot be delivered any more: `salvage/<id>.json` has all of its records that
 * are readable, `salvage/<id>.octets` its octets. Both are durable when this resolves; only then may the
 * records be removed. Returns the path of the first.
 */
export async function quarantine(options: {
  readonly path: string;
  readonly rows: MessageRows;
  readonly found: readonly string[];
  /** The file of its octets, when it has one. */
  readonly large: string | undefined;
}): Promise<string> {
  const { path, rows, found, large } = options;
  const folder = join(path, 'salvage');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const octetsFile = join(folder, `${rows.id}.octets`);
  if (large !== undefined) await rename(large, octetsFile);
  else if (rows.octets?.payload !== undefined) await writeSynced(octetsFile, rows.octets.payload);
  const json = {
    id: rows.id,
    found,
    envelope: readable(rows.envelope),
    entries: rows.entries.map(readable),
    statuses: rows.statuses.map(readable),
  };
  const file = join(folder, `${rows.id}.json`);
  await writeSynced(file, Buffer.from(`${JSON.stringify(json, undefined, 2)}\n`));
  syncFolder(folder);
  syncFolder(path);
  return file;
}

function readable(row: Row | undefined): unknown {
  return row?.payload === undefined ? null : JSON.parse(row.payload.toString());
}

async function writeSynced(file: string, octets: Buffer): Promise<void> {
  const handle = await open(file, 'w', 0o600);
  try {
    await handle.writeFile(octets);
    await handle.datasync();
  } finally {
    await handle.close();
  }
}
