/** Decodes transfer encodings and charsets, tolerantly. */
import { isAscii } from 'node:buffer';

/** Content transfer encodings (RFC 2045 §6), read as tolerantly as mail programs do. */

const hexValue = Int8Array.from({ length: 256 }, (_, octet) => {
  const digit = Number.parseInt(String.fromCharCode(octet), 16);
  return Number.isNaN(digit) ? -1 : digit;
});

/** Decodes base64 (RFC 2045 §6.8). Characters outside its alphabet are skipped; padding ends it. */
export function decodeBase64(octets: Uint8Array): Uint8Array {
  const view = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength);
  return Buffer.from(view.toString('latin1'), 'base64');
}

/**
 * Decodes quoted-printable (RFC 2045 §6.7). A `=` that no digits follow stays; blanks at the end of a line are
 * dropped.
 */
export function decodeQuotedPrintable(octets: Uint8Array): Uint8Array {
  const out = Buffer.allocUnsafe(octets.length);
  let length = 0;
  for (let at = 0; at < octets.length; at++) {
    const octet = octets[at] ?? 0;
    if (octet !== 61) {
      out[length++] = octet;
      continue;
    }
    const [first = -1, second = -1] = [hexValue[octets[at + 1] ?? 0], hexValue[octets[at + 2] ?? 0]];
    if (first >= 0 && second >= 0) {
      out[length++] = first * 16 + second;
      at += 2;
      continue;
    }
    const end = softBreak(octets, at + 1);
    if (end < 0) out[length++] = octet;
    else at = end;
  }
  return out.subarray(0, length);
}

/** The line feed that a soft line break ends with, or -1. */
function softBreak(octets: Uint8Array, from: number): number {
  for (let at = from; at < octets.length && at < from + 80; at++) {
    const octet = octets[at];
    if (octet === 10) return at;
    if (octet !== 13 && octet !== 32 && octet !== 9) return -1;
  }
  return -1;
}

const aliases: Readonly<Record<string, string>> = {
  'unicode-1-1-utf-7': 'windows-1252',
  'utf-7': 'windows-1252',
  'us-ascii': 'windows-1252',
  ascii: 'windows-1252',
  default: 'windows-1252',
  unknown: 'windows-1252',
  cp1251: 'windows-1251',
  'cp-1251': 'windows-1251',
  cp936: 'gbk',
  ks_c_5601: 'euc-kr',
};

const decoders = new Map<string, InstanceType<typeof TextDecoder>>();

/** Decodes text. Without a known charset it is UTF-8 if it is valid UTF-8, otherwise windows-1252. */
export function decodeText(octets: Uint8Array, charset: string | undefined): string {
  const label = charset?.trim().toLowerCase().replace(/^"|"$/g, '') ?? '';
  const known = decoderOf((Object.hasOwn(aliases, label) && aliases[label]) || label);
  if (known !== undefined && known.encoding !== 'windows-1252') return known.decode(octets);
  if (isAscii(octets))
    return Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength).toString('latin1');
  try {
    return strictUtf8.decode(octets);
  } catch {
    return fallback.decode(octets);
  }
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true });
const fallback = new TextDecoder('windows-1252');

function decoderOf(label: string): InstanceType<typeof TextDecoder> | undefined {
  const cached = decoders.get(label);
  if (cached !== undefined || label === '') return cached;
  try {
    const decoder = new TextDecoder(label);
    if (decoders.size < 100) decoders.set(label, decoder);
    return decoder;
  } catch {
    return undefined;
  }
}

/** Decodes encoded words of a header (RFC 2047); malformed ones stay as they are. */
export function decodeWords(text: string): string {
  if (!text.includes('=?')) return octetsAsText(text);
  return octetsAsText(text)
    .replace(/(\?=)\s+(=\?)/g, '$1$2')
    .replace(
      /=\?([\w.:+-]{1,40})(?:\*[\w-]*)?\?([bqBQ])\?([^?]*)\?=/g,
      (_, charset: string, how: string, body: string) => {
        const octets = Buffer.from(how.toLowerCase() === 'q' ? body.replaceAll('_', ' ') : body, 'latin1');
        return decodeText(
          how.toLowerCase() === 'q' ? decodeQuotedPrintable(octets) : decodeBase64(octets),
          charset,
        );
      },
    );
}

/** A header has one character per octet; raw UTF-8 in it is common. */
function octetsAsText(text: string): string {
  return /[\x80-\xff]/.test(text) ? decodeText(Buffer.from(text, 'latin1'), undefined) : text;
}
