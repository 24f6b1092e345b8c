import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { FloodFile } from './file.ts';

test('what a full disk did not take leaves no gap, also in a file that was written anew', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'posthouse-flood-file-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'flood-log');
  const source = JSON.stringify(new URL('./file.ts', import.meta.url).href);
  // Files may have 9 MB, as on a disk that is full then; from 8 MB on it is written anew, out of three notes.
  const program = `const { FloodFile } = await import(${source});
    const note = (octets) => ({ kind: 'record', by: 'ab', octets: Buffer.alloc(octets, 7) });
    const file = new FloodFile(${JSON.stringify(path)});
    await file.open();
    const all = () => [note(1), note(2), note(3)];
    const say = (count) => { for (let n = 0; n < count; n++) file.note(note(60_000)); return file.sync(all); };
    await say(145);
    await say(200).catch((error) => console.log('rejected', error.code));
    file.note(note(4));
    await file.sync(all);`;
  const ran = spawnSync(
    'sh',
    ['-c', 'ulimit -f 17600; exec "$0" --input-type=module -e "$1"', process.execPath, program],
    { encoding: 'utf8', timeout: 30_000 },
  );
  assert.deepEqual([ran.stdout, ran.stderr], ['rejected EFBIG\n', '']);
  const notes = await new FloodFile(path).open();
  assert.deepEqual(
    notes.map(({ octets }) => octets.length),
    [1, 2, 3, 4],
  );
});
