/** Going over many messages, in turns between which everything else goes on: mail comes in and is delivered. */
import type { QueueId } from '../mail/index.ts';
import type { Spool } from './spool.ts';

/** Messages of one turn: a few milliseconds where each is looked at. */
const messagesPerTurn = 100;

/**
 * Ids of all messages by age, as `Spool.walk` has them. Messages that are added or removed meanwhile may be left out.
 */
export function walkInTurns(
  spool: Pick<Spool, 'walk'>,
  range?: Parameters<Spool['walk']>[0],
): AsyncGenerator<QueueId, undefined> {
  return inTurns(spool.walk(range));
}

/** The same for other items: each of `items` once, in their order. */
export async function* inTurns<T>(
  items: Iterable<T>,
  perTurn = messagesPerTurn,
): AsyncGenerator<T, undefined> {
  let seen = 0;
  for (const item of items) {
    yield item;
    if (++seen % perTurn === 0) await new Promise<void>((resolve) => setImmediate(resolve));
  }
}
