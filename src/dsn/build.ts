/** Builds a DSN (RFC 3464 in RFC 6522). */
import { isAscii as isAsciiOnly, isUtf8 } from 'node:buffer';
import { Slices } from '../base/index.ts';
import {
  type Address,
  asciiMailbox,
  type Envelope,
  encodeBody,
  encodeText,
  findField,
  isAscii,
  noticeHeader,
  type QueueId,
} from '../mail/index.ts';
import { doubleBounceGround, notificationGround, type ReportedRecipient } from './decide.ts';
import { explain, subjectOf } from './explain.ts';
import { statusPart } from './fields.ts';
import { type Original, type ReturnedPart, returnedPart } from './original.ts';

/** All that a DSN is made of. `recipients` comes from `dsnFor` and is not empty. */
export interface DsnInput {
  /** `double-bounce` is the notice to the postmaster, who is `to`. */
  readonly kind: 'notify' | 'double-bounce';
  readonly to: Address;
  readonly recipients: readonly ReportedRecipient[];
  /** The envelope of the reported message, and the result of `readOriginal`. */
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
 * Builds a DSN (RFC 3464 in RFC 6522). It is made of 7-bit lines whatever it encloses and repeats, so that every
 * server accepts it; only an addressee whose name is beyond ASCII asks for SMTPUTF8. The forms of RFC 6533 are for
 * messages that were SMTPUTF8 and whose fields need it. Its size is bounded by `original` and the number of
 * recipients, and it is built in slices.
 */
export async function buildDsn(input: DsnInput, slices = new Slices()): Promise<BuiltDsn> {
  const { envelope, recipients, original } = input;
  const global = envelope.smtputf8 && (hasUtf8(original.header) || recipients.some(isWide));
  const isFailure = recipients.some(({ action }) => action === 'failed');
  // RFC 3461 §6.2: content goes back with failures only.
  const wantFull = isFailure && envelope.ret !== 'hdrs';
  const returned = await returnedPart(original, { wantFull, global }, slices);
  const parts = [
    textPart(input, returned.kind),
    await deliveryStatusPart(input, global, slices),
    encodePart(returned),
  ];
  const boundary = freeBoundary(`=_${input.id}`, parts);
  const octets = Buffer.concat([
    Buffer.from(`${header(input, { boundary, global })}This is a report in MIME format.\r\n`),
    ...parts.flatMap((part) => [Buffer.from(`\r\n--${boundary}\r\n`), part]),
    Buffer.from(`\r\n--${boundary}--\r\n`),
  ]);
  return { octets, envelope: envelopeOf(input, octets) };
}

/** Whether a field of the recipient is beyond ASCII. */
function isWide({ recipient, reply }: ReportedRecipient): boolean {
  const { address, originalRecipient } = recipient;
  return !isAscii([address.text, originalRecipient?.address ?? '', ...reply.lines].join(''));
}

/** Whether a header needs UTF-8. Other octets above 127 gain nothing by it. */
function hasUtf8(header: Buffer): boolean {
  return isUtf8(header) && !isAsciiOnly(header);
}

function header(input: DsnInput, options: { readonly boundary: string; readonly global: boolean }): string {
  const { hostname, to, now, id, kind, recipients } = input;
  return noticeHeader({
    from: `Mail Delivery System <MAILER-DAEMON@${hostname}>`,
    to,
    subject: subjectOf(recipients[0]?.action ?? 'failed', kind === 'double-bounce'),
    now,
    messageId: `${id}@${hostname}`,
    reference: messageIdOf(input.original.header),
    autoSubmitted: 'auto-replied',
    content: [
      `Content-Type: multipart/report; report-type=${options.global ? 'global-' : ''}delivery-status;`,
      `\tboundary="${options.boundary}"`,
    ],
  });
}

function addressee(to: Address): string {
  return asciiMailbox(to) ?? to.text;
}

function textPart(input: DsnInput, returned: 'message' | 'header'): Buffer {
  const { envelope, hostname, willRetryUntil } = input;
  const text = explain(input.recipients, {
    hostname,
    arrivedAt: envelope.receivedAt,
    isDoubleBounce: input.kind === 'double-bounce',
    returned,
    ...(willRetryUntil === undefined ? {} : { willRetryUntil }),
  });
  const { type, encoding, octets } = encodeText(text);
  return partOf({ type, description: 'Notification', encoding, octets });
}

async function deliveryStatusPart(input: DsnInput, global: boolean, slices: Slices): Promise<Buffer> {
  const { envelope, hostname, originalId, willRetryUntil } = input;
  const status = await statusPart(
    {
      hostname,
      queueId: originalId,
      arrivedAt: envelope.receivedAt,
      global,
      ...(envelope.envid === undefined ? {} : { envid: envelope.envid }),
      ...(willRetryUntil === undefined ? {} : { willRetryUntil }),
    },
    input.recipients,
    slices,
  );
  const octets = Buffer.from(status);
  const type = `message/${global ? 'global-' : ''}delivery-status`;
  const description = 'Delivery report';
  if (isAscii(status)) return partOf({ type, description, octets });
  // RFC 6533 §3: only the global form may have UTF-8, and may be encoded.
  const encoded = await encodeBody(octets, 'quoted-printable', slices);
  return partOf({ type, description, encoding: 'quoted-printable', octets: Buffer.concat(encoded) });
}

function encodePart({ kind, type, encoding, octets }: ReturnedPart): Buffer {
  const description = kind === 'message' ? 'Undelivered message' : 'Header of the message';
  return partOf({ type, description, encoding, octets });
}

function partOf(part: {
  readonly type: string;
  readonly description: string;
  readonly encoding?: string;
  readonly octets: Buffer;
}): Buffer {
  const header = [
    `Content-Type: ${part.type}`,
    `Content-Description: ${part.description}`,
    ...(part.encoding === undefined ? [] : [`Content-Transfer-Encoding: ${part.encoding}`]),
  ];
  return Buffer.concat([Buffer.from(`${header.join('\r\n')}\r\n\r\n`), part.octets]);
}

/** Above this it is not looked whether dots have to be doubled: they are looked for as the notice goes out. */
const maxSearched = 1_000_000;

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
  // An addressee beyond ASCII in the header is all that can be.
  const isWide = !isAscii(addressee(input.to));
  return {
    reversePath: null,
    recipients: [{ address: input.to }],
    body: isWide ? '8bitmime' : '7bit',
    smtputf8: isWide,
    content: {
      size: octets.length,
      hasEightBit: isWide,
      // A search of millions of line ends in one go takes too long, and may always be answered with yes.
      hasLeadingDot: octets.length > maxSearched || octets.includes('\r\n.'),
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
