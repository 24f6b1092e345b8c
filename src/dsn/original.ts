/** Reads the part of the original that a DSN returns. */
import type { Slices } from '../base/index.ts';
import {
  downgrade,
  encodeBody,
  headerEnd,
  isSevenBit,
  isSevenBitThroughout,
  shorterEncoding,
} from '../mail/index.ts';
import { maxReturnedBytes } from './options.ts';

/** The octets of a message as the spool keeps them: whole when they are small, else in chunks. */
export interface OriginalSource {
  readonly size: number;
  readonly whole: Buffer | undefined;
  chunks(): AsyncIterable<Buffer>;
}

/** The part of the original message that is at hand for its DSN. Lines end with CRLF. */
export interface Original {
  /** Up to the empty line, without it; every line with its end. */
  readonly header: Buffer;
  /** All octets; absent when the message is larger than what may be enclosed. */
  readonly full?: Buffer;
}

/** The bound of the header, in octets. */
const maxHeaderBytes = 128 * 1024;

/**
 * Reads the original for a DSN and no more of it than `maxBytes`, whatever its size: a larger message gives
 * its header, and a larger header its first whole lines. Rejects when the source does.
 */
export async function readOriginal(source: OriginalSource, maxBytes = maxReturnedBytes): Promise<Original> {
  const start = await readStart(source, maxBytes);
  const header = headerOf(start, maxBytes);
  return source.size <= maxBytes && start.length >= source.size ? { header, full: start } : { header };
}

/** The beginning of a message: at least `maxBytes` of it, or all. Rejects when the source does. */
export async function readStart(source: OriginalSource, maxBytes: number): Promise<Buffer> {
  if (source.whole !== undefined) return source.whole;
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of source.chunks()) {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= maxBytes) break;
  }
  return Buffer.concat(chunks);
}

/** The header section with its last line end; when it goes on beyond the limit, its first whole lines. */
function headerOf(start: Buffer, maxBytes: number): Buffer {
  const limited = start.subarray(0, Math.min(maxBytes, maxHeaderBytes));
  const end = headerEnd(limited);
  return end < limited.length ? start.subarray(0, end) : limited.subarray(0, limited.lastIndexOf('\n') + 1);
}

/** A body part of 7-bit lines, ready to be put between boundaries: its header fields, and its octets. */
export interface ReturnedPart {
  readonly kind: 'message' | 'header';
  readonly type: string;
  readonly encoding: '7bit' | 'quoted-printable' | 'base64';
  readonly octets: Buffer;
}

/** The form of the third part of a DSN. */
export interface Returning {
  /** The whole message rather than its header. */
  readonly wantFull: boolean;
  /** The report is one for UTF-8 (RFC 6533). */
  readonly global: boolean;
}

/**
 * The third part of the report, always as 7-bit lines, so that a notice reaches every sender. The whole message only
 * when `wantFull` and when it has such a form: message/rfc822 must not be encoded (RFC 2046 §5.2.1), so its parts are;
 * message/global may be (RFC 6532 §3.7). Else the header, encoded where it is no lawful 7-bit text (RFC 6522 §4).
 */
export async function returnedPart(
  original: Original,
  { wantFull, global }: Returning,
  slices: Slices,
): Promise<ReturnedPart> {
  const whole = wantFull && original.full !== undefined ? original.full : undefined;
  const message = whole && (await returnedMessage(whole, global, slices));
  if (message !== undefined) return message;
  const octets = original.header;
  const type = global ? 'message/global-headers' : 'text/rfc822-headers';
  if (isSevenBit(octets)) return { kind: 'header', type, encoding: '7bit', octets };
  const encoded = await encodeBody(octets, 'quoted-printable', slices);
  return { kind: 'header', type, encoding: 'quoted-printable', octets: Buffer.concat(encoded) };
}

async function returnedMessage(
  octets: Buffer,
  global: boolean,
  slices: Slices,
): Promise<ReturnedPart | undefined> {
  const kind = 'message';
  if (await isSevenBitThroughout(octets, slices))
    return { kind, type: 'message/rfc822', encoding: '7bit', octets };
  if (global) {
    const encoding = await shorterEncoding(octets, slices);
    const encoded = await encodeBody(octets, encoding, slices);
    return { kind, type: 'message/global', encoding, octets: Buffer.concat(encoded) };
  }
  const converted = await downgrade(octets, slices);
  if (converted === undefined) return undefined;
  return { kind, type: 'message/rfc822', encoding: '7bit', octets: Buffer.concat(converted.pieces) };
}
