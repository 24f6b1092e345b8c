import type { QueueItem, Selector } from '../admin/index.ts';
import {
  type Envelope,
  formatReplyText,
  type QueueId,
  type RecipientStatus,
  type ReversePath,
} from '../mail/index.ts';
import { statusWord } from '../queue/index.ts';
import type { LaneEntry, Spool } from '../spool/index.ts';

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
      // One that waits and is in no entry was replaced by a redirect.
      if (entry === undefined && !isOver(status)) return [];
      return [recipientItem(envelope, index, { entry, status })];
    }),
  };
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
  found: { readonly entry: LaneEntry | undefined; readonly status: RecipientStatus | undefined },
): QueueItem['recipients'][number] {
  const { entry, status } = found;
  const isWaiting = !isOver(status);
  return {
    to: envelope.recipients[index]?.address.text ?? '',
    status: isOver(status) ? statusWord(status) : waitingStatus(entry, status),
    ...(entry === undefined || !isWaiting ? {} : { lane: entry.lane, attempts: entry.attempts }),
    ...(entry === undefined || !isWaiting || entry.held !== undefined ? {} : { nextAt: entry.dueAt }),
    ...(entry?.held === undefined || !isWaiting ? {} : { held: entry.held }),
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
