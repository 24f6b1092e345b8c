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
import {
  type Address,
  type Domain,
  formatReplyText,
  parseMailbox,
  parseQueueId,
  type QueueId,
} from '../mail/index.ts';
import { type Operated, type Operator, statusWord } from '../queue/index.ts';
import type { Spool } from '../spool/index.ts';
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
        const item = describe(spool, id);
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
      if (change.verb === 'flush' && !('ids' in selector) && Object.keys(selector.match).length === 0) {
        parts.operator.flushLane();
      }
      for await (const id of select(spool, selector)) {
        if ((await operate(parts.operator, change, id)) === 'done') yield id;
      }
    },
    async *shape(selector): AsyncIterable<ShapeRow> {
      const rows = new Map<string, number[]>();
      for await (const id of select(spool, selector))
        countByAge(rows, describe(spool, id), parts.clock.now());
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

type Match = Extract<Selector, { readonly match: unknown }>['match'];

function matches(spool: Spool, id: QueueId, match: Match): boolean {
  if (match.held !== undefined) {
    const isHeld = spool.entries(id).some((entry) => entry.held !== undefined);
    if (isHeld !== match.held) return false;
  }
  if (match.from === undefined && match.to === undefined) return true;
  const envelope = spool.envelope(id);
  if (envelope === undefined) return false;
  if (match.from !== undefined && !isMeant(envelope.reversePath, match.from)) return false;
  const { to } = match;
  return to === undefined || envelope.recipients.some(({ address }) => isMeant(address, to));
}

/** `wanted` is an address, a domain, or `<>`. */
function isMeant(address: Address | null, wanted: string): boolean {
  if (address === null) return wanted === '<>' || wanted === '';
  const lower = wanted.toLowerCase();
  return wanted.includes('@') ? address.text.toLowerCase() === lower : address.domain === (lower as Domain);
}

/** A message as it stands in the spool; `undefined` when it is gone. One that cannot be read says so. */
function describe(spool: Spool, id: QueueId): QueueItem | undefined {
  const envelope = spool.envelope(id);
  if (envelope === undefined) return undefined;
  const statuses = spool.statuses(id);
  const entries = spool.entries(id);
  return {
    id,
    from: envelope.reversePath === null ? '' : envelope.reversePath.text,
    size: envelope.content.size,
    receivedAt: envelope.receivedAt,
    client: envelope.origin.client,
    ground: envelope.origin.ground,
    recipients: envelope.recipients.flatMap(({ address }, index) => {
      const status = statuses.get(index);
      const entry = entries.find((e) => e.recipients === 'all' || e.recipients.includes(index));
      // A recipient without entry and status was replaced by a redirect.
      if (entry === undefined && status === undefined) return [];
      const word = status === undefined ? 'pending' : statusWord(status);
      return [
        {
          to: address.text,
          status: entry?.held !== undefined ? ('held' as const) : word,
          ...(entry === undefined
            ? {}
            : {
                lane: entry.lane,
                attempts: entry.attempts,
                ...(entry.held === undefined ? { nextAt: entry.dueAt } : { held: entry.held }),
              }),
          ...(status === undefined ? {} : { at: status.at, reply: formatReplyText(status.reply) }),
          ...(status?.relay === undefined ? {} : { relay: status.relay }),
        },
      ];
    }),
  };
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
