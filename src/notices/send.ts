/** One notice that is text: made of its lines, and taken in as mail of this machine. */

import { acceptLocal, type LocalMessage, type LocalOutcome, type LocalParts } from '../local-mail/index.ts';
import { type Address, encodeText, noticeHeader, type Recipient } from '../mail/index.ts';

/** A notice. */
export interface TextNotice {
  /** Names it in the trace, in the Message-ID and in the origin of the message. */
  readonly user: 'guard' | 'watchdog';
  /** The value of From, in ASCII. */
  readonly from: string;
  readonly to: Recipient;
  readonly subject: string;
  /** Without line ends. */
  readonly lines: readonly string[];
}

/** The configuration of notices. */
export interface NoticeSettings {
  readonly hostname: string;
  readonly postmaster: Address;
}

/** The message of a notice, as automatic mail (RFC 3834). */
export function noticeMessage(
  { user, from, to, subject, lines }: TextNotice,
  { hostname, now }: { readonly hostname: string; readonly now: number },
): LocalMessage {
  const body = encodeText(`${lines.join('\r\n')}\r\n`);
  const header = noticeHeader({
    from,
    to: to.address,
    subject,
    now,
    messageId: `${user}.${now.toString(36)}.${Math.random().toString(36).slice(2)}@${hostname}`,
    autoSubmitted: 'auto-generated',
    content: [`Content-Type: ${body.type}`, `Content-Transfer-Encoding: ${body.encoding}`],
  });
  const octets = Buffer.concat([Buffer.from(header), body.octets]);
  return { reversePath: null, recipients: [to], user, octets: once(octets) };
}

/** Sends it where the recipient policy leads mail for its recipient. */
export function sendNotice(
  local: LocalParts,
  notice: TextNotice,
  { hostname }: Pick<NoticeSettings, 'hostname'>,
): Promise<LocalOutcome> {
  return acceptLocal(local, noticeMessage(notice, { hostname, now: local.clock.now() }));
}

async function* once(octets: Uint8Array): AsyncGenerator<Uint8Array> {
  yield octets;
}
