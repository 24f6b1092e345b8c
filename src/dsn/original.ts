import { headerEnd } from '../mail/index.ts';

/** The octets of a message as the spool keeps them: whole when they are small, else in chunks. */
export interface OriginalSource {
  readonly size: number;
  readonly whole: Buffer | undefined;
  chunks(): AsyncIterable<Buffer>;
}

/** What of the original message is at hand for its DSN. Lines end with CRLF. */
export interface Original {
  /** Up to the empty line, without it; every line with its end. */
  readonly header: Buffer;
  /** All octets; absent when the message is larger than what may be enclosed. */
  readonly full?: Buffer;
}

/** The default limit on what is enclosed: 50 kB. */
export const maxReturnedBytes = 50_000;

/**
 * Reads the original for a DSN and no more of it than `maxBytes`, whatever its size: a larger message gives
 * its header, and a larger header its first whole lines. Rejects when the source does.
 */
export async function readOriginal(source: OriginalSource, maxBytes = maxReturnedBytes): Promise<Original> {
  const start = source.whole ?? (await readStart(source, maxBytes));
  const header = headerOf(start, maxBytes);
  return source.size <= maxBytes && start.length >= source.size ? { header, full: start } : { header };
}

async function readStart(source: OriginalSource, maxBytes: number): Promise<Buffer> {
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
  const end = headerEnd(start);
  if (end < start.length && end <= maxBytes) return start.subarray(0, end);
  const limited = start.subarray(0, maxBytes);
  return limited.subarray(0, limited.lastIndexOf('\n') + 1);
}

/** A body part ready to be put between boundaries: its header lines and its octets. */
export interface ReturnedPart {
  readonly kind: 'message' | 'header';
  readonly type: string;
  readonly encoding: '7bit' | '8bit' | 'quoted-printable';
  readonly octets: Buffer;
}

/**
 * The third part of the report. The whole message only when `wantFull` and when it may stand in a part of
 * its own: message/rfc822 must not be encoded (RFC 2046 §5.2.1), so content that only BDAT can carry gives
 * its header. A header that is not lawful 7-bit text is encoded (RFC 6522 §4), unless the report is one for
 * UTF-8 (RFC 6533 §4).
 */
export function returnedPart(
  original: Original,
  options: { readonly wantFull: boolean; readonly isBinary: boolean; readonly global: boolean },
): ReturnedPart {
  const { wantFull, isBinary, global } = options;
  if (wantFull && !isBinary && original.full !== undefined) {
    const octets = original.full;
    const type = global ? 'message/global' : 'message/rfc822';
    return { kind: 'message', type, encoding: hasEightBit(octets) ? '8bit' : '7bit', octets };
  }
  const octets = original.header;
  const type = global ? 'message/global-headers' : 'text/rfc822-headers';
  if (isPlainText(octets)) return { kind: 'header', type, encoding: '7bit', octets };
  if (global && !isBinary) return { kind: 'header', type, encoding: '8bit', octets };
  return { kind: 'header', type, encoding: 'quoted-printable', octets: encodeQuotedPrintable(octets) };
}

/** True when some octet is above 127. */
export function hasEightBit(octets: Uint8Array): boolean {
  return octets.some((octet) => octet > 127);
}

/** Lawful 7bit (RFC 2045 §2.7): ASCII without NUL, CR and LF only together, lines of at most 998 octets. */
function isPlainText(octets: Buffer): boolean {
  const text = octets.toString('latin1');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: NUL and 8-bit octets are what is looked for
  return !/[\x00\x80-\xff]|\r(?!\n)|(?<!\r)\n|[^\r\n]{999}/.test(text);
}

/** RFC 2045 §6.7 for text: line ends stay, lines get at most 76 characters. */
export function encodeQuotedPrintable(octets: Buffer): Buffer {
  const lines = octets.toString('latin1').split('\r\n').map(encodeLine);
  return Buffer.from(lines.join('\r\n'), 'latin1');
}

function encodeLine(line: string): string {
  let out = '';
  let width = 0;
  for (let i = 0; i < line.length; i++) {
    const token = encodeOctet(line.charCodeAt(i), i === line.length - 1);
    if (width + token.length > 75) {
      out += '=\r\n';
      width = 0;
    }
    out += token;
    width += token.length;
  }
  return out;
}

function encodeOctet(octet: number, isLast: boolean): string {
  const isBlank = octet === 0x20 || octet === 0x09;
  const isSafe = octet > 0x20 && octet < 0x7f && octet !== 0x3d;
  if (isSafe || (isBlank && !isLast)) return String.fromCharCode(octet);
  return `=${octet.toString(16).toUpperCase().padStart(2, '0')}`;
}
