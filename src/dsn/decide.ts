/** Decides who is notified of an event (RFC 3461 §5.2). */
import {
  type Address,
  type Envelope,
  type Notify,
  type Recipient,
  type RecipientStatus,
  type Reply,
  reply,
} from '../mail/index.ts';

/** The Action field of a DSN (RFC 3464 §2.3.3). */
export type DsnAction = 'failed' | 'delayed' | 'delivered' | 'relayed' | 'expanded';

/** The statement of a DSN about one recipient. */
export interface ReportedRecipient {
  readonly recipient: Recipient;
  readonly action: DsnAction;
  /** The last reply about it. With a `relay` it is that server's, without one it is ours. */
  readonly reply: Reply;
  readonly relay?: string;
  /** Milliseconds since 1970 of the last attempt; absent when there was none. */
  readonly at?: number;
  /** The time for delivery ran out. */
  readonly expired?: boolean;
}

/** An event of the recipients with these indices into `envelope.recipients`. */
export interface DsnEvent {
  /**
   * `ended`: their statuses became delivered or failed. `delayed`: the time to warn has come.
   * `expanded`: an address of ours stood for several and was replaced by them (RFC 3461 §5.2.7.3).
   */
  readonly kind: 'ended' | 'delayed' | 'expanded';
  readonly recipients: readonly number[];
}

/** The decision about an event. The caller carries it out, and logs it. */
export type DsnDecision =
  /** Send a DSN to the reverse-path. */
  | { readonly kind: 'notify'; readonly to: Address; readonly recipients: readonly ReportedRecipient[] }
  /** The reverse-path is null, so the postmaster is notified (RFC 3461 §5.2). */
  | { readonly kind: 'double-bounce'; readonly recipients: readonly ReportedRecipient[] }
  /** A failure without a notification. It must be in the log, for it is nowhere else. */
  | { readonly kind: 'drop'; readonly because: string; readonly recipients: readonly ReportedRecipient[] };

/** The ground in the origin of a notification to a reverse-path. */
export const notificationGround = 'notification';
/** The ground in the origin of a notice to the postmaster. When one fails, it ends there. */
export const doubleBounceGround = 'double-bounce';

const untried = reply(451, '4.7', 'No attempt could be made so far');

/**
 * Decides on the notifications of an event (RFC 3461 §5.2). Without NOTIFY, failures and delays are reported. One DSN
 * reports one action, so that its text can. An empty list means no notification.
 */
export function dsnFor(
  envelope: Envelope,
  statuses: ReadonlyMap<number, RecipientStatus>,
  event: DsnEvent,
): readonly DsnDecision[] {
  const reported = event.recipients.flatMap((index) => {
    const recipient = envelope.recipients[index];
    return recipient === undefined ? [] : report(recipient, statuses.get(index), event.kind);
  });
  const failures = reported.filter(({ action }) => action === 'failed');
  const rest = reported.filter(({ action, recipient }) => action !== 'failed' && wants(recipient, action));
  const decisions = decideFailures(envelope, failures);
  const to = envelope.reversePath;
  if (to === null) return decisions;
  const groups = Map.groupBy(rest, ({ action }) => action).values();
  return [...decisions, ...groups.map((recipients) => ({ kind: 'notify' as const, to, recipients }))];
}

/** The status of one recipient as an action, or nothing when the event does not concern it. */
function report(
  recipient: Recipient,
  status: RecipientStatus | undefined,
  event: DsnEvent['kind'],
): ReportedRecipient[] {
  if (event === 'expanded') {
    return [{ recipient, action: 'expanded', reply: reply(250, '1.5', 'Passed on to the members') }];
  }
  if (event === 'delayed') {
    if (status === undefined) return [{ recipient, action: 'delayed', reply: untried }];
    return status.status === 'pending' ? [{ recipient, action: 'delayed', ...facts(status) }] : [];
  }
  if (status?.status === 'failed') {
    const expired = status.expired === true ? { expired: true } : {};
    return [{ recipient, action: 'failed', ...facts(status), ...expired }];
  }
  // A next hop that took over the duty to notify would otherwise make it two (RFC 3461 §5.2.1).
  if (status?.status !== 'delivered' || status.dsnPassedOn === true) return [];
  return [{ recipient, action: status.relayed === true ? 'relayed' : 'delivered', ...facts(status) }];
}

function facts({ reply, at, relay }: RecipientStatus): Pick<ReportedRecipient, 'reply' | 'at' | 'relay'> {
  return relay === undefined ? { reply, at } : { reply, at, relay };
}

const word = {
  failed: 'failure',
  delayed: 'delay',
  delivered: 'success',
  relayed: 'success',
  expanded: 'success',
} as const satisfies Record<DsnAction, string>;

const byDefault: Notify = ['failure', 'delay'];

function wants({ notify = byDefault }: Recipient, action: DsnAction): boolean {
  return notify !== 'never' && notify.includes(word[action]);
}

function decideFailures(envelope: Envelope, failures: readonly ReportedRecipient[]): DsnDecision[] {
  if (envelope.origin.ground === doubleBounceGround) {
    return some({ kind: 'drop', because: 'a notice to the postmaster failed', recipients: failures });
  }
  const told = failures.filter(({ recipient }) => wants(recipient, 'failed'));
  const untold = failures.filter(({ recipient }) => !wants(recipient, 'failed'));
  const dropped = some({ kind: 'drop', because: 'the sender asked for no notice', recipients: untold });
  if (envelope.reversePath === null)
    return [...some({ kind: 'double-bounce', recipients: told }), ...dropped];
  return [...some({ kind: 'notify', to: envelope.reversePath, recipients: told }), ...dropped];
}

function some(decision: DsnDecision): DsnDecision[] {
  return decision.recipients.length === 0 ? [] : [decision];
}
