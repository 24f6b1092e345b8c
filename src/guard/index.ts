/**
 * Budgets and automatic holds. A subject is a user (from all addresses together), a client address of an open relay,
 * or a client in a trusted network. Its budgets limit messages, recipients, new recipients and failed recipients in
 * any period of some length. A subject that exceeds a budget is held: this message and later ones are accepted and
 * held, with those that still wait in the queue, until an operator releases or removes them.
 *
 * The guard is asked once for each message, before it is accepted, and answers at once. It never slows a subject down:
 * a 4yz reply would be an error for a person and nothing for an abuser. Subjects do not affect each other.
 *
 * Invariants: a grant for a recipient of ours (`recipient`), a local user (`local`) and a trap are not counted; a
 * client of an open relay always is, whatever the configuration or an operator allows. A message is held only under a
 * hold that is on disk. Memory is bounded: subjects, recipients and counts by fixed tables, held mail by counts;
 * beyond those the subject gets 452 4.7.1, and nothing is lost.
 *
 * On failure: counts are in memory and begin afresh at a start, holds and allowances do not. A hold that cannot be
 * written makes its messages 451. A release or removal that a crash cut off continues at the next start. A notice that
 * cannot be sent is in the log.
 *
 * `Watchdog` checks every few seconds whether mail moves: `RouteWatch` notes the ends of attempts, `SpoolWalk` visits
 * waiting mail, and `Alarms` turns lasting faults into alarms: each is reported when it begins, again after the repeat
 * interval, and when it is over. The composition root writes the notices.
 *
 * RFC 2505 §2.5 (rates), RFC 5068 §3 and RFC 6409 §3.1 (a submission server answers for its users), RFC 3834
 * (notices).
 */

export { type Alarm, type AlarmEvent, type AlarmKind, Alarms, type Condition, calmMs } from './alarms.ts';
export type { GuardMemory, HeldMail, TellOfHold } from './ask.ts';
export type { Budgets } from './budget.ts';
export { guardCommands } from './commands.ts';
export { createGuardControl } from './control.ts';
export { createGuard } from './create-guard.ts';
export { type GuardEvents, guardEvents } from './events.ts';
export { Guard, type Judgement } from './guard.ts';
export { createGuardCheck } from './guard-check.ts';
export { guardDelivery } from './guarded-delivery.ts';
export {
  type Allowance,
  forever,
  type HeldCounts,
  type HoldRecord,
  type HoldState,
  type HoldStatus,
  holdTag,
  parseHoldId,
} from './hold.ts';
export { openGuardMemory } from './memory-file.ts';
export { type Notice, noticeToOwner, noticeToPostmaster } from './notice.ts';
export {
  addressCeiling,
  type Budget,
  type Counted,
  countedKinds,
  defaultGuard,
  formatBudget,
  type GuardOptions,
  type GuardParts,
  type HeldBounds,
  isUnderCeiling,
  type SubjectOptions,
} from './options.ts';
export { parseSubject, type SubjectKey, type SubjectKind, subjectOf } from './subject.ts';
export { Watchdog, watched } from './watchdog.ts';
export { byMx, RouteWatch } from './watchdog-routes.ts';
export { type Held, SpoolWalk, type WatchedEntry } from './watchdog-spool.ts';
