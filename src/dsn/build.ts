import { type Address, type Envelope, findField, formatDate, isAscii, type QueueId } from '../mail/index.ts';
import { doubleBounceGround, notificationGround, type ReportedRecipient } from './decide.ts';
import { explain, subjectOf } from './explain.ts';
import { statusPart } from './fields.ts';
import { hasEightBit, type Original, type ReturnedPart, returnedPart } from './original.ts';

/** All that a DSN is made of. `recipients` comes from `dsnFor` and is not empty. */
export interface DsnInput {
  /** `double-bounce` is the notice to the postmaster, who is `to`. */
  readonly kind: 'notify' | 'double-bounce';
  readonly to: Address;
  readonly recipients: readonly ReportedRecipient[];
  /** The envelope of the message that is reported on, and what `readOriginal` gave. */
  readonly envelope: Envelope;
  readonly original: Original;
  /** The queue id of that message. */
  readonly originalId: QueueId;
  /** The queue id that the DSN gets: its Message-ID and its boundary are made of it. */
  readonly id: QueueId;
  /** Our own name: the Reporting-MTA. */
  readonly hostname: string;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** When a delayed message will be given up; milliseconds since 1970. */
  readonly willRetryUntil?: number;
}

/** A DSN ready to be spooled. */
export interface BuiltDsn {
  /** Null reverse-path, one recipient, and the facts of the content. */
  readonly envelope: Envelope;
  readonly octets: Buffer;
}

/**
 * Builds a DSN (RFC 3464 in RFC 6522; RFC 6533 when the message was SMTPUTF8). It asks the next hop for
 * 8BITMIME only when it encloses 8-bit content, and for SMTPUTF8 only when its addressee cannot do without.
 * Its size is bounded by what `original` holds and by the number of recipients.
 */
export function buildDsn(input: DsnInput): BuiltDsn {
  const { envelope, recipients } = input;
  const global = envelope.smtputf8;
  const isFailure = recipients.some(({ action }) => action === 'failed');
  const returned = returnedPart(input.original, {
    // RFC 3461 §6.2: content goes back with failures only.
    wantFull: isFailure && envelope.ret !== 'hdrs',
    isBinary: envelope.content.isBinary,
    global,
  });
  const parts = [textPart(input, returned.kind), deliveryStatusPart(input, global), encodePart(returned)];
  const boundary = freeBoundary(`=_${input.id}`, parts);
  const is8bit = parts.some(hasEightBit);
  const header = headerLines(input, { boundary, is8bit, global }).join('\r\n');
  const octets = Buffer.concat([
    Buffer.from(`${header}\r\n\r\nThis is a report in MIME format.\r\n`),
    ...parts.flatMap((part) => [Buffer.from(`\r\n--${boundary}\r\n`), part]),
    Buffer.from(`\r\n--${boundary}--\r\n`),
  ]);
  return { octets, envelope: envelopeOf(input, octets) };
}

function headerLines(
  input: DsnInput,
  options: { readonly boundary: string; readonly is8bit: boolean; readonly global: boolean },
): string[] {
  const { hostname, to, now, id, kind, recipients } = input;
  const reference = messageIdOf(input.original.header);
  return [
    `From: Mail Delivery System <MAILER-DAEMON@${hostname}>`,
    `To: <${to.text}>`,
    `Subject: ${subjectOf(recipients[0]?.action ?? 'failed', kind === 'double-bounce')}`,
    `Date: ${formatDate(now)}`,
    `Message-ID: <${id}@${hostname}>`,
    ...(reference === undefined ? [] : [`In-Reply-To: ${reference}`, `References: ${reference}`]),
    // RFC 3834 §5.2: never auto-generated, which is for what answers nothing.
    'Auto-Submitted: auto-replied',
    'MIME-Version: 1.0',
    `Content-Type: multipart/report; report-type=${options.global ? 'global-' : ''}delivery-status;`,
    `\tboundary="${options.boundary}"`,
    ...(options.is8bit ? ['Content-Transfer-Encoding: 8bit'] : []),
  ];
}

function textPart(input: DsnInput, returned: 'message' | 'header'): Buffer {
  const { envelope, hostname, willRetryUntil } = input;
  const text = explain(input.recipients, {
    hostname,
    arrivedAt: envelope.receivedAt,
    isDoubleBounce: input.kind === 'double-bounce',
    unicode: envelope.smtputf8,
    returned,
    ...(willRetryUntil === undefined ? {} : { willRetryUntil }),
  });
  const isPlain = isAscii(text);
  return Buffer.from(
    [
      `Content-Type: text/plain; charset=${isPlain ? 'us-ascii' : 'utf-8'}`,
      'Content-Description: Notification',
      `Content-Transfer-Encoding: ${isPlain ? '7bit' : '8bit'}`,
      '',
      text,
    ].join('\r\n'),
  );
}

function deliveryStatusPart(input: DsnInput, global: boolean): Buffer {
  const { envelope, hostname, originalId, willRetryUntil } = input;
  const status = statusPart(
    {
      hostname,
      queueId: originalId,
      arrivedAt: envelope.receivedAt,
      ...(envelope.envid === undefined ? {} : { envid: envelope.envid }),
      ...(willRetryUntil === undefined ? {} : { willRetryUntil }),
    },
    input.recipients,
    global,
  );
  return Buffer.from(
    [
      `Content-Type: message/${global ? 'global-' : ''}delivery-status`,
      'Content-Description: Delivery report',
      ...(isAscii(status) ? [] : ['Content-Transfer-Encoding: 8bit']),
      '',
      status,
    ].join('\r\n'),
  );
}

function encodePart(part: ReturnedPart): Buffer {
  const what = part.kind === 'message' ? 'Undelivered message' : 'Header of the message';
  const header = [
    `Content-Type: ${part.type}`,
    `Content-Description: ${what}`,
    `Content-Transfer-Encoding: ${part.encoding}`,
  ];
  return Buffer.concat([Buffer.from(`${header.join('\r\n')}\r\n\r\n`), part.octets]);
}

/** The sender cannot know our next queue id, so a second round is an accident and a third one a wonder. */
function freeBoundary(start: string, parts: readonly Buffer[]): string {
  let boundary = start;
  for (let round = 1; parts.some((part) => part.includes(boundary)); round++) boundary = `${start}-${round}`;
  return boundary;
}

/** The Message-ID of the original, if it has one that is safe to repeat. */
function messageIdOf(header: Buffer): string | undefined {
  const value = findField(header, 'message-id') ?? '';
  return /^<[!-;=?-~]{1,250}>$/.test(value) ? value : undefined;
}

function envelopeOf(input: DsnInput, octets: Buffer): Envelope {
  const is8bit = hasEightBit(octets);
  return {
    reversePath: null,
    recipients: [{ address: input.to }],
    body: is8bit ? '8bitmime' : '7bit',
    // UTF-8 inside the parts is 8-bit content; only an address in our own header needs more (RFC 6531 §3.1).
    smtputf8: !isAscii(input.to.text),
    content: {
      size: octets.length,
      hasEightBit: is8bit,
      hasLeadingDot: octets.includes('\r\n.'),
      endsWithCrlf: true,
      isBinary: false,
    },
    origin: {
      client: '',
      helo: input.hostname,
      listener: '',
      ground: input.kind === 'notify' ? notificationGround : doubleBounceGround,
      session: '',
    },
    receivedAt: input.now,
  };
}
