import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { address, openBench, result } from './testing.ts';

const names = ['a@x.test', 'b@x.test', 'c@y.test', 'd@z.test'];
const verbs = [
  'hold',
  'release',
  'flush',
  'remove',
  'bounce',
  'redirect',
  'restart',
  'pass',
  'busy',
  'slow',
  'end',
] as const;
const step = fc.record({
  verb: fc.constantFrom(...verbs),
  portion: fc.subarray([0, 1, 2, 3, 4, 5]),
  /** Two operations at once. */
  twice: fc.boolean(),
});

test('whatever an operator does to whichever recipients, in whatever order, each comes to one end', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), fc.boolean(), async (steps, oneLane) => {
      let isBusy = true;
      let isSlow = false;
      const waiting: (() => void)[] = [];
      const delivered: string[] = [];
      const told: number[] = [];
      const open = async (after?: Awaited<ReturnType<typeof openBench>>) => {
        const bench = await openBench({
          ...(after && { after }),
          ...(oneLane && { laneOf: () => 'smtp:smart' }),
          deliver: async (attempt, signal) => {
            if (isSlow)
              await new Promise<void>((end) => {
                waiting.push(end);
                signal.addEventListener('abort', () => end());
              });
            if (isBusy || signal.aborted) return result(attempt, 'pending');
            for (const index of attempt.recipients)
              delivered.push(attempt.envelope.recipients[index]?.address.text ?? '');
            return result(attempt);
          },
        });
        bench.notify = async (event) => void told.push(...event.statuses.keys());
        return bench;
      };
      let bench = await open();
      const id = await bench.send({ to: names });
      await bench.settle();
      let redirects = 0;
      for (const { verb, portion, twice } of steps) {
        const some = portion.length === 0 ? undefined : new Set(portion);
        const { operator } = bench;
        const run = () => {
          if (verb === 'hold') return operator.hold(id, 'why', some);
          if (verb === 'release') return operator.release(id, some);
          if (verb === 'flush') return operator.flush(id, some);
          if (verb === 'remove') return operator.remove(id, some);
          if (verb === 'bounce') return operator.bounce(id, '', some);
          return operator.redirect(id, [{ address: address(`r${redirects++}@w.test`) }], some);
        };
        if (verb === 'busy') isBusy = !isBusy;
        else if (verb === 'slow') isSlow = !isSlow;
        else if (verb === 'end') for (const end of waiting.splice(0)) end();
        else if (verb === 'pass') await bench.pass(3_600_000, 600_000);
        else if (verb === 'restart') {
          await bench.queue.drain(AbortSignal.abort());
          await bench.settle();
          bench = await open(bench);
        } else await Promise.all(twice ? [run(), run()] : [run()]);
        await bench.settle();
        const envelope = bench.spool.envelope(id);
        const entries = bench.spool.entries(id);
        if (envelope === undefined) {
          assert.deepEqual(entries, []);
          continue;
        }
        const known = bench.spool.statuses(id);
        for (const index of envelope.recipients.keys()) {
          const isOver = (known.get(index)?.status ?? 'pending') !== 'pending';
          const holders = entries.filter(
            ({ recipients }) => recipients === 'all' || recipients.includes(index),
          );
          assert.ok(isOver || holders.length === 1, `recipient ${index} is in ${holders.length} entries`);
        }
      }
      isBusy = false;
      isSlow = false;
      for (const end of waiting.splice(0)) end();
      await bench.settle();
      await bench.operator.release(id);
      await bench.pass(7_200_000, 600_000);
      assert.equal(bench.spool.count(), 0, 'nothing is left behind');
      assert.equal(new Set(delivered).size, delivered.length, 'nobody gets it twice');
      assert.equal(new Set(told).size, told.length, 'nobody is told of twice');
    }),
    { numRuns: 300 },
  );
});
