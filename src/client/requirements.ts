/** The extensions that a message requires of a server: 8BITMIME, SMTPUTF8, BDAT. */
import { type Body, isAscii, type Reply, reply } from '../mail/index.ts';
import type { Extensions } from '../smtp/index.ts';
import type { OutgoingMessage, Unmet } from './message.ts';

/** The extensions that the octets need, whatever the sender declared: the facts decide (RFC 6152, RFC 3030 §3). */
export function neededBody(message: OutgoingMessage): Body {
  // A binary message need not end with a line end, and must not be given one.
  if (message.content.isBinary || (message.body === 'binarymime' && !message.content.endsWithCrlf)) {
    return 'binarymime';
  }
  return message.content.hasEightBit || hasEightBit(message.prefix) ? '8bitmime' : '7bit';
}

/** The content lacks the line end that a message of lines has before its final dot. */
export function lacksLineEnd(message: OutgoingMessage): boolean {
  return !message.content.endsWithCrlf && neededBody(message) !== 'binarymime';
}

/** Whether an address needs SMTPUTF8, or the sender asked for it. */
export function needsSmtputf8(message: OutgoingMessage): boolean {
  return message.smtputf8 || hasWideAddress(message);
}

/** The size for SIZE=: without stuffed dots and the final dot (RFC 1870 §5). */
export function messageSize(message: OutgoingMessage): number {
  return (message.prefix?.length ?? 0) + message.octets.size + (lacksLineEnd(message) ? 2 : 0);
}

/**
 * The extension that this message needs and a server with these capabilities lacks; `undefined` when it can be sent.
 * The caller decides whether to convert it or to bounce it with the reply.
 */
export function checkCapabilities(message: OutgoingMessage, capabilities: Extensions): Unmet | undefined {
  const body = neededBody(message);
  if (body === 'binarymime' && !(capabilities.binaryMime && capabilities.chunking)) return unmetBinaryMime;
  if (body === '8bitmime' && !capabilities.eightBitMime) return unmetEightBitMime;
  if (!capabilities.smtputf8 && needsSmtputf8(message)) {
    return hasWideAddress(message) ? unmetAddress : unmetHeader;
  }
  // SIZE 0 and SIZE without a number set no limit (RFC 1870 §4).
  if (capabilities.size && messageSize(message) > capabilities.size) return unmetSize;
  return undefined;
}

const unmet = (needs: Unmet['needs'], said: Reply): Unmet => ({ needs, reply: said });

const unmetEightBitMime = unmet('8bitmime', reply(554, '6.3', 'the next hop does not offer 8BITMIME'));
const unmetBinaryMime = unmet('binarymime', reply(554, '6.3', 'the next hop does not offer BINARYMIME'));
export const unmetAddress = unmet(
  'smtputf8',
  reply(553, '6.7', 'the next hop takes no addresses beyond ASCII'),
);
const unmetHeader = unmet('smtputf8', reply(554, '6.9', 'the next hop does not offer SMTPUTF8'));
const unmetSize = unmet('size', reply(552, '3.4', 'the message is larger than the next hop takes'));

/** Some address has characters beyond ASCII. */
export function hasWideAddress(paths: Pick<OutgoingMessage, 'reversePath' | 'recipients'>): boolean {
  if (paths.reversePath !== null && !isAscii(paths.reversePath.text)) return true;
  for (const each of paths.recipients) if (!isAscii(each.address.text)) return true;
  return false;
}

function hasEightBit(octets: Buffer | undefined): boolean {
  if (octets === undefined) return false;
  for (const octet of octets) if (octet > 127) return true;
  return false;
}
