import { type Log, Slices } from '../base/index.ts';
import { type Envelope, formatReplyText, type QueueId, type RecipientStatus } from '../mail/index.ts';

/**
 * The word of the log for a status, of those that the documentation promises; `redirected` and `removed`, which
 * an operator did, are in lists only.
 */
export function statusWord(
  status: RecipientStatus,
): 'delivered' | 'deferred' | 'bounced' | 'expired' | 'redirected' | 'removed' {
  switch (status.status) {
    case 'delivered':
      return status.redirected === true ? 'redirected' : 'delivered';
    case 'pending':
      return 'deferred';
    case 'failed':
      if (status.removed === true) return 'removed';
      return status.expired === true ? 'expired' : 'bounced';
  }
}

/** Statuses of one message that became known. */
interface KnownStatuses {
  readonly id: QueueId;
  readonly envelope: Envelope;
  readonly statuses: ReadonlyMap<number, RecipientStatus>;
  readonly now: number;
}

/** What a line of the log counts for, in octets of a slice: tens of microseconds, with a long reply. */
const lineOctets = 4096;

/** Writes one line for each recipient whose status became known. */
export function logStatuses(log: Log, of: KnownStatuses): void {
  for (const one of of.statuses) logStatus(log, of, one);
}

/** The same for what a next hop said, which may be long and to each of a thousand: in slices. */
export async function logAnswers(log: Log, of: KnownStatuses): Promise<void> {
  const slices = new Slices();
  for (const one of of.statuses) {
    logStatus(log, of, one);
    const others = slices.spend(lineOctets);
    if (others !== undefined) await others;
  }
}

function logStatus(log: Log, of: KnownStatuses, [index, status]: readonly [number, RecipientStatus]): void {
  const word = statusWord(status);
  log.info(word, {
    queueId: of.id,
    from: of.envelope.reversePath?.text ?? '',
    to: of.envelope.recipients[index]?.address.text,
    relay: status.relay,
    status: word,
    reply: formatReplyText(status.reply),
    delayMs: of.now - of.envelope.receivedAt,
  });
}
