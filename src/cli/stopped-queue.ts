import { ControlError, type QueueItem, type Selector } from '../admin/index.ts';
import { silentLog } from '../base/index.ts';
import {
  type Envelope,
  formatReplyText,
  parseQueueId,
  type QueueId,
  type RecipientStatus,
} from '../mail/index.ts';
import { type LaneEntry, openSpool, type Spool } from '../spool/index.ts';
import type { OpenQueue } from './queue-access.ts';

/**
 * The queue of a relay that does not run. The spool is locked while it is open, so a relay that starts in
 * the meantime has to wait; nothing in it is changed, other than what an unclean end left to repair.
 */
export async function openStoppedQueue(path: string): Promise<OpenQueue> {
  const spool = await openSpool({ path, log: silentLog });
  return {
    async *list(selector) {
      for (const id of idsOf(spool, selector)) {
        const item = queueItem(spool, id);
        if (item !== undefined && matches(item, selector)) yield item;
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

function* idsOf(spool: Spool, selector: Selector): Iterable<QueueId> {
  if ('match' in selector) yield* spool.walk();
  else yield* selector.ids.flatMap((text) => parseQueueId(text) ?? []);
}

/** One message as the queue commands show it; `undefined` when it is gone. */
export function queueItem(spool: Spool, id: QueueId): QueueItem | undefined {
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
      // A recipient without entry and status was replaced by a redirect.
      if (entry === undefined && status === undefined) return [];
      return [recipientItem(envelope, index, { entry, status })];
    }),
  };
}

/** Whether a message meets the conditions of a selector. */
export function matches(item: QueueItem, selector: Selector): boolean {
  if (!('match' in selector)) return true;
  const { to, from, held } = selector.match;
  if (from !== undefined && !isAt(item.from, from)) return false;
  const waiting = item.recipients.filter(({ status }) => !isFinal(status));
  if (to !== undefined && !waiting.some((recipient) => isAt(recipient.to, to))) return false;
  return held !== true || waiting.some(({ status }) => status === 'held');
}

function isFinal(status: QueueItem['recipients'][number]['status']): boolean {
  return status === 'delivered' || status === 'bounced' || status === 'expired';
}

/** An address is compared whole, a domain with what stands after the last `@`; `<>` is the null path. */
function isAt(address: string, wanted: string): boolean {
  const lower = address.toLowerCase();
  const text = wanted === '<>' ? '' : wanted.toLowerCase().replace(/^@/, '');
  if (text.includes('@') || text === '') return lower === text;
  return lower.endsWith(`@${text}`);
}

function entryOf(entries: readonly LaneEntry[], index: number): LaneEntry | undefined {
  return entries.find(({ recipients }) => recipients === 'all' || recipients.includes(index));
}

function recipientItem(
  envelope: Envelope,
  index: number,
  found: { readonly entry: LaneEntry | undefined; readonly status: RecipientStatus | undefined },
): QueueItem['recipients'][number] {
  const { entry, status } = found;
  const isOver = status !== undefined && status.status !== 'pending';
  return {
    to: envelope.recipients[index]?.address.text ?? '',
    status: isOver ? finalStatus(status) : waitingStatus(entry, status),
    ...(entry === undefined || isOver ? {} : { lane: entry.lane, attempts: entry.attempts }),
    ...(entry === undefined || isOver || entry.held !== undefined ? {} : { nextAt: entry.dueAt }),
    ...(entry?.held === undefined || isOver ? {} : { held: entry.held }),
    ...(status === undefined ? {} : { at: status.at, reply: formatReplyText(status.reply) }),
    ...(status?.relay === undefined ? {} : { relay: status.relay }),
  };
}

function finalStatus(status: RecipientStatus): 'delivered' | 'bounced' | 'expired' {
  if (status.status === 'delivered') return 'delivered';
  return status.status === 'failed' && status.expired === true ? 'expired' : 'bounced';
}

function waitingStatus(
  entry: LaneEntry | undefined,
  status: RecipientStatus | undefined,
): 'held' | 'deferred' | 'pending' {
  if (entry?.held !== undefined) return 'held';
  return status === undefined ? 'pending' : 'deferred';
}
