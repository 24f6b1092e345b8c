/** Replies of SMTP: their codes, their classes, their text. */

/**
 * One SMTP reply. The same value goes to the wire, the log, the metrics and the tests.
 * `detail` is the subject and detail of the enhanced status (`7.1`); its class digit is derived
 * from the code, so the two cannot disagree (RFC 2034 §4).
 */
export interface Reply {
  readonly code: number;
  readonly detail?: string;
  /** At least one line; printable text without CR or LF. */
  readonly lines: readonly string[];
}

/**
 * The refusals of RCPT that mean "no such recipient", by enhanced code (RFC 3463 §3.2, §3.3; 5.1.10 as Exchange
 * says it), and by code for replies that have none.
 */
export const noSuchRecipient: readonly string[] = [
  ...['5.1.0', '5.1.1', '5.1.3', '5.1.4', '5.1.6', '5.1.10', '5.2.1'],
  ...['550', '551', '553'],
];

/** Makes a reply of one line. `detail` is `subject.detail`, for example `7.1`. */
export function reply(code: number, detail: string | undefined, text: string): Reply {
  return detail === undefined ? { code, lines: [text] } : { code, detail, lines: [text] };
}

/** The first digit of the code. */
export function replyClass(value: Reply): number {
  return Math.floor(value.code / 100);
}

/** True for 2yz and 3yz (RFC 5321 §4.2.1). */
export function isPositive(value: Reply): boolean {
  return value.code < 400;
}

/** True for 4yz. */
export function isTransient(value: Reply): boolean {
  return value.code >= 400 && value.code < 500;
}

/** True for 5yz. */
export function isPermanent(value: Reply): boolean {
  return value.code >= 500;
}

/** The enhanced status as RFC 3463 writes it, `5.7.1`; without a detail, `X.0.0`. */
export function enhancedStatus(value: Reply): string {
  return `${replyClass(value) === 3 ? 2 : replyClass(value)}.${value.detail ?? '0.0'}`;
}

/** The reply as one line for a log or a DSN: `550 5.7.1 text`. Lines are joined by a space. */
export function formatReplyText(value: Reply): string {
  const status = value.detail === undefined ? '' : ` ${enhancedStatus(value)}`;
  return `${value.code}${status} ${value.lines.join(' ')}`;
}
