import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { manualClock, silentLog } from '../base/index.ts';
import { describeSpool } from './contract.ts';
import { openSpool } from './lmdb-spool.ts';
import { openMemorySpool } from './memory-spool.ts';

const floorBytes = 1_000_000;

describeSpool({ name: 'memory', isDurable: false }, async () => {
  const clock = manualClock();
  let freeBytes = 100 * floorBytes;
  const spool = await openMemorySpool({ clock, floorBytes, freeBytes: () => freeBytes });
  return {
    clock,
    spool,
    floorBytes,
    setFreeBytes(bytes) {
      freeBytes = bytes;
    },
    [Symbol.asyncDispose]: () => spool[Symbol.asyncDispose](),
  };
});

for (const [name, limits] of [
  ['LMDB', {}],
  ['LMDB (everything in files)', { inlineMaxBytes: 0 }],
  ['LMDB (drafts without memory)', { draftMemoryBytes: 6000 }],
] as const) {
  describeSpool({ name, isDurable: true }, async () => {
    const path = await mkdtemp(join(tmpdir(), 'posthouse-spool-'));
    const clock = manualClock();
    let freeBytes = 100 * floorBytes;
    const open = () =>
      openSpool({ path, clock, log: silentLog, floorBytes, freeBytes: () => freeBytes, ...limits });
    let spool = await open();
    return {
      clock,
      spool,
      floorBytes,
      async reopen() {
        await spool[Symbol.asyncDispose]();
        spool = await open();
        return spool;
      },
      setFreeBytes(bytes) {
        freeBytes = bytes;
        clock.advance(1000);
      },
      async [Symbol.asyncDispose]() {
        await spool[Symbol.asyncDispose]();
        await rm(path, { recursive: true });
      },
    };
  });
}
