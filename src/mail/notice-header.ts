/** The header of mail that a relay writes by itself: DSNs, alarms, notices of holds. */
import { type Address, asciiMailbox } from './address.ts';
import { formatDate } from './date.ts';

/** The fields in which notices differ. */
export interface NoticeHeader {
  /** The value of From, in ASCII. */
  readonly from: string;
  readonly to: Address;
  readonly subject: string;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** The Message-ID, without its brackets. */
  readonly messageId: string;
  /** The Message-ID, with its brackets, of the message that the notice is about. */
  readonly reference?: string | undefined;
  /** RFC 3834 §5: `auto-replied` answers a message, as a DSN does (§5.2). */
  readonly autoSubmitted: 'auto-generated' | 'auto-replied';
  /** Content-Type and its related fields, as lines. */
  readonly content: readonly string[];
}

/** The header with the empty line behind it. It needs nothing of the next hop; only a name beyond ASCII in To does. */
export function noticeHeader(notice: NoticeHeader): string {
  const { from, to, subject, now, messageId, reference, autoSubmitted, content } = notice;
  const lines = [
    `From: ${from}`,
    `To: <${asciiMailbox(to) ?? to.text}>`,
    `Subject: ${encodeWords(subject)}`,
    `Date: ${formatDate(now)}`,
    `Message-ID: <${messageId}>`,
    ...(reference === undefined ? [] : [`In-Reply-To: ${reference}`, `References: ${reference}`]),
    `Auto-Submitted: ${autoSubmitted}`,
    'MIME-Version: 1.0',
    ...content,
  ];
  return `${lines.join('\r\n')}\r\n\r\n`;
}

/** RFC 2047 §2, in words that are short enough for it. */
function encodeWords(text: string): string {
  if (/^[\x20-\x7e]*$/.test(text)) return text;
  const pieces = text.match(/.{1,12}/gsu) ?? [];
  return pieces.map((piece) => `=?utf-8?B?${Buffer.from(piece).toString('base64')}?=`).join('\r\n ');
}
