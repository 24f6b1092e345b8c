import type { Clock, Log } from '../base/index.ts';
import {
  buildDsn,
  type DsnDecision,
  doubleBounceGround,
  dsnFor,
  type Original,
  readOriginal,
} from '../dsn/index.ts';
import { type Address, formatReplyText } from '../mail/index.ts';
import type { Notify, NotifyEvent, Queue } from '../queue/index.ts';
import type { Spool } from '../spool/index.ts';

/** What notifying works with; `settings` is asked each time, so that a reload counts. */
export interface NotifierParts {
  readonly spool: Spool;
  readonly queue: () => Queue;
  readonly clock: Clock;
  readonly log: Log;
  readonly settings: () => {
    readonly hostname: string;
    readonly postmaster: Address;
    readonly maxReturnedBytes: number;
  };
}

/** Decides who hears of an event, and spools the notification before the event itself is recorded. */
export function createNotifier(parts: NotifierParts): Notify {
  return async (event) => {
    const kind = event.kind;
    const decisions = dsnFor(event.envelope, event.statuses, {
      kind,
      recipients: [...event.statuses.keys()],
    });
    if (decisions.length === 0) return;
    const original = await readSafely(parts, event);
    for (const decision of decisions) await carryOut(parts, event, { decision, original });
  };
}

/** A message whose octets cannot be read any more is still reported on. */
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
  const draft = parts.spool.begin();
  const built = buildDsn({
    kind: decision.kind,
    to: decision.kind === 'notify' ? decision.to : postmaster,
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
    await parts.queue().accept(draft, built.envelope);
  } finally {
    await draft[Symbol.asyncDispose]();
  }
  parts.log.info('bounce-sent', {
    queueId: draft.id,
    about: event.id,
    kind: decision.kind === 'double-bounce' ? doubleBounceGround : event.kind,
    to: built.envelope.recipients[0]?.address.text,
  });
}
