/** Recognises 7-bit lines, and encodes any octets as 7-bit lines (RFC 2045 §6.7, §6.8). */
import type { Slices } from '../base/index.ts';

const cr = 13;
const lf = 10;
const equals = 61;
const hex = '0123456789ABCDEF';
const lineEnd = Buffer.from('\r\n');

/** The longest line that RFC 5322 §2.1.1 allows, without CRLF. */
const maxLine = 998;
/** The longest line of an encoded body (RFC 2045 §6.7, §6.8), and the octets that base64 puts into it. */
const maxEncodedLine = 76;
const octetsPerLine = 57;

/** Whether octets can go as they are to a server that only takes 7-bit lines (RFC 2045 §2.7). */
export function isSevenBit(octets: Uint8Array): boolean {
  return firstOdd(octets, { from: 0, to: octets.length, lineStart: 0 }).at === octets.length;
}

/** A stretch of octets that is looked at, and where the line began that it begins in. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
  readonly lineStart: number;
}

/**
 * The first octet of the stretch that 7-bit lines do not have: above 127, NUL, CR and LF other than together, or beyond
 * the 998th of its line. `to` when there is none, with the place where the last line began.
 */
export function firstOdd(
  octets: Uint8Array,
  { from, to, lineStart: start }: Stretch,
): { readonly at: number; readonly lineStart: number } {
  let lineStart = start;
  for (let at = from; at < to; at++) {
    const octet = octets[at] ?? 0;
    if (octet > cr && octet < 128) {
      if (at - lineStart >= maxLine) return { at, lineStart };
    } else if (octet === cr) {
      if (octets[at + 1] !== lf) return { at, lineStart };
    } else if (octet === lf) {
      if (at === 0 || octets[at - 1] !== cr) return { at, lineStart };
      lineStart = at + 1;
    } else if (octet === 0 || octet > 127 || at - lineStart >= maxLine) return { at, lineStart };
  }
  return { at: to, lineStart };
}

/** `isSevenBit` of any number of octets, in slices. */
export async function isSevenBitThroughout(octets: Buffer, slices: Slices): Promise<boolean> {
  let lineStart = 0;
  for (let from = 0; from < octets.length; ) {
    const to = Math.min(octets.length, from + slices.octets);
    const found = firstOdd(octets, { from, to, lineStart });
    if (found.at < to) return false;
    const others = slices.spend(to - from);
    if (others !== undefined) await others;
    ({ lineStart } = found);
    from = to;
  }
  return true;
}

/** The encoding that makes less of it: base64 where more than one octet in six would be three. */
export async function shorterEncoding(octets: Buffer, slices: Slices): Promise<SevenBitEncoding> {
  let wide = 0;
  for (let from = 0; from < octets.length; ) {
    const to = Math.min(octets.length, from + slices.octets);
    for (let at = from; at < to; at++) if ((octets[at] ?? 0) > 127) wide++;
    const others = slices.spend(to - from);
    if (others !== undefined) await others;
    from = to;
  }
  return wide * 6 < octets.length ? 'quoted-printable' : 'base64';
}

/** The content transfer encodings that make 7-bit lines of anything. */
export type SevenBitEncoding = 'quoted-printable' | 'base64';

/** The octets encoded, in pieces of the size of a slice. Lines end with CRLF; the last one has no line end of its own. */
export async function encodeBody(
  octets: Buffer,
  encoding: SevenBitEncoding,
  slices: Slices,
): Promise<Buffer[]> {
  const out: Buffer[] = [];
  const step = Math.ceil(slices.octets / octetsPerLine) * octetsPerLine;
  let at = 0;
  let column = 0;
  while (at < octets.length) {
    const from = at;
    if (encoding === 'base64') {
      at = Math.min(at + step, octets.length);
      if (from > 0) out.push(lineEnd);
      out.push(encodeBase64(octets.subarray(from, at)));
    } else {
      const encoded = quotedPrintable(octets, { from, to: Math.min(at + step, octets.length), column });
      out.push(encoded.octets);
      ({ at, column } = encoded);
    }
    const others = slices.spend(at - from);
    if (others !== undefined) await others;
  }
  return out;
}

/** Base64 in lines of 76 characters, each with CRLF but the last (RFC 2045 §6.8). */
export function encodeBase64(octets: Buffer): Buffer {
  return Buffer.from(octets.toString('base64').replace(/.{76}(?=.)/g, '$&\r\n'), 'latin1');
}

/**
 * Quoted-printable (RFC 2045 §6.7): CRLF stays a line end, a bare CR or LF is content and is encoded, and so
 * is a blank at the end of a line.
 */
export function encodeQuotedPrintable(octets: Buffer): Buffer {
  return quotedPrintable(octets, { from: 0, to: octets.length, column: 0 }).octets;
}

/**
 * The octets from `from` up to `to` (or one more, where a line end would be divided) as they are encoded in `column`
 * of a line. `at` and `column` are where it goes on.
 */
function quotedPrintable(
  octets: Buffer,
  { from, to, column: start }: { readonly from: number; readonly to: number; readonly column: number },
): { readonly octets: Buffer; readonly at: number; readonly column: number } {
  // At most three octets for one, and a soft line break of three for 75 of those; one line end more than `to`.
  const out = Buffer.allocUnsafe((to - from) * 3 + Math.ceil((to - from) / 24) * 3 + 8);
  let written = 0;
  let column = start;
  let i = from;
  for (; i < to; i++) {
    const octet = octets[i] ?? 0;
    if (octet === cr && octets[i + 1] === lf) {
      out[written++] = cr;
      out[written++] = lf;
      i++;
      column = 0;
      continue;
    }
    const isLiteral = isLiteralOctet(octet, octets, i);
    const width = isLiteral ? 1 : 3;
    // Room is left for the `=` of a soft line break.
    if (column + width > maxEncodedLine - 1) {
      out[written++] = equals;
      out[written++] = cr;
      out[written++] = lf;
      column = 0;
    }
    if (isLiteral) out[written++] = octet;
    else {
      out[written++] = equals;
      out[written++] = hex.charCodeAt(octet >> 4);
      out[written++] = hex.charCodeAt(octet & 15);
    }
    column += width;
  }
  return { octets: out.subarray(0, written), at: i, column };
}

function isLiteralOctet(octet: number, octets: Buffer, i: number): boolean {
  if (octet === 32 || octet === 9) {
    const isLast = i + 1 >= octets.length || (octets[i + 1] === cr && octets[i + 2] === lf);
    return !isLast;
  }
  return octet > 32 && octet < 127 && octet !== equals;
}
