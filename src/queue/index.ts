/**
 * The schedule of attempts over the spool. The queue knows lanes (one destination each, with its own concurrency
 * and health), claims entries that are due, hands them to `Deliver` and records the status of each recipient.
 *
 * Invariants: an attempt is counted and durable before anything is dialled; a message leaves the spool
 * only when every recipient has ended and every notification about that is itself spooled; entries that
 * are not due soon are on disk only, so memory does not grow with the queue.
 *
 * On failure: an attempt that a crash interrupted is due at once after the restart; a message that cannot
 * be read is held and logged as an error; a destination that does not answer is suspended and probed with one
 * message before more follow. While the spool takes no writes no attempt begins, and ended entries stay
 * claimed until they are recorded: they are delivered again only if the process dies first.
 *
 * RFC 5321 §4.5.4 (retries), RFC 3461 §5 (notifications).
 */

export type { Portion } from './entry.ts';
export { retryDelay, statusWord } from './entry.ts';
export { type QueueEvents, queueEvents } from './events.ts';
export type { Suspension } from './lane.ts';
export { type Operated, Operator } from './operator.ts';
export {
  defaultLanes,
  defaultRetry,
  type LaneOptions,
  type QueueOptions,
  type RetryOptions,
} from './options.ts';
export type {
  AssignLanes,
  Attempt,
  AttemptResult,
  Deliver,
  Health,
  Notify,
  NotifyEvent,
  QueueParts,
  Routing,
} from './parts.ts';
export { type AcceptOptions, Queue } from './queue.ts';
export { Sweep } from './sweep.ts';
