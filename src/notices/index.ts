/**
 * Mail that the relay itself writes: the fate of a message (DSN), alarms of the watchdog, holds of the guard.
 *
 * All have one header (`noticeHeader` of mail). Notices of text are made and sent by `send.ts`, as local mail; a DSN
 * is spooled with the statuses that it reports, in one commit. Every notice has the null reverse-path, goes where the
 * recipient policy leads mail for its recipient, and asks programs not to answer.
 *
 * On failure: a DSN is durable in the commit that records the reported ends; one without a reachable addressee goes to
 * the postmaster, otherwise to the log. An alarm or a hold whose notice cannot be sent is in the log.
 *
 * RFC 3464 (DSN), RFC 3834 (automatic mail), RFC 2047 (words beyond ASCII).
 */

export { type NoticeParts, sendAlarmNotice } from './alarm-notice.ts';
export { type NoticesEvents, noticesEvents } from './events.ts';
export { type HoldNoticeParts, tellOfHold } from './hold-notice.ts';
export { createNotifier, type NotifierParts } from './notifier.ts';
