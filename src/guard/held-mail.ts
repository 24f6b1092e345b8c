/** The held mail in the queue: holds, counts, releases and removes it. */
import type { Clock } from '../base/index.ts';
import { type QueueId, queueIdBound } from '../mail/index.ts';
import type { Operated, Operator, Portion, Queue } from '../queue/index.ts';
import { type Spool, walkInTurns } from '../spool/index.ts';
import type { HeldMail } from './ask.ts';
import type { HeldCounts } from './hold.ts';
import { subjectOf } from './subject.ts';

/** The parts that the guard uses to change the queue. */
export interface GuardMailParts {
  readonly spool: Spool;
  readonly queue: Pick<Queue, 'claims'>;
  readonly operator: Pick<Operator, 'hold' | 'release' | 'remove'>;
  readonly clock: Clock;
}

/** Messages that are changed at once: they share a sync. */
const batch = 100;
/** The number of waits for a running attempt, and the length of each. */
const rounds = 20;
const waitMs = 500;

/** Holds, counts, releases and removes by walking the queue; nothing is kept in memory between messages. */
export function createHeldMail(parts: GuardMailParts): HeldMail {
  const { spool, operator } = parts;
  return {
    async hold({ subject, from, because }) {
      let messages = 0;
      let octets = 0;
      await each(walk(spool, { from }), async (id) => {
        const envelope = spool.envelope(id);
        if (envelope === undefined || envelope.receivedAt < from || subjectOf(envelope.origin) !== subject)
          return;
        if (spool.entries(id).every(({ held }) => held !== undefined)) return;
        // A message that an operator holds keeps his reason.
        const free = portionOf(parts, id, (held) => held === undefined);
        if ((await operator.hold(id, because, free)) !== 'done') return;
        messages++;
        octets += envelope.content.size;
      });
      return { messages, octets };
    },
    count: (tag, from) => countHeld(parts, tag, from),
    release: (tag, from) =>
      decide(parts, { tag, from }, (id) => operator.release(id, tagged(parts, id, tag))),
    remove: (tag, range) =>
      decide(parts, { tag, ...range }, (id) => operator.remove(id, tagged(parts, id, tag))),
  };
}

async function countHeld(parts: GuardMailParts, tag: string, from: number): Promise<HeldCounts> {
  let messages = 0;
  let octets = 0;
  for await (const id of heldMessages(parts, { tag, from })) {
    messages++;
    octets += parts.spool.envelope(id)?.content.size ?? 0;
  }
  return { messages, octets };
}

interface Range {
  readonly tag: string;
  readonly from: number;
  readonly until?: number;
}

/** The messages that are kept with this tag, the oldest first. */
async function* heldMessages(
  { spool, queue }: Pick<GuardMailParts, 'spool' | 'queue'>,
  { tag, from, until }: Range,
): AsyncGenerator<QueueId> {
  const isTagged = (because: string | undefined) => because?.startsWith(tag) === true;
  for await (const id of walk(spool, { from, ...(until !== undefined && { until }) })) {
    // A message of a running attempt is held after it, and then has to be released as well.
    const isKept =
      spool.entries(id).some(({ held }) => isTagged(held)) ||
      queue.claims.of(id).some(({ holds }) => [...(holds?.values() ?? [])].some(isTagged));
    if (isKept) yield id;
  }
}

/**
 * The recipients whose hold the guard may change: an operator may have held others of the same message, or released
 * them. `undefined`: all of them.
 */
function portionOf(
  { spool, queue }: GuardMailParts,
  id: QueueId,
  isOurs: (held: string | undefined) => boolean,
): Portion {
  const entries = spool.entries(id);
  const ours = entries.filter(({ number, held }) => {
    const holds = queue.claims.get(id, number)?.holds;
    return isOurs(held) || [...(holds?.values() ?? [])].some(isOurs);
  });
  if (ours.length === entries.length) return undefined;
  return new Set(ours.flatMap(({ recipients }) => (recipients === 'all' ? [] : recipients)));
}

function tagged(parts: GuardMailParts, id: QueueId, tag: string): Portion {
  return portionOf(parts, id, (held) => held?.startsWith(tag) === true);
}

/** Applies `change` to each message. One of a running attempt is tried again for some seconds. */
async function decide(
  parts: GuardMailParts,
  range: Range,
  change: (id: QueueId) => Promise<Operated>,
): Promise<number> {
  let messages = 0;
  for (let round = 0; round < rounds; round++) {
    let isComplete = true;
    await each(heldMessages(parts, range), async (id) => {
      const operated = await change(id);
      if (operated === 'done') messages++;
      if (operated === 'under-way') isComplete = false;
    });
    if (isComplete) break;
    await new Promise<void>((resolve) => parts.clock.after(waitMs, resolve));
  }
  return messages;
}

/** Some at a time, so that their writes share a sync. */
async function each(ids: AsyncIterable<QueueId>, work: (id: QueueId) => Promise<void>): Promise<void> {
  let some: Promise<void>[] = [];
  for await (const id of ids) {
    some.push(work(id));
    if (some.length < batch) continue;
    await Promise.all(some);
    some = [];
  }
  await Promise.all(some);
}

function walk(
  spool: Spool,
  range: { readonly from: number; readonly until?: number },
): AsyncGenerator<QueueId> {
  const from = queueIdBound(Math.max(0, range.from));
  return walkInTurns(spool, { from, ...(range.until !== undefined && { until: queueIdBound(range.until) }) });
}
