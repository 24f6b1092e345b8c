import type { Change, LaneEntry, Spool } from '../spool/index.ts';

const batchSize = 500;
/** A message whose attempts keep being cut off may be the reason for it: then its lease stands. */
const trustedInterruptions = 3;

/**
 * Finds the attempts that were begun and never recorded as ended (the process died) and makes them due
 * now. Passes over what this process has claimed itself: it takes mail already. Reads every scheduled entry
 * once, in batches between which other work goes on. Returns how many.
 */
export async function recoverInterrupted(
  spool: Spool,
  options: { readonly now: number; readonly isClaimed: (entry: LaneEntry) => boolean },
): Promise<number> {
  const { now, isClaimed } = options;
  let found = 0;
  for (const { lane } of spool.lanes()) {
    let after: LaneEntry | undefined;
    do {
      const batch = spool.due(lane, {
        until: Number.MAX_SAFE_INTEGER,
        limit: batchSize,
        ...(after === undefined ? {} : { after }),
      });
      const changes = batch
        .filter((entry) => isInterrupted(entry) && !isClaimed(entry))
        .map((from): Change => {
          const { begun: _, ...rest } = from;
          return { kind: 'reschedule', from, to: { ...rest, dueAt: Math.min(now, from.dueAt) } };
        });
      found += changes.length;
      if (changes.length > 0) await spool.update(changes);
      after = batch.length < batchSize ? undefined : batch.at(-1);
    } while (after !== undefined);
  }
  return found;
}

function isInterrupted(entry: LaneEntry): boolean {
  return entry.begun === true && entry.attempts < trustedInterruptions;
}
