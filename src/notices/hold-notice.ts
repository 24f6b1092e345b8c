/** Sends notices of a hold of the guard: to the postmaster and, if the identity is a mail address, to its owner. */
import type { Log } from '../base/index.ts';
import { type HoldRecord, type Notice, noticeToOwner, noticeToPostmaster } from '../guard/index.ts';
import type { LocalParts } from '../local-mail/index.ts';
import { type Address, asciiMailbox, parseMailbox } from '../mail/index.ts';
import type { NoticesEvents } from './events.ts';
import { type NoticeSettings, sendNotice } from './send.ts';

/** The parts that notices of holds need. */
export interface HoldNoticeParts {
  /** The way of notices: past the guard, for local mail has no budget. */
  readonly local: () => LocalParts;
  readonly log: Log<NoticesEvents>;
  readonly config: () => NoticeSettings;
}

/** Notifies the postmaster and, if the identity is a mail address, its owner. */
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

/** A notice that is not accepted is in the log. */
async function send({ local, log, config }: HoldNoticeParts, to: Address, notice: Notice): Promise<void> {
  const { hostname, postmaster } = config();
  const from = `"Mail relay ${hostname}" <${asciiMailbox(postmaster) ?? `postmaster@${hostname}`}>`;
  const recipient = { address: to, notify: 'never' } as const;
  const outcome = await sendNotice(local(), { ...notice, user: 'guard', from, to: recipient }, { hostname });
  if (outcome.kind === 'refused') {
    log.error('guard-notice-refused', { to: to.text, reply: outcome.reply.lines.join(' ') });
  }
}
