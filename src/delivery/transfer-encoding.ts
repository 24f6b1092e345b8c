const cr = 13;
const lf = 10;
const equals = 61;
const hex = '0123456789ABCDEF';

/** The longest line that RFC 5322 §2.1.1 allows, without CRLF. */
const maxLine = 998;
/** The longest line of an encoded body (RFC 2045 §6.7, §6.8). */
const maxEncodedLine = 76;

/** Whether octets can go as they are to a server that only takes 7-bit lines. */
export function isSevenBit(octets: Uint8Array): boolean {
  let lineStart = 0;
  for (let i = 0; i < octets.length; i++) {
    const octet = octets[i] ?? 0;
    if (octet > 127 || octet === 0) return false;
    if (octet === lf) return false;
    if (octet !== cr) continue;
    if (octets[i + 1] !== lf || i - lineStart > maxLine) return false;
    i++;
    lineStart = i + 1;
  }
  return octets.length - lineStart <= maxLine;
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
  // At most three octets for one, and a soft line break of three for 75 of those.
  const out = Buffer.allocUnsafe(octets.length * 3 + Math.ceil(octets.length / 24) * 3 + 3);
  let at = 0;
  let column = 0;
  for (let i = 0; i < octets.length; i++) {
    const octet = octets[i] ?? 0;
    if (octet === cr && octets[i + 1] === lf) {
      out[at++] = cr;
      out[at++] = lf;
      i++;
      column = 0;
      continue;
    }
    const isLiteral = isLiteralOctet(octet, octets, i);
    const width = isLiteral ? 1 : 3;
    // Room is left for the `=` of a soft line break.
    if (column + width > maxEncodedLine - 1) {
      out[at++] = equals;
      out[at++] = cr;
      out[at++] = lf;
      column = 0;
    }
    if (isLiteral) out[at++] = octet;
    else {
      out[at++] = equals;
      out[at++] = hex.charCodeAt(octet >> 4);
      out[at++] = hex.charCodeAt(octet & 15);
    }
    column += width;
  }
  return out.subarray(0, at);
}

function isLiteralOctet(octet: number, octets: Buffer, i: number): boolean {
  if (octet === 32 || octet === 9) {
    const isLast = i + 1 >= octets.length || (octets[i + 1] === cr && octets[i + 2] === lf);
    return !isLast;
  }
  return octet > 32 && octet < 127 && octet !== equals;
}
