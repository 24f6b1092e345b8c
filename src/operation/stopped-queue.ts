/** The queue of a stopped relay: the operations that need no routes, policy and notices. */
import { ControlError } from '../admin/index.ts';
import { Background, silentLog, systemClock } from '../base/index.ts';
import { parseQueueId } from '../mail/index.ts';
import { defaultLanes, defaultRetry, Operator, Queue, type QueueParts } from '../queue/index.ts';
import type { Spool } from '../spool/index.ts';
import type { QueueChange, StoppedControl } from './commands.ts';
import { changeQueue, planChange } from './queue-change.ts';
import { queueItem, select } from './queue-view.ts';

const possible: ReadonlySet<QueueChange['verb']> = new Set(['hold', 'release', 'remove']);

/**
 * Works on an open spool; makes no attempts. Throws `ControlError` `unavailable` for operations that need a running
 * relay.
 */
export async function controlStopped(spool: Spool): Promise<StoppedControl> {
  const clock = systemClock;
  const operator = await idleOperator(spool);
  const needsRelay = () =>
    Promise.reject(new ControlError('unavailable', 'no relay runs that could be asked'));
  const parts = { spool, operator, clock, local: { destinationOf: needsRelay } };
  const check = ({ verb }: QueueChange) => {
    if (!possible.has(verb))
      throw new ControlError(
        'unavailable',
        `no relay runs: while it is stopped, mail can be held, released and removed`,
      );
  };
  return {
    async *list({ selector }) {
      for await (const { id } of select(spool, selector)) {
        const item = queueItem(spool, id);
        if (item !== undefined) yield item;
      }
    },
    async *octets({ id: text }) {
      const id = parseQueueId(text);
      const octets = id === undefined ? undefined : spool.octets(id);
      if (octets === undefined) throw new ControlError('not-found', `no message "${text}" in the queue`);
      yield* octets.chunks();
    },
    async *change({ change, selector, reach }) {
      check(change);
      yield* changeQueue(parts, { change, selector, ...reach });
    },
    async *plan({ change, selector, reach }) {
      check(change);
      yield* planChange(parts, { change, selector, ...reach });
    },
  };
}

/** An operator of a queue that begins no attempt: it is draining from the start. */
async function idleOperator(spool: Spool): Promise<Operator> {
  const never = () => {
    throw new Error('a stopped queue was to be worked on');
  };
  const log = silentLog;
  const parts: QueueParts = {
    spool,
    clock: systemClock,
    log,
    background: new Background(log),
    random: Math.random,
    deliver: never,
    notify: never,
    routing: { assignLanes: never, generation: 0 },
  };
  const queue = new Queue(parts, { retry: defaultRetry, lanes: defaultLanes });
  await queue.drain(AbortSignal.abort());
  return new Operator(queue, parts);
}
