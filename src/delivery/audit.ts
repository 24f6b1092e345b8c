/** The lane and the end of an audit's messages. */
import { type Envelope, formatLane, type LaneName, type RecipientStatus, reply } from '../mail/index.ts';
import type { Attempt, AttemptResult } from '../queue/index.ts';

/**
 * Takes the mail of an audit aside after the policy has let it in: mail that a relay would have sent out is seen, and
 * goes nowhere. It exists for the time of a run only; its lane is always known, so that mail that a crash left behind
 * is thrown away at the next start and not sent.
 */
export interface AuditSink {
  /** Whether the message is one of the run. Asked once for each message that is accepted. */
  takes(envelope: Envelope): boolean;
  /** A message has come out of the queue. `lanes` are those that it would have taken. */
  arrived(attempt: Attempt, lanes: readonly LaneName[]): Promise<void>;
}

/** The lane of every message of an audit. No route leads here. */
export const auditLane = formatLane({ scheme: 'audit', place: '' });

export const toAudit: readonly { readonly lane: LaneName; readonly recipients: 'all' }[] = [
  { lane: auditLane, recipients: 'all' },
];

const seen = reply(250, '0.0', 'Seen by the audit');

/** The end of a message of an audit: delivered nowhere, reported to nobody. */
export function auditResult(attempt: Attempt, now: number): AttemptResult {
  // A sender who asked for a report of success gets none: the duty to report was passed on, to nobody.
  const status: RecipientStatus = {
    status: 'delivered',
    at: now,
    relay: 'audit',
    reply: seen,
    dsnPassedOn: true,
  };
  return {
    statuses: new Map(attempt.recipients.map((index) => [index, status])),
    health: { kind: 'alive' },
  };
}
