/** Converts a message for a server that lacks an extension. */
import { type Places, Slices } from '../base/index.ts';
import type { OutgoingMessage, OutgoingOctets, Unmet } from '../client/index.ts';
import { asciiMailbox, downgrade, needsSmtputf8, type Recipient } from '../mail/index.ts';

/** A header section longer than this is not looked through: the message keeps its SMTPUTF8. */
const maxHeaderBytes = 1_000_000;

/** A message of at most this size is sent in one piece, a longer one in pieces of it. */
const pieceOctets = 64 * 1024;

/** The parts that conversion needs. */
export interface Conversions {
  /** Larger messages are not converted. */
  readonly maxBytes: number;
  /** The number of messages converted at once: each is in memory as a whole, before and after. */
  readonly places: Places;
}

/**
 * The same message in a form that a server without `unmet` takes, if that is lawful: eight-bit and binary parts in
 * quoted-printable or base64 (RFC 6152 §3, RFC 3030 §4), no SMTPUTF8 if all is ASCII, A-labels for U-labels (RFC 6531
 * §3.6). `undefined` when there is none: it has to be bounced with the reply of `unmet`.
 */
export async function adapt(
  message: OutgoingMessage,
  unmet: Unmet,
  conversions: Conversions,
): Promise<OutgoingMessage | undefined> {
  switch (unmet.needs) {
    case 'size':
      return undefined;
    case 'smtputf8':
      return withoutSmtputf8(message);
    default:
      return withoutEightBit(message, conversions);
  }
}

/** Whether a recipient can be named to a server without SMTPUTF8. */
export function isAsciiRecipient({ address }: Recipient): boolean {
  return !needsSmtputf8(address);
}

async function withoutEightBit(
  message: OutgoingMessage,
  { maxBytes, places }: Conversions,
): Promise<OutgoingMessage | undefined> {
  if (message.octets.size > maxBytes) return undefined;
  using _ = await places.take();
  const converted = await downgrade(await inMemory(message.octets), new Slices());
  if (converted === undefined) return undefined;
  const { pieces, content } = converted;
  return { ...message, octets: octetsOf(pieces, content.size), content, body: '7bit' };
}

async function inMemory(octets: OutgoingOctets): Promise<Buffer> {
  if (octets.whole !== undefined) return octets.whole;
  const all = Buffer.allocUnsafe(octets.size);
  let at = 0;
  for await (const piece of octets.chunks()) at += piece.copy(all, at);
  if (at < octets.size) throw new RangeError(`${at} of ${octets.size} octets came`);
  return all;
}

function octetsOf(pieces: readonly Buffer[], size: number): OutgoingOctets {
  return {
    size,
    whole: size <= pieceOctets ? Buffer.concat(pieces) : undefined,
    async *chunks() {
      for (const piece of pieces) {
        for (let at = 0; at < piece.length; at += pieceOctets) yield piece.subarray(at, at + pieceOctets);
      }
    },
  };
}

async function withoutSmtputf8(message: OutgoingMessage): Promise<OutgoingMessage | undefined> {
  const { reversePath, recipients } = message;
  if (reversePath !== null && needsSmtputf8(reversePath)) return undefined;
  if (!recipients.every(isAsciiRecipient)) return undefined;
  if (!(await hasAsciiHeader(message))) return undefined;
  return {
    ...message,
    smtputf8: false,
    reversePath:
      reversePath === null ? null : { ...reversePath, text: asciiMailbox(reversePath) ?? reversePath.text },
    recipients: recipients.map((recipient) => {
      const text = asciiMailbox(recipient.address);
      return text === undefined ? recipient : { ...recipient, address: { ...recipient.address, text } };
    }),
  };
}

/** Reads no further than the empty line after the header. */
async function hasAsciiHeader({ octets }: OutgoingMessage): Promise<boolean> {
  if (octets.whole !== undefined) return scanHeader(octets.whole) !== 'wide';
  let tail: Buffer = Buffer.alloc(0);
  let seen = 0;
  for await (const piece of octets.chunks()) {
    // The empty line may be divided between two pieces.
    const verdict = scanHeader(Buffer.concat([tail, piece]));
    if (verdict !== 'open') return verdict === 'ascii';
    tail = piece.subarray(-3);
    seen += piece.length;
    if (seen > maxHeaderBytes) return false;
  }
  return true;
}

function scanHeader(octets: Buffer): 'ascii' | 'wide' | 'open' {
  const end = octets.indexOf('\r\n\r\n');
  const header = end < 0 ? octets : octets.subarray(0, end);
  for (let at = 0; at < header.length; at++) if ((header[at] ?? 0) > 127) return 'wide';
  return end < 0 ? 'open' : 'ascii';
}
