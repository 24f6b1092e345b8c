/** Writes to the postmaster about an alarm of the watchdog. */
import type { Delivery } from '../delivery/index.ts';
import { type Alarm, byMx } from '../guard/index.ts';
import {
  acceptLocal,
  envelopeOf,
  type LocalMessage,
  type LocalParts,
  localRecipients,
} from '../local-mail/index.ts';
import { formatReplyText, parseLane } from '../mail/index.ts';
import { type NoticeSettings, noticeMessage, type TextNotice } from './send.ts';

/** The parts that notices to the postmaster need. */
export interface NoticeParts {
  readonly local: LocalParts;
  readonly delivery: Pick<Delivery, 'assignLanes'>;
  readonly config: () => NoticeSettings & { readonly alarms: { readonly repeatMs: number } };
}

const lineLength = 78;

/**
 * Writes to the postmaster about an alarm, unless the notice would go by a failing route: it would wait there with the
 * rest. Resolves with its outcome for the log. Never rejects.
 */
export async function sendAlarmNotice(
  parts: NoticeParts,
  alarm: Alarm,
  alarms: readonly Alarm[],
): Promise<{ readonly queueId: string } | { readonly because: string }> {
  try {
    const { hostname } = parts.config();
    const message = noticeMessage(noticeOf(parts, alarm), { hostname, now: parts.local.clock.now() });
    if (await goesByFailing(parts, message, alarms))
      return { because: 'not sent: it would go by a way that fails' };
    const outcome = await acceptLocal(parts.local, message);
    if (outcome.kind === 'accepted') return { queueId: outcome.id };
    return { because: `not sent: ${formatReplyText(outcome.reply)}` };
  } catch (error) {
    return { because: `not sent: ${String(error)}` };
  }
}

async function goesByFailing(
  { local, delivery }: NoticeParts,
  message: LocalMessage,
  alarms: readonly Alarm[],
): Promise<boolean> {
  const { known } = await localRecipients(local, message);
  const content = { size: 0, hasEightBit: false, hasLeadingDot: false, endsWithCrlf: true, isBinary: false };
  const envelope = envelopeOf(message, { recipients: known, content, now: 0 });
  const failing = new Set(alarms.flatMap(({ lanes = [] }) => lanes));
  const isMxDown = alarms.some(({ kind, subject }) => kind === 'route-failing' && subject === byMx);
  return delivery
    .assignLanes(envelope)
    .some(({ lane }) => failing.has(lane) || (isMxDown && parseLane(lane).scheme === byMx));
}

function noticeOf({ config }: NoticeParts, alarm: Alarm): TextNotice {
  const { hostname, postmaster, alarms } = config();
  const { kind, subject, since, because, waiting } = alarm;
  const hours = Math.round(alarms.repeatMs / 3_600_000);
  return {
    user: 'watchdog',
    from: `Mail Delivery System <MAILER-DAEMON@${hostname}>`,
    to: { address: postmaster },
    subject: `${hostname}: ${kind}: ${plain(subject).slice(0, 120)}`,
    lines: [
      titles[kind],
      '',
      ...wrapped(`What:    ${subject}`),
      `Since:   ${new Date(since).toISOString()}`,
      ...wrapped(`Because: ${because}`),
      ...(waiting === undefined ? [] : [`Waiting: ${waiting} messages`]),
      '',
      '"posthouse status" shows whether it lasts, "posthouse queue list" the waiting mail.',
      ...wrapped(
        `More about the same within ${hours} hours is in the log and in the status only. Nothing is lost: mail is kept and tried until queue.retry.maxAge.`,
      ),
    ],
  };
}

const titles: Readonly<Record<Alarm['kind'], string>> = {
  stuck: 'Accepted mail is neither tried nor moved.',
  'route-failing': 'A route of this relay delivers nothing.',
  'host-failing': 'A smart host fails. Its route still has another way.',
  token: 'The login of a route will stop to work: its token cannot be renewed.',
  'token-expired': 'The login of a route has stopped to work: there is no valid token.',
  held: 'Messages have been held for long.',
};

/** Text of peers is shown as ASCII, so that the notice needs no extension of the next hop. */
function plain(text: string): string {
  return text.replace(/[^ -~]/g, '?');
}

function wrapped(text: string): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of plain(text).slice(0, 4000).split(' ')) {
    if (line !== '' && line.length + word.length >= lineLength) {
      lines.push(line);
      line = `  ${word}`;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].map((each) => each.slice(0, 990));
}
