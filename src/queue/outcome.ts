import type { Log } from '../base/index.ts';
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

/** Writes one line for each recipient whose status became known. */
export function logStatuses(
  log: Log,
  of: {
    readonly id: QueueId;
    readonly envelope: Envelope;
    readonly statuses: ReadonlyMap<number, RecipientStatus>;
    readonly now: number;
  },
): void {
  for (const [index, status] of of.statuses) {
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
}
