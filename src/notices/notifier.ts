/** Notifies senders of failures and delays: spools the DSN with the event that it reports. */
import type { Clock, Log } from '../base/index.ts';
import {
  buildDsn,
  type DsnDecision,
  doubleBounceGround,
  dsnFor,
  notificationGround,
  type Original,
  readOriginal,
  readStart,
  shortenDsn,
} from '../dsn/index.ts';
import { areWide, destinedOne, type OwnPolicy } from '../local-mail/index.ts';
import { type Address, formatReplyText, type RecipientStatus } from '../mail/index.ts';
import type { Notify, NotifyEvent, Queue } from '../queue/index.ts';
import type { Change, Spool } from '../spool/index.ts';
import type { NoticesEvents } from './events.ts';

/** The parts that notification needs; `settings` is asked each time, so that a reload counts. */
export interface NotifierParts {
  readonly spool: Spool;
  readonly queue: () => Pick<Queue, 'accept'>;
  readonly clock: Clock;
  readonly log: Log<NoticesEvents>;
  /** Notices go where the policy leads mail for their recipient, and nowhere where it refuses it. */
  readonly destinationOf: OwnPolicy['destinationOf'];
  readonly settings: () => {
    readonly hostname: string;
    readonly postmaster: Address;
    readonly maxReturnedBytes: number;
  };
}

/**
 * Decides who is notified of an event, and spools the notification before the event itself is recorded. The reported
 * ends are recorded in the commit that spools it, so that a repeated call reports them once.
 */
export function createNotifier(parts: NotifierParts): Notify {
  return async (event) => {
    if (await sendShorter(parts, event)) return;
    const statuses = event.kind === 'ended' ? untold(parts.spool, event) : event.statuses;
    const recipients = [...statuses.keys()];
    const decisions = dsnFor(event.envelope, statuses, { kind: event.kind, recipients });
    const told = decisions.filter(({ kind }) => kind !== 'drop').length;
    if (told === 0 && event.changes !== undefined) await parts.spool.update(event.changes);
    if (decisions.length === 0) return;
    const original = await readSafely(parts, event);
    for (const decision of decisions) await carryOut(parts, event, { decision, original });
  };
}

/** The ends that were not reported before, by a call that failed halfway, or before a crash. */
function untold(spool: Spool, { id, statuses }: NotifyEvent): NotifyEvent['statuses'] {
  const known = spool.statuses(id);
  if (known.size === 0) return statuses;
  return new Map([...statuses].filter(([index]) => (known.get(index)?.status ?? 'pending') === 'pending'));
}

/** The changes that become durable with the notification: `changes`, and the reported ends. */
function recordOf(
  { id, envelope, statuses, kind, changes = [] }: NotifyEvent,
  decision: DsnDecision,
): Change[] {
  if (kind !== 'ended') return [...changes];
  const told = new Set(decision.recipients.map(({ recipient }) => recipient));
  const ends = [...statuses].flatMap(([index, status]): Change[] => {
    const recipient = envelope.recipients[index];
    return recipient !== undefined && told.has(recipient)
      ? [{ kind: 'status', id, recipient: index, status }]
      : [];
  });
  return [...changes, ...ends];
}

/** More than a notice of ours is. */
const maxNoticeBytes = 64_000_000;

/**
 * Sends a notice that was refused for its size again, without the enclosed message; true if it does. The failure that
 * it reports is reported nowhere else.
 */
async function sendShorter(parts: NotifierParts, event: NotifyEvent): Promise<boolean> {
  const { envelope, kind, octets } = event;
  const { ground } = envelope.origin;
  if (kind !== 'ended' || (ground !== notificationGround && ground !== doubleBounceGround)) return false;
  const statuses = untold(parts.spool, event);
  const refused = [...statuses].filter(([, status]) => isTooLarge(status));
  const recipients = refused.flatMap(([index]) => envelope.recipients[index] ?? []);
  if (recipients.length === 0 || recipients.length < statuses.size) return false;
  const shorter = await shortenDsn(await readStart(octets, maxNoticeBytes));
  if (shorter === undefined) return false;
  await using draft = parts.spool.begin();
  const content = { ...envelope.content, size: shorter.length };
  const changes = refused.map(
    ([recipient, status]): Change => ({ kind: 'status', id: event.id, recipient, status }),
  );
  await draft.write(shorter);
  await parts
    .queue()
    .accept(draft, { ...envelope, recipients, content }, { changes: [...(event.changes ?? []), ...changes] });
  parts.log.info('bounce-shortened', { queueId: draft.id, about: event.id, size: shorter.length });
  return true;
}

/** Refused for the size of the message (RFC 3463 §3.4, RFC 1870 §6.3), not for a full mailbox. */
function isTooLarge({ status, reply }: RecipientStatus): boolean {
  if (status !== 'failed') return false;
  return (
    reply.detail === '3.4' || reply.detail === '2.3' || (reply.code === 552 && reply.detail === undefined)
  );
}

/** A message whose octets can no longer be read is reported nevertheless. */
async function readSafely(parts: NotifierParts, event: NotifyEvent): Promise<Original> {
  try {
    return await readOriginal(event.octets, parts.settings().maxReturnedBytes);
  } catch (error) {
    parts.log.error('original-unreadable', { queueId: event.id, because: String(error) });
    return { header: Buffer.alloc(0) };
  }
}

async function carryOut(
  parts: NotifierParts,
  event: NotifyEvent,
  { decision, original }: { readonly decision: DsnDecision; readonly original: Original },
): Promise<void> {
  const { hostname, postmaster } = parts.settings();
  if (decision.kind === 'drop') {
    parts.log.warn('bounce-dropped', {
      queueId: event.id,
      because: decision.because,
      to: decision.recipients.map(({ recipient }) => recipient.address.text),
      reply: decision.recipients.map(({ reply }) => formatReplyText(reply)),
    });
    return;
  }
  const named = decision.kind === 'notify' ? decision.to : postmaster;
  const to = await destinedOne(parts, { address: named });
  if (to.kind === 'refused') {
    const because = `a notice to ${named.text} is refused here: ${formatReplyText(to.reply)}`;
    await goInstead(parts, event, { decision, original, because });
    return;
  }
  const draft = parts.spool.begin();
  const built = await buildDsn({
    kind: decision.kind,
    to: named,
    recipients: decision.recipients,
    envelope: event.envelope,
    original,
    originalId: event.id,
    id: draft.id,
    hostname,
    now: parts.clock.now(),
    ...(event.kind === 'delayed' ? { willRetryUntil: event.retryUntil } : {}),
  });
  try {
    await draft.write(built.octets);
    const { recipients } = to;
    const smtputf8 = built.envelope.smtputf8 || areWide(recipients);
    const envelope = { ...built.envelope, recipients, smtputf8 };
    await parts.queue().accept(draft, envelope, { changes: recordOf(event, decision) });
  } finally {
    await draft[Symbol.asyncDispose]();
  }
  parts.log.info('bounce-sent', {
    queueId: draft.id,
    about: event.id,
    kind: decision.kind === 'double-bounce' ? doubleBounceGround : event.kind,
    to: named.text,
  });
}

/**
 * The addressee of a notice does not exist: a failure is reported to the postmaster, as for a notice that bounced;
 * anything else ends in the log.
 */
async function goInstead(
  parts: NotifierParts,
  event: NotifyEvent,
  {
    decision,
    original,
    because,
  }: {
    readonly decision: DsnDecision;
    readonly original: Original;
    readonly because: string;
  },
): Promise<void> {
  const { recipients } = decision;
  const isFailure = recipients.some(({ action }) => action === 'failed');
  const isForPostmaster = decision.kind === 'notify' && isFailure;
  if (!isForPostmaster && event.changes !== undefined) await parts.spool.update(event.changes);
  const instead: DsnDecision = isForPostmaster
    ? { kind: 'double-bounce', recipients }
    : { kind: 'drop', because, recipients };
  await carryOut(parts, event, { decision: instead, original });
}
