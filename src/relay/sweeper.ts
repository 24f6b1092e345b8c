import { sweep } from '../queue/index.ts';
import type { Parts } from './parts.ts';

const sweepMs = 60_000;

/** Sweeps the queue a minute after the last sweep ended, until it is disposed of. */
export function sweepRegularly({
  queue,
  queueParts,
  clock,
  background,
}: Pick<Parts, 'queue' | 'queueParts' | 'clock' | 'background'>): Disposable {
  let isOver = false;
  let cancel = () => {};
  const later = () => {
    if (isOver) return;
    cancel = clock.after(sweepMs, () => background.run('sweep', sweep(queue, queueParts).finally(later)));
  };
  later();
  return {
    [Symbol.dispose]() {
      isOver = true;
      cancel();
    },
  };
}
