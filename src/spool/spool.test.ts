import { manualClock } from '../base/index.ts';
import { describeSpool } from './contract.ts';
import { openMemorySpool } from './memory-spool.ts';

describeSpool('memory', async () => {
  const clock = manualClock();
  const floorBytes = 1_000_000;
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
