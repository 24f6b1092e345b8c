/** Determines the facts of a body that a check put in the place of the original one. */
import type { ContentFacts } from '../mail/index.ts';

/** RFC 5322 §2.1.1. */
const textLineOctets = 998;

/** The facts of these octets, besides their size. */
export function factsOf(octets: Buffer): Omit<ContentFacts, 'size'> {
  let hasEightBit = false;
  let hasLeadingDot = false;
  let isBinary = false;
  let lineStart = 0;
  for (let at = 0; at < octets.length; at++) {
    const octet = octets[at] ?? 0;
    if (at === lineStart && octet === 46) hasLeadingDot = true;
    if (octet > 127) hasEightBit = true;
    else if (octet === 0 || (octet === 13 && octets[at + 1] !== 10)) isBinary = true;
    else if (octet === 10) {
      if (octets[at - 1] !== 13 || at - 1 - lineStart > textLineOctets) isBinary = true;
      lineStart = at + 1;
    }
  }
  const endsWithCrlf = octets.length === 0 || octets.subarray(-2).equals(crlf);
  return { hasEightBit, hasLeadingDot, endsWithCrlf, isBinary };
}

const crlf = Buffer.from('\r\n');
