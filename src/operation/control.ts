/** Answers the commands about the queue. */
import { ControlError } from '../admin/index.ts';
import { type LaneName, parseQueueId } from '../mail/index.ts';
import { type QueueControl, type QueueItem, type ShapeRow, shapeMinutes } from './commands.ts';
import { changeQueue, planChange, type QueueChangeParts } from './queue-change.ts';
import { queueItem, select } from './queue-view.ts';

/** From the spool and the queue; nothing is kept in memory between items. */
export function createQueueControl(parts: QueueChangeParts): QueueControl {
  const { spool, operator } = parts;
  const suspensionOf = (lane: LaneName) => operator.suspension(lane);
  return {
    async *list({ selector }) {
      for await (const { id } of select(spool, selector)) {
        const item = queueItem(spool, id, suspensionOf);
        if (item !== undefined) yield item;
      }
    },
    async *octets({ id: text }) {
      const id = parseQueueId(text);
      const octets = id === undefined ? undefined : spool.octets(id);
      if (octets === undefined) throw new ControlError('not-found', `no message ${text}`);
      yield* octets.chunks();
    },
    change: ({ change, selector, reach }) => changeQueue(parts, { change, selector, ...reach }),
    plan: ({ change, selector, reach }) => planChange(parts, { change, selector, ...reach }),
    async *shape({ selector }): AsyncIterable<ShapeRow> {
      const rows = new Map<string, number[]>();
      for await (const { id } of select(spool, selector))
        countByAge(rows, queueItem(spool, id), parts.clock.now());
      for (const [destination, counts] of rows) yield { destination, counts };
    },
  };
}

function countByAge(rows: Map<string, number[]>, item: QueueItem | undefined, now: number): void {
  if (item === undefined) return;
  const minutes = (now - item.receivedAt) / 60_000;
  const place = shapeMinutes.findIndex((bound) => minutes < bound);
  const column = place < 0 ? shapeMinutes.length : place;
  for (const { to, status } of item.recipients) {
    if (status === 'delivered' || status === 'bounced' || status === 'expired') continue;
    const destination = to.slice(to.lastIndexOf('@') + 1).toLowerCase();
    const counts = rows.get(destination) ?? new Array<number>(shapeMinutes.length + 1).fill(0);
    counts[column] = (counts[column] ?? 0) + 1;
    rows.set(destination, counts);
  }
}
