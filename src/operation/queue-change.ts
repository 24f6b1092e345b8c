/** Changes messages and recipients of the queue for an operator. */
import { ControlError } from '../admin/index.ts';
import type { Clock } from '../base/index.ts';
import { destinedOne, type LocalParts } from '../local-mail/index.ts';
import { formatReplyText, type LaneName, parseMailbox, type QueueId } from '../mail/index.ts';
import type { Operated, Operator, Portion } from '../queue/index.ts';
import { type Spool, SpoolError } from '../spool/index.ts';
import type { Changed, Planned, QueueChange, Reach, Selector } from './commands.ts';
import { type Selected, select, type Waiting, waiting } from './queue-view.ts';

/** The parts that changes of the queue need. */
export interface QueueChangeParts {
  readonly spool: Spool;
  readonly operator: Operator;
  readonly clock: Clock;
  readonly local: Pick<LocalParts, 'destinationOf'>;
}

/** How long a flush waits for destinations to answer, and how often it looks. */
const flushMs = 5000;
const lookMs = 50;

/** One call: the change, the selection, and its reach. */
export interface ChangeCall extends Reach {
  readonly change: QueueChange;
  readonly selector: Selector;
}

/**
 * Changes the selected recipients, one message after the other; yields the items of `Control.change`. Throws
 * `ControlError` if the spool refuses.
 */
export async function* changeQueue(parts: QueueChangeParts, call: ChangeCall): AsyncGenerator<Changed> {
  const { spool } = parts;
  const { change, selector } = call;
  try {
    const operate = await operation(parts, change);
    if (change.verb === 'flush') yield* flush(parts, call);
    else
      for await (const selected of select(spool, selector)) {
        if ((await operate(selected.id, portionOf(call, selected))) === 'done') yield selected.id;
      }
  } catch (error) {
    throw error instanceof SpoolError ? refusal(error) : error;
  }
}

function portionOf({ whole = false }: ChangeCall, { portion }: Selected): Portion {
  return whole ? undefined : portion;
}

/**
 * The effects that a change would have. A release is for held messages, a flush for the others. Throws as
 * `changeQueue`.
 */
export async function* planChange(parts: QueueChangeParts, call: ChangeCall): AsyncGenerator<Planned> {
  const { spool } = parts;
  const { change, selector, whole = false } = call;
  await operation(parts, change);
  const isFor = ({ held }: Waiting) =>
    change.verb === 'release' ? held : change.verb === 'flush' ? !held : true;
  for await (const selected of select(spool, selector)) {
    const all = waiting(spool, selected);
    const touched = all.filter((one) => isFor(one) && (whole || one.isNamed));
    if (touched.length === 0) continue;
    yield {
      id: selected.id,
      recipients: touched.map(({ to }) => to),
      unnamed: touched.filter(({ isNamed }) => !isNamed).map(({ to }) => to),
      left: all.filter((one) => !touched.includes(one)).map(({ to }) => to),
    };
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

async function* flush(parts: QueueChangeParts, call: ChangeCall): AsyncGenerator<Changed> {
  const { spool, operator } = parts;
  const { selector } = call;
  // Everything at once is a matter of lanes, not of one message after the other.
  const isAll = !('ids' in selector) && Object.keys(selector.match).length === 0;
  const lanes = isAll ? undefined : new Set<LaneName>();
  if (isAll) operator.flushLane();
  for await (const selected of select(spool, isAll ? { match: { held: false } } : selector)) {
    const { id } = selected;
    if (!isAll && (await operator.flush(id, portionOf(call, selected))) !== 'done') continue;
    for (const { lane } of lanes === undefined ? [] : spool.entries(id)) lanes?.add(lane);
    yield id;
  }
  for (const [lane, { until, because }] of await outcome(parts, lanes)) {
    yield { lane, until, reply: formatReplyText(because) };
  }
}

/** Waits until it is known which destinations take nothing, or for as long as a person likes to wait. */
async function outcome({ operator, clock }: QueueChangeParts, lanes: ReadonlySet<LaneName> | undefined) {
  const giveUpAt = clock.now() + flushMs;
  for (;;) {
    const { isOver, suspended } = operator.flushed(lanes);
    if (isOver || clock.now() >= giveUpAt) return suspended;
    await new Promise<void>((resolve) => clock.after(lookMs, resolve));
  }
}

/** The operation of the queue for a change. Throws `ControlError` for an impossible one. */
async function operation(
  { operator, local }: QueueChangeParts,
  change: QueueChange,
): Promise<(id: QueueId, portion: Portion) => Promise<Operated>> {
  switch (change.verb) {
    case 'hold':
      return (id, portion) => operator.hold(id, change.because, portion);
    case 'release':
      return (id, portion) => operator.release(id, portion);
    case 'flush':
      return (id, portion) => operator.flush(id, portion);
    case 'remove':
      return (id, portion) => operator.remove(id, portion);
    case 'bounce':
      return (id, portion) => operator.bounce(id, change.because, portion);
    case 'redirect': {
      const address = parseMailbox(change.to, { smtputf8: true });
      if (address === undefined) throw new ControlError('bad-request', `not an address: ${change.to}`);
      const to = await destinedOne(local, { address });
      if (to.kind === 'refused')
        throw new ControlError('no-user', `${address.text} is refused: ${formatReplyText(to.reply)}`);
      return (id, portion) => operator.redirect(id, to.recipients, portion);
    }
  }
}
