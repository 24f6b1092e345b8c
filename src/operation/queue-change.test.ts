import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ControlError } from '../admin/index.ts';
import type { Address } from '../mail/index.ts';
import { fullError, ioError, openBench, result } from '../queue/testing.ts';
import type { QueueChange } from './commands.ts';
import { changeQueue } from './queue-change.ts';

const changes: readonly QueueChange[] = [
  { verb: 'hold', because: 'x' },
  { verb: 'release' },
  { verb: 'flush' },
  { verb: 'remove' },
  { verb: 'bounce', because: 'x' },
  { verb: 'redirect', to: 'other@y.test' },
];

for (const change of changes) {
  for (const fault of [fullError, ioError]) {
    test(`${change.verb} when the disk says ${fault.code} is "storage", and changes nothing`, async () => {
      const bench = await openBench({ deliver: (attempt) => result(attempt, 'pending') });
      const id = await bench.send({ to: 'a@x.test' });
      await bench.settle();
      if (change.verb === 'release') await bench.operator.hold(id, 'x');
      const before = bench.spool.entries(id);
      bench.faults.set('update', fault);
      // A bounce is reported to the sender first.
      bench.notify = () => Promise.reject(fault);
      const local = { destinationOf: async (to: Address) => ({ kind: 'known', to: [to] }) as const };
      const parts = { spool: bench.parts.spool, operator: bench.operator, clock: bench.clock, local };
      await assert.rejects(
        async () => {
          for await (const changed of changeQueue(parts, { change, selector: { ids: [id] } }))
            assert.fail(`${changed}`);
        },
        (error) => error instanceof ControlError && error.code === 'storage' && /disk/.test(error.message),
      );
      bench.faults.clear();
      assert.deepEqual(bench.spool.entries(id), before);
    });
  }
}
