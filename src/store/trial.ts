/** The process that opens a suspect file first. */
import { open } from 'lmdb';

/**
 * Run as a process of its own: reads every record of the LMDB file named as its argument through LMDB, and ends with 0
 * if that succeeded. It may die of a signal, which is its purpose.
 */
const raw = { encoding: 'binary', keyEncoding: 'binary', cache: false } as const;
const file = process.argv[2];
if (file === undefined) throw new Error('which file?');
const root = open<Buffer, Buffer>({ ...raw, path: file, noSubdir: true, readOnly: true, maxDbs: 100 });
for (const name of [...root.getKeys()]) {
  const table = root.openDB<Buffer, Buffer>({ ...raw, name: name.toString('latin1').replace(/\0$/, '') });
  const { entryCount } = table.getStats() as { entryCount: number };
  let seen = 0;
  for (const { value } of table.getRange({})) seen += value.length >= 0 ? 1 : 0;
  if (seen !== entryCount) throw new Error(`${seen} of ${entryCount} records can be read`);
}
await root.close();
