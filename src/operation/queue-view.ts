/** Shows messages of the queue, and selects them. */
import {
  type Envelope,
  formatReplyText,
  type LaneName,
  mailboxKey,
  parseDomain,
  parseMailbox,
  parseQueueId,
  type QueueId,
  type RecipientStatus,
  type ReversePath,
} from '../mail/index.ts';
import { type Portion, type Suspension, statusWord } from '../queue/index.ts';
import { inTurns, type LaneEntry, type Spool, walkInTurns } from '../spool/index.ts';
import type { Match, QueueItem, Selector } from './commands.ts';

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
      // A waiting recipient in no entry was replaced by a redirect.
      if (entry === undefined && !isOver(status)) return [];
      const suspension = entry === undefined ? undefined : suspensionOf?.(entry.lane);
      return [recipientItem(envelope, index, { entry, status, suspension })];
    }),
  };
}

/** A selected message, and the selected recipients of it. */
export interface Selected {
  readonly id: QueueId;
  /** The waiting recipients that its conditions name; `undefined`: they name the whole message. */
  readonly portion: Portion;
}

/** The messages that a selector selects, oldest first. */
export async function* select(spool: Spool, selector: Selector): AsyncIterable<Selected> {
  const ids = 'ids' in selector ? inTurns(named(spool, selector.ids)) : walkInTurns(spool);
  for await (const id of ids) {
    const portion = meant(spool, id, selector.match ?? {});
    if (portion !== 'nobody') yield { id, portion };
  }
}

function* named(spool: Spool, texts: readonly string[]): Generator<QueueId> {
  for (const text of texts) {
    const id = parseQueueId(text);
    if (id !== undefined && spool.entries(id).length > 0) yield id;
  }
}

/**
 * The recipients of a message that the conditions select. A recipient that has ended does not select the message. If
 * no condition is about recipients, or each of them fits one about holds, the whole message is selected.
 */
function meant(spool: Spool, id: QueueId, { to, from, held }: Match): Portion | 'nobody' {
  const entries = held === undefined ? [] : spool.entries(id);
  const fitting = entries.filter((entry) => (entry.held !== undefined) === held);
  if (held !== undefined && fitting.length === 0) return 'nobody';
  const isWhole = to === undefined && fitting.length === entries.length;
  if (isWhole && from === undefined) return undefined;
  const envelope = spool.envelope(id);
  if (envelope === undefined || (from !== undefined && !isAt(envelope.reversePath, from))) return 'nobody';
  if (isWhole) return undefined;
  const statuses = spool.statuses(id);
  const portion = new Set(
    [...envelope.recipients.keys()].filter((index) => {
      const recipient = envelope.recipients[index];
      if (recipient === undefined || isOver(statuses.get(index))) return false;
      if (to !== undefined && !isAt(recipient.address, to)) return false;
      return held === undefined || entryOf(fitting, index) !== undefined;
    }),
  );
  return portion.size === 0 ? 'nobody' : portion;
}

/** Whether the conditions select a recipient of a message. */
export function matches(spool: Spool, id: QueueId, match: Match): boolean {
  return meant(spool, id, match) !== 'nobody';
}

/** One recipient that waits, as a change sees it. */
export interface Waiting {
  readonly to: string;
  /** The selector names it. */
  readonly isNamed: boolean;
  readonly held: boolean;
}

/** The waiting recipients of a selected message. */
export function waiting(spool: Spool, { id, portion }: Selected): readonly Waiting[] {
  const envelope = spool.envelope(id);
  const statuses = spool.statuses(id);
  const entries = spool.entries(id);
  return (envelope?.recipients ?? []).flatMap(({ address }, index): Waiting[] => {
    const entry = entryOf(entries, index);
    if (entry === undefined || isOver(statuses.get(index))) return [];
    const isNamed = portion === undefined || portion.has(index);
    return [{ to: address.text, isNamed, held: entry.held !== undefined }];
  });
}

/** `wanted` is an address, a domain (also as `@example.org`), or `<>` for the null reverse-path. */
function isAt(address: ReversePath, wanted: string): boolean {
  if (address === null) return wanted === '<>' || wanted === '';
  const text = wanted.replace(/^@/, '');
  if (!text.includes('@')) return address.domain === parseDomain(text);
  const mailbox = parseMailbox(text, { smtputf8: true });
  return mailbox !== undefined && mailboxKey(address) === mailboxKey(mailbox);
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
