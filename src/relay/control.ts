import {
  type Control,
  ControlError,
  type QueueChange,
  type QueueItem,
  type RelayStatus,
  type ReloadOutcome,
  type Selector,
  type ShapeRow,
  shapeMinutes,
} from '../admin/index.ts';
import type { Clock } from '../base/index.ts';
import { parseMailbox, parseQueueId, type QueueId } from '../mail/index.ts';
import type { Operated, Operator } from '../queue/index.ts';
import type { Spool } from '../spool/index.ts';
import { matches, queueItem } from './queue-view.ts';
import { type SubmitParts, submit } from './submit.ts';

/** What the control socket is answered from. */
export interface ControlParts extends SubmitParts {
  readonly spool: Spool;
  readonly operator: Operator;
  readonly clock: Clock;
  readonly status: () => RelayStatus;
  readonly reload: () => Promise<ReloadOutcome>;
}

const messagesPerTurn = 200;

/** Answers the control socket from the spool and the queue; nothing is kept in memory between items. */
export function createControl(parts: ControlParts): Control {
  const { spool } = parts;
  return {
    status: () => Promise.resolve(parts.status()),
    reload: () => parts.reload(),
    async *list(selector) {
      for await (const id of select(spool, selector)) {
        const item = queueItem(spool, id);
        if (item !== undefined) yield item;
      }
    },
    async *octets(text) {
      const id = parseQueueId(text);
      const octets = id === undefined ? undefined : spool.octets(id);
      if (octets === undefined) throw new ControlError('not-found', `no message ${text}`);
      yield* octets.chunks();
    },
    async *change(change, selector) {
      // Everything at once is a matter of lanes, not of one message after the other.
      const isFlushOfAll =
        change.verb === 'flush' && 'match' in selector && Object.keys(selector.match).length === 0;
      if (isFlushOfAll) parts.operator.flushLane();
      for await (const id of select(spool, isFlushOfAll ? { match: { held: false } } : selector)) {
        if (isFlushOfAll || (await operate(parts.operator, change, id)) === 'done') yield id;
      }
    },
    async *shape(selector): AsyncIterable<ShapeRow> {
      const rows = new Map<string, number[]>();
      for await (const id of select(spool, selector))
        countByAge(rows, queueItem(spool, id), parts.clock.now());
      for (const [destination, counts] of rows) yield { destination, counts };
    },
    submit: (submission, octets, signal) => submit(parts, { submission, octets, signal }),
  };
}

/** The ids that a selector means, oldest first. Other work goes on between batches. */
async function* select(spool: Spool, selector: Selector): AsyncIterable<QueueId> {
  if ('ids' in selector) {
    for (const text of selector.ids) {
      const id = parseQueueId(text);
      if (id !== undefined && spool.entries(id).length > 0) yield id;
    }
    return;
  }
  let seen = 0;
  for (const id of spool.walk()) {
    if (matches(spool, id, selector.match)) yield id;
    if (++seen % messagesPerTurn === 0) await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

function operate(operator: Operator, change: QueueChange, id: QueueId): Promise<Operated> {
  switch (change.verb) {
    case 'hold':
      return operator.hold(id, change.because);
    case 'release':
      return operator.release(id);
    case 'flush':
      return operator.flush(id);
    case 'remove':
      return operator.remove(id);
    case 'bounce':
      return operator.bounce(id);
    case 'redirect': {
      const to = parseMailbox(change.to, { smtputf8: true });
      if (to === undefined) throw new ControlError('bad-request', `not an address: ${change.to}`);
      return operator.redirect(id, to);
    }
  }
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
