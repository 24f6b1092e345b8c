/** Text of ours as a body that every server takes. */
import { encodeQuotedPrintable, isSevenBit } from './transfer-encoding.ts';

/** A body of 7-bit lines, and its header fields. */
export interface TextBody {
  /** The value of Content-Type. */
  readonly type: string;
  /** The value of Content-Transfer-Encoding. */
  readonly encoding: '7bit' | 'quoted-printable';
  readonly octets: Buffer;
}

/** ASCII as it is; other text, and text with lines that are too long for mail, as UTF-8 in quoted-printable. */
export function encodeText(text: string): TextBody {
  const octets = Buffer.from(text, 'utf8');
  if (isSevenBit(octets)) return { type: 'text/plain; charset=us-ascii', encoding: '7bit', octets };
  return {
    type: 'text/plain; charset=utf-8',
    encoding: 'quoted-printable',
    octets: encodeQuotedPrintable(octets),
  };
}
