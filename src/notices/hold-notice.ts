/** Tells of a hold of the guard: the postmaster and, where the identity is a mail address, its owner. */
import type { Clock, Log } from '../base/index.ts';
import { type HoldRecord, type Notice, noticeToOwner, noticeToPostmaster } from '../guard/index.ts';
import { type Address, asciiMailbox, encodeText, formatDate, parseMailbox } from '../mail/index.ts';
import { acceptLocal, type LocalParts } from '../submission/index.ts';

/** What telling of holds works with. */
export interface HoldNoticeParts {
  /** How notices are sent: past the guard, for what is local has no budget. */
  readonly local: () => LocalParts;
  readonly clock: Clock;
  readonly log: Log;
  readonly config: () => { readonly hostname: string; readonly postmaster: Address };
}

/** Tells the postmaster and, where the identity is a mail address, its owner. */
export async function tellOfHold(parts: HoldNoticeParts, hold: HoldRecord): Promise<void> {
  const { hostname, postmaster } = parts.config();
  await send(parts, postmaster, noticeToPostmaster(hold, hostname));
  const owner = ownerOf(hold);
  if (owner !== undefined) await send(parts, owner, noticeToOwner(hold, hostname));
}

function ownerOf({ subject }: HoldRecord): Address | undefined {
  return subject.startsWith('identity:')
    ? parseMailbox(subject.slice('identity:'.length), { smtputf8: true })
    : undefined;
}

/** One notice, as mail that nobody answers (RFC 3834). One that is not accepted is in the log. */
async function send(
  { local, clock, log, config }: HoldNoticeParts,
  to: Address,
  notice: Notice,
): Promise<void> {
  const { hostname, postmaster } = config();
  const now = clock.now();
  const body = encodeText(`${notice.lines.join('\r\n')}\r\n`);
  const header = [
    `From: "Mail relay ${hostname}" <${asciiMailbox(postmaster) ?? `postmaster@${hostname}`}>`,
    `To: <${asciiMailbox(to) ?? to.text}>`,
    `Subject: ${encodeWord(notice.subject)}`,
    `Date: ${formatDate(now)}`,
    `Message-ID: <guard.${now.toString(36)}.${Math.random().toString(36).slice(2)}@${hostname}>`,
    'Auto-Submitted: auto-generated',
    'MIME-Version: 1.0',
    `Content-Type: ${body.type}`,
    `Content-Transfer-Encoding: ${body.encoding}`,
  ];
  const outcome = await acceptLocal(local(), {
    reversePath: null,
    recipients: [{ address: to, notify: 'never' }],
    user: 'guard',
    octets: once(Buffer.concat([Buffer.from(`${header.join('\r\n')}\r\n\r\n`), body.octets])),
  });
  if (outcome.kind === 'refused') {
    log.error('guard-notice-refused', { to: to.text, reply: outcome.reply.lines.join(' ') });
  }
}

/** A name beyond ASCII must not make the notice need SMTPUTF8 (RFC 2047 §2). */
function encodeWord(text: string): string {
  if (/^[\x20-\x7e]*$/.test(text)) return text;
  const pieces = text.match(/.{1,12}/gsu) ?? [];
  return pieces.map((piece) => `=?utf-8?B?${Buffer.from(piece).toString('base64')}?=`).join('\r\n ');
}

async function* once(octets: Uint8Array): AsyncGenerator<Uint8Array> {
  yield octets;
}
