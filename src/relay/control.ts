import {
  type Control,
  ControlError,
  type QueueItem,
  type RelayStatus,
  type ReloadOutcome,
  type ShapeRow,
  shapeMinutes,
} from '../admin/index.ts';
import type { Clock } from '../base/index.ts';
import { createClearinghouseControl, type RelayClearinghouse } from '../clearinghouse/index.ts';
import type { Guard } from '../guard/index.ts';
import { createGuardControl } from '../guard/index.ts';
import { createWindowControl, type RelayWindows } from '../identity/index.ts';
import { type LaneName, parseQueueId } from '../mail/index.ts';
import {
  changeQueue,
  closeSessionsOf,
  createSessionControl,
  planChange,
  queueItem,
  type SessionSources,
  select,
} from '../operation/index.ts';
import type { Operator } from '../queue/index.ts';
import type { Spool } from '../spool/index.ts';
import { type SubmitParts, submit } from '../submission/index.ts';

/** What the control socket is answered from. */
export interface ControlParts extends SubmitParts, SessionSources {
  readonly spool: Spool;
  readonly operator: Operator;
  readonly clock: Clock;
  readonly status: () => RelayStatus;
  readonly reload: () => Promise<ReloadOutcome>;
  readonly guard: Guard;
  readonly windows: RelayWindows;
  readonly clearinghouse: () => RelayClearinghouse | undefined;
  readonly explain: Control['explain'];
  readonly audit: Control['audit'];
}

/** Answers the control socket from the spool and the queue; nothing is kept in memory between items. */
export function createControl(parts: ControlParts): Control {
  const { spool, operator } = parts;
  const suspensionOf = (lane: LaneName) => operator.suspension(lane);
  return {
    status: () => Promise.resolve(parts.status()),
    reload: () => parts.reload(),
    explain: (question) => parts.explain(question),
    audit: () => parts.audit(),
    ...createGuardControl({
      ...parts,
      async endSessionsOf(name) {
        closeSessionsOf(parts, name);
        await parts.windows.revoke({ name });
      },
    }),
    ...createSessionControl(parts),
    ...createWindowControl(parts.windows),
    ...createClearinghouseControl(parts.clearinghouse),
    async *list(selector) {
      for await (const { id } of select(spool, selector)) {
        const item = queueItem(spool, id, suspensionOf);
        if (item !== undefined) yield item;
      }
    },
    async *octets(text) {
      const id = parseQueueId(text);
      const octets = id === undefined ? undefined : spool.octets(id);
      if (octets === undefined) throw new ControlError('not-found', `no message ${text}`);
      yield* octets.chunks();
    },
    change: (change, selector, reach) => changeQueue(parts, { change, selector, ...reach }),
    plan: (change, selector, reach) => planChange(parts, { change, selector, ...reach }),
    async *shape(selector): AsyncIterable<ShapeRow> {
      const rows = new Map<string, number[]>();
      for await (const { id } of select(spool, selector))
        countByAge(rows, queueItem(spool, id), parts.clock.now());
      for (const [destination, counts] of rows) yield { destination, counts };
    },
    submit: (submission, octets, signal) => submit(parts, { submission, octets, signal }),
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
