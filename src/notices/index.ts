/**
 * Mail that the relay itself writes: what became of a message (DSN), alarms of the watchdog, holds of the guard.
 *
 * All have one header (`noticeHeader` of mail). What is text is made and sent by `send.ts`, as mail of this machine; a DSN
 * is spooled with the statuses that it tells of, in one commit. Every notice has the null reverse-path, goes where the
 * recipient policy leads mail for its recipient, and is not to be answered by a program.
 *
 * On failure: a DSN is durable in the commit that records what it tells of; one that nobody can get goes to the
 * postmaster, else to the log. An alarm or a hold that cannot be written about is in the log.
 *
 * RFC 3464 (DSN), RFC 3834 (automatic mail), RFC 2047 (words beyond ASCII).
 */

export { type NoticeParts, sendAlarmNotice } from './alarm-notice.ts';
export { type NoticesEvents, noticesEvents } from './events.ts';
export { type HoldNoticeParts, tellOfHold } from './hold-notice.ts';
export { createNotifier, type NotifierParts } from './notifier.ts';
