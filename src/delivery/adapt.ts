import type { OutgoingMessage, Unmet } from '../client/index.ts';
import { asciiMailbox, needsSmtputf8, type Recipient } from '../mail/index.ts';
import { downgrade } from './downgrade.ts';

/** A header section longer than this is not looked through: the message keeps its SMTPUTF8. */
const maxHeaderBytes = 1_000_000;

/**
 * The same message in a form that a server without `unmet` takes, where that is lawful: eight-bit and binary
 * parts in quoted-printable or base64 (RFC 6152 §3, RFC 3030 §4), no SMTPUTF8 for what is all ASCII, A-labels
 * for U-labels (RFC 6531 §3.6). `undefined` when there is none: it has to be bounced with the reply of `unmet`.
 */
export async function adapt(
  message: OutgoingMessage,
  unmet: Unmet,
  maxBytes: number,
): Promise<OutgoingMessage | undefined> {
  switch (unmet.needs) {
    case 'size':
      return undefined;
    case 'smtputf8':
      return withoutSmtputf8(message);
    default:
      return withoutEightBit(message, maxBytes);
  }
}

/** Whether a recipient can be named to a server without SMTPUTF8. */
export function isAsciiRecipient({ address }: Recipient): boolean {
  return !needsSmtputf8(address);
}

async function withoutEightBit(
  message: OutgoingMessage,
  maxBytes: number,
): Promise<OutgoingMessage | undefined> {
  if (message.octets.size > maxBytes) return undefined;
  const pieces: Buffer[] = [];
  if (message.octets.whole === undefined)
    for await (const piece of message.octets.chunks()) pieces.push(piece);
  const converted = downgrade(message.octets.whole ?? Buffer.concat(pieces));
  if (converted === undefined) return undefined;
  const { octets, content } = converted;
  const whole = { size: octets.length, whole: octets, chunks: () => oneChunk(octets) };
  return { ...message, octets: whole, content, body: '7bit' };
}

async function* oneChunk(octets: Buffer): AsyncIterable<Buffer> {
  yield octets;
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
  for (const octet of header) if (octet > 127) return 'wide';
  return end < 0 ? 'open' : 'ascii';
}
