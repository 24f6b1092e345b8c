/** The subject and the text of a DSN. */
import { formatDate, isTransient } from '../mail/index.ts';
import type { DsnAction, ReportedRecipient } from './decide.ts';
import { publicRelay, statusCode } from './fields.ts';
import { peerText, visible, wrap } from './text.ts';

/** The facts in the text of a notification beside its recipients. */
export interface Explained {
  readonly hostname: string;
  readonly arrivedAt: number;
  readonly willRetryUntil?: number;
  /** It is for the postmaster: the message had no sender to be returned to. */
  readonly isDoubleBounce: boolean;
  /** The attachment: the whole message or its header. */
  readonly returned: 'message' | 'header';
}

/** The Subject of a notification of this kind. */
export function subjectOf(action: DsnAction, isDoubleBounce: boolean): string {
  return isDoubleBounce ? 'Undeliverable notification' : wording[action].subject;
}

const wording: Record<DsnAction, { readonly subject: string; readonly first: string }> = {
  failed: {
    subject: 'Your message could not be delivered',
    first: 'could not be delivered to the address below, and will not be tried again.',
  },
  delayed: {
    subject: 'Your message is delayed',
    first:
      'has not been delivered yet to the address below. This is only a warning: nothing is lost, and you do not have to send it again.',
  },
  delivered: {
    subject: 'Your message was delivered',
    first: 'was delivered to the address below. You asked to be told.',
  },
  relayed: {
    subject: 'Your message was passed on',
    first:
      'was passed on to a mail system that does not report deliveries. Unless it fails there, you will hear no more of it.',
  },
  expanded: {
    subject: 'Your message was passed on to a group',
    first: 'was accepted for the group below and passed on to its members.',
  },
};

/** The meaning of a status for people, by subject and detail of the code (RFC 3463 §3), or by subject alone. */
const meanings: Readonly<Record<string, readonly [meaning: string, advice: string]>> = {
  '1': ['There is something wrong with the address.', 'Check how the address is written.'],
  '1.1': [
    'The mail system there does not know this address.',
    'Check the spelling of the address, or ask the person for the right one.',
  ],
  '1.2': [
    'The part after the @ is not the name of a mail system.',
    'Check the spelling of the part after the @.',
  ],
  '1.3': ['The address is not written as an address can be.', 'Check the spelling of the address.'],
  '1.6': ['The mailbox has moved and left no new address.', 'Ask the person for the new address.'],
  '1.7': ['Your own address was not accepted.', 'Check the sender address in your mail program.'],
  '1.8': ['Your own address was not accepted.', 'Check the sender address in your mail program.'],
  '1.10': ['This domain does not take mail at all.', 'Check the spelling of the part after the @.'],
  '2': ['The mailbox cannot take the message.', 'Try again later, or reach the person in another way.'],
  '2.1': ['The mailbox is switched off.', 'Reach the person in another way.'],
  '2.2': ['The mailbox is full.', 'Try again when the person has made room.'],
  '2.3': ['The message is too large for this mailbox.', 'Send less, or share the files in another way.'],
  '3': ['The mail system there has trouble.', 'Try again later.'],
  '3.4': ['The message is too large for the mail system.', 'Send less, or share the files in another way.'],
  '4': ['The mail system there could not be reached.', 'Check the part after the @, or try again later.'],
  '4.6': ['The message went round in a circle.', 'Ask your mail administrator for help.'],
  '4.7': ['The message could not be delivered in time.', 'Try again later.'],
  '5': ['The two mail systems did not understand each other.', 'Ask your mail administrator for help.'],
  '5.3': ['The message has too many recipients.', 'Send it to fewer people at a time.'],
  '6': ['The mail system there cannot take this kind of content.', 'Send it in a simpler form.'],
  '6.7': [
    'The mail system there does not take international addresses.',
    'Use an address without accents or special letters, if the person has one.',
  ],
  '7': ['The mail system there refused the message.', 'Reach the person in another way, or ask for help.'],
  '7.1': [
    'The mail system there does not let you write to this address.',
    'Reach the person in another way, or ask your mail administrator for help.',
  ],
};
const unknown = ['The mail system gave no clear reason.', 'Try again later, or ask for help.'] as const;

/** The text is encoded, so that it may be in any script. */
const unicode = { unicode: true } as const;

/** People do not read more; the delivery report has them all. */
const maxListed = 50;

/** The text for people: the first part of the report. Lines end with CRLF and stay under 80 characters. */
export function explain(recipients: readonly ReportedRecipient[], facts: Explained): string {
  const action = recipients[0]?.action ?? 'failed';
  const more = recipients.length - maxListed;
  const first = facts.isDoubleBounce
    ? 'A message without a return address could not be delivered to the address below. As it cannot be returned, you are told as the postmaster.'
    : `Your message of ${formatDate(facts.arrivedAt)} ${wording[action].first}`;
  const lines = [
    `This is the mail system at ${facts.hostname}.`,
    '',
    ...wrap(recipients.length > 1 ? first.replace('the address below', 'the addresses below') : first, 72),
    ...(action === 'delayed' ? untilLines(facts) : []),
    ...recipients.slice(0, maxListed).flatMap((reported) => recipientLines(reported, facts)),
    ...(more > 0 ? ['', `  and ${more} more, see the delivery report`] : []),
    '',
    ...wrap(closing(action, facts), 72),
  ];
  return lines.map((line) => `${line}\r\n`).join('');
}

function untilLines({ willRetryUntil }: Explained): string[] {
  const until = willRetryUntil === undefined ? '' : ` until ${formatDate(willRetryUntil)}`;
  return ['', ...wrap(`Delivery is being tried again${until}. You will be told if it fails in the end.`, 72)];
}

function recipientLines(reported: ReportedRecipient, facts: Explained): string[] {
  const { recipient, action } = reported;
  const written = recipient.originalRecipient?.address;
  const as = written === undefined || written === recipient.address.text ? '' : ` (you wrote to ${written})`;
  return [
    '',
    `  ${visible(`<${recipient.address.text}>${as}`.slice(0, 700), unicode)}`,
    ...(action === 'failed' || action === 'delayed' ? reasonLines(reported, facts) : []),
  ];
}

function reasonLines(reported: ReportedRecipient, facts: Explained): string[] {
  const detail = statusCode(reported).slice(2);
  const [meaning, advice] = meanings[detail] ?? meanings[detail.split('.')[0] ?? ''] ?? unknown;
  const why = [...(reported.expired === true ? ['The time for delivery ran out.'] : []), meaning].join(' ');
  const relay = publicRelay(reported.relay);
  const said = peerText(`${reported.reply.code} ${reported.reply.lines.join(' ')}`, unicode);
  const speaker = relay ?? (reported.relay === undefined ? 'This mail system' : 'The next mail system');
  const show = reported.action === 'failed' && !(reported.expired === true && isTransient(reported.reply));
  return [
    ...wrap(why, 68),
    `${speaker} said:`,
    ...wrap(said, 66).map((line) => `  ${line}`),
    ...(show && !facts.isDoubleBounce ? wrap(`What you can do: ${advice}`, 68) : []),
  ].map((line) => `    ${line}`);
}

function closing(action: DsnAction, { hostname, isDoubleBounce, returned }: Explained): string {
  const what = isDoubleBounce ? 'the message' : 'your message';
  const attached = returned === 'message' ? `a copy of ${what}` : `the header of ${what}`;
  const details = `The technical details and ${attached} are attached.`;
  if (isDoubleBounce || (action !== 'failed' && action !== 'delayed')) return details;
  return `${details} If you need help, write to postmaster@${hostname} and include this whole notice.`;
}
