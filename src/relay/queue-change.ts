import { type Changed, ControlError, type QueueChange, type Selector } from '../admin/index.ts';
import type { Clock } from '../base/index.ts';
import { formatReplyText, parseMailbox, type QueueId } from '../mail/index.ts';
import type { Operated, Operator } from '../queue/index.ts';
import { type Spool, SpoolError } from '../spool/index.ts';
import { select } from './queue-view.ts';

/** What changing the queue works with. */
export interface QueueChangeParts {
  readonly spool: Spool;
  readonly operator: Operator;
  readonly clock: Clock;
}

/** How long a flush waits for destinations to answer, and how often it looks. */
const flushMs = 5000;
const lookMs = 50;

/**
 * Changes the messages that are meant, one after the other; yields what `Control.change` says. Throws
 * `ControlError` with what the spool refused.
 */
export async function* changeQueue(
  parts: QueueChangeParts,
  change: QueueChange,
  selector: Selector,
): AsyncGenerator<Changed> {
  const { spool, operator } = parts;
  try {
    if (change.verb === 'flush') yield* flush(parts, selector);
    else
      for await (const id of select(spool, selector)) {
        if ((await operate(operator, change, id)) === 'done') yield id;
      }
  } catch (error) {
    throw error instanceof SpoolError ? refusal(error) : error;
  }
}

/** Every one of these leaves the message as it was. */
function refusal(error: SpoolError): ControlError {
  const cause = { cause: error };
  switch (error.code) {
    case 'full':
      return new ControlError('storage', `no space left for this change: ${error.message}`, cause);
    case 'io':
      return new ControlError('storage', `the change cannot be written now: ${error.message}`, cause);
    case 'closed':
      return new ControlError('unavailable', 'the relay is shutting down', cause);
    default:
      return new ControlError('failed', `the queue cannot be read: ${error.message}`, cause);
  }
}

async function* flush(parts: QueueChangeParts, selector: Selector): AsyncGenerator<Changed> {
  const { spool, operator } = parts;
  // Everything at once is a matter of lanes, not of one message after the other.
  const isAll = 'match' in selector && Object.keys(selector.match).length === 0;
  const lanes = isAll ? undefined : new Set<string>();
  if (isAll) operator.flushLane();
  for await (const id of select(spool, isAll ? { match: { held: false } } : selector)) {
    for (const { lane } of lanes === undefined ? [] : spool.entries(id)) lanes?.add(lane);
    if (isAll || (await operator.flush(id)) === 'done') yield id;
  }
  for (const [lane, { until, because }] of await outcome(parts, lanes)) {
    yield { lane, until, reply: formatReplyText(because) };
  }
}

/** Waits until it is known which destinations take nothing, or for as long as a person likes to wait. */
async function outcome({ operator, clock }: QueueChangeParts, lanes: ReadonlySet<string> | undefined) {
  const giveUpAt = clock.now() + flushMs;
  for (;;) {
    const { isOver, suspended } = operator.flushed(lanes);
    if (isOver || clock.now() >= giveUpAt) return suspended;
    await new Promise<void>((resolve) => clock.after(lookMs, resolve));
  }
}

function operate(
  operator: Operator,
  change: Exclude<QueueChange, { readonly verb: 'flush' }>,
  id: QueueId,
): Promise<Operated> {
  switch (change.verb) {
    case 'hold':
      return operator.hold(id, change.because);
    case 'release':
      return operator.release(id);
    case 'remove':
      return operator.remove(id);
    case 'bounce':
      return operator.bounce(id, change.because);
    case 'redirect': {
      const to = parseMailbox(change.to, { smtputf8: true });
      if (to === undefined) throw new ControlError('bad-request', `not an address: ${change.to}`);
      return operator.redirect(id, to);
    }
  }
}
