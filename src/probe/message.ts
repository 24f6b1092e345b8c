/** The message of a test. */
import { formatDate } from '../mail/index.ts';
import { tokenField } from './token.ts';

/** The facts that a marked message gives about itself. */
export interface MarkedMessage {
  readonly token: string;
  /** Header addresses. */
  readonly from: string;
  readonly to: string;
  /** The host that runs the test. */
  readonly tester: string;
  /** The contact for the reader: an address or a page. */
  readonly contact: string;
  /** The person who authorised the test. */
  readonly authority: string;
  readonly now: number;
}

/**
 * The message of a test: short, harmless, and clear to anybody who finds it. The token is in a header field, because
 * local parts and subjects are rewritten.
 */
export function markedMessage(facts: MarkedMessage): string {
  const lines = [
    `From: <${facts.from}>`,
    `To: <${facts.to}>`,
    `Date: ${formatDate(facts.now)}`,
    `Message-ID: <${facts.token}@${facts.tester}>`,
    'Subject: open relay test, please ignore',
    `${tokenField}: ${facts.token}`,
    'Auto-Submitted: auto-generated',
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=us-ascii',
    '',
    `This message was sent by ${facts.tester} to test whether a mail server relays for anyone.`,
    `The test was allowed by: ${facts.authority}`,
    `Questions and requests to be left out: ${facts.contact}`,
  ];
  return lines.map((line) => `${harmless(line)}\r\n`).join('');
}

/** One line of printable ASCII that begins with no dot. */
function harmless(line: string): string {
  return line.replace(/[^ -~]/g, '?').replace(/^\./, ' .');
}
