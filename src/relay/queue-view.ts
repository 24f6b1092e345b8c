import type { QueueItem, Selector } from '../admin/index.ts';
import {
  type Envelope,
  formatReplyText,
  parseQueueId,
  type QueueId,
  type RecipientStatus,
  type ReversePath,
} from '../mail/index.ts';
import { type Suspension, statusWord } from '../queue/index.ts';
import type { LaneEntry, LaneName, Spool } from '../spool/index.ts';

const messagesPerTurn = 200;

/** Why a lane is left alone; `undefined` when it is not. */
export type SuspensionOf = (lane: LaneName) => Suspension | undefined;

/**
 * One message as the queue commands show it; `undefined` when it is gone. Only a running relay knows of
 * suspensions.
 */
export function queueItem(spool: Spool, id: QueueId, suspensionOf?: SuspensionOf): QueueItem | undefined {
  const envelope = spool.envelope(id);
  if (envelope === undefined) return undefined;
  const statuses = spool.statuses(id);
  const entries = spool.entries(id);
  return {
    id,
    from: envelope.reversePath?.text ?? '',
    size: envelope.content.size,
    receivedAt: envelope.receivedAt,
    client: envelope.origin.client,
    ground: envelope.origin.ground,
    recipients: envelope.recipients.flatMap((_, index) => {
      const entry = entryOf(entries, index);
      const status = statuses.get(index);
      // One that waits and is in no entry was replaced by a redirect.
      if (entry === undefined && !isOver(status)) return [];
      const suspension = entry === undefined ? undefined : suspensionOf?.(entry.lane);
      return [recipientItem(envelope, index, { entry, status, suspension })];
    }),
  };
}

/** The ids that a selector means, oldest first. Other work goes on between batches. */
export async function* select(spool: Spool, selector: Selector): AsyncIterable<QueueId> {
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

/** Whether a message meets every condition. A recipient that has come to its end is no reason to touch it. */
export function matches(spool: Spool, id: QueueId, { to, from, held }: Match): boolean {
  if (held !== undefined && spool.entries(id).some((entry) => entry.held !== undefined) !== held)
    return false;
  if (from === undefined && to === undefined) return true;
  const envelope = spool.envelope(id);
  if (envelope === undefined) return false;
  if (from !== undefined && !isAt(envelope.reversePath, from)) return false;
  if (to === undefined) return true;
  const named = [...envelope.recipients.entries()].filter(([, { address }]) => isAt(address, to));
  if (named.length === 0) return false;
  const statuses = spool.statuses(id);
  return named.some(([index]) => (statuses.get(index)?.status ?? 'pending') === 'pending');
}

/** `wanted` is an address, a domain (also as `@example.org`), or `<>` for the null reverse-path. */
function isAt(address: ReversePath, wanted: string): boolean {
  if (address === null) return wanted === '<>' || wanted === '';
  const text = wanted.toLowerCase().replace(/^@/, '');
  return text.includes('@') ? address.text.toLowerCase() === text : address.domain.toLowerCase() === text;
}

function entryOf(entries: readonly LaneEntry[], index: number): LaneEntry | undefined {
  return entries.find(({ recipients }) => recipients === 'all' || recipients.includes(index));
}

/** The recipient has come to its end. */
function isOver(status: RecipientStatus | undefined): status is RecipientStatus {
  return status !== undefined && status.status !== 'pending';
}

function recipientItem(
  envelope: Envelope,
  index: number,
  found: {
    readonly entry: LaneEntry | undefined;
    readonly status: RecipientStatus | undefined;
    readonly suspension: Suspension | undefined;
  },
): QueueItem['recipients'][number] {
  const { entry, status, suspension } = found;
  const isWaiting = !isOver(status);
  return {
    to: envelope.recipients[index]?.address.text ?? '',
    status: isOver(status) ? statusWord(status) : waitingStatus(entry, status),
    ...(entry === undefined || !isWaiting ? {} : { lane: entry.lane, attempts: entry.attempts }),
    ...(entry === undefined || !isWaiting || entry.held !== undefined ? {} : { nextAt: entry.dueAt }),
    ...(entry?.held === undefined || !isWaiting ? {} : { held: entry.held }),
    ...(suspension === undefined || !isWaiting || entry?.held !== undefined
      ? {}
      : { suspended: { until: suspension.until, reply: formatReplyText(suspension.because) } }),
    ...(status === undefined ? {} : { at: status.at, reply: formatReplyText(status.reply) }),
    ...(status?.relay === undefined ? {} : { relay: status.relay }),
  };
}

function waitingStatus(
  entry: LaneEntry | undefined,
  status: RecipientStatus | undefined,
): 'held' | 'deferred' | 'pending' {
  if (entry?.held !== undefined) return 'held';
  return status === undefined ? 'pending' : 'deferred';
}
