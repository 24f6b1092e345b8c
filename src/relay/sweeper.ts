/** Sweeps the queue at intervals. */
import { Sweep } from '../queue/index.ts';
import type { Parts } from './parts.ts';

/** Sweeps the queue some time after the last sweep ended, a minute at most, until it is disposed of. */
export function sweepRegularly({
  queue,
  queueParts,
  clock,
  background,
}: Pick<Parts, 'queue' | 'queueParts' | 'clock' | 'background'>): Disposable {
  const sweep = new Sweep(queue, queueParts);
  let isOver = false;
  let cancel = () => {};
  const later = () => {
    if (isOver) return;
    cancel = clock.after(sweep.intervalMs, () => background.run('sweep', sweep.run().finally(later)));
  };
  later();
  return {
    [Symbol.dispose]() {
      isOver = true;
      sweep.stop();
      cancel();
    },
  };
}
