import { ControlError } from '../admin/index.ts';
import { silentLog } from '../base/index.ts';
import { parseQueueId } from '../mail/index.ts';
import { queueItem, select } from '../relay/index.ts';
import { openSpool } from '../spool/index.ts';
import type { OpenQueue } from './queue-access.ts';

/**
 * The queue of a relay that does not run. The spool is locked while it is open, so a relay that starts in
 * the meantime has to wait; nothing in it is changed, other than what an unclean end left to repair.
 */
export async function openStoppedQueue(path: string): Promise<OpenQueue> {
  const spool = await openSpool({ path, log: silentLog });
  return {
    async *list(selector) {
      for await (const { id } of select(spool, selector)) {
        const item = queueItem(spool, id);
        if (item !== undefined) yield item;
      }
    },
    async *octets(id) {
      const queueId = parseQueueId(id);
      const octets = queueId === undefined ? undefined : spool.octets(queueId);
      if (octets === undefined) throw new ControlError('not-found', `no message "${id}" in the queue`);
      yield* octets.chunks();
    },
    [Symbol.asyncDispose]: () => spool[Symbol.asyncDispose](),
  };
}
