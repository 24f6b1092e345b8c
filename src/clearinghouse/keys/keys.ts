/** The keys by which clients of Razor and Pyzor ask about a message. */
import { createHash } from 'node:crypto';
import type { LegacyKey } from '../ask.ts';
import type { Leaf } from '../content/content.ts';
import { walkMessage } from '../content/mime.ts';
import { emptyPyzor, pyzorDigest } from './pyzor.ts';
import { razor4 } from './razor-e4.ts';
import { razor8 } from './razor-e8.ts';
import { razorParts } from './razor-parts.ts';

const footer = /^\s*(?:-- ?|[_=*~-]{10,})\r?\n/;
/** Keys of one message at most. */
const maxKeys = 64;

/**
 * The keys with which clients of Razor and Pyzor would ask about a message, so that a client that sends only a key
 * gets the verdict on the cluster of the whole message. `leaves` are those of the message.
 */
export function legacyKeys(
  octets: Uint8Array,
  leaves: readonly Leaf[] = walkMessage(octets).leaves,
): readonly LegacyKey[] {
  const keys: LegacyKey[] = [];
  const pyzor = pyzorDigest(leaves);
  if (pyzor !== emptyPyzor) keys.push({ scheme: 'pyzor', value: pyzor });
  for (const [part, { text, page }] of razorParts(octets).entries()) {
    // A footer that a list adds as a part of its own is under all that is written to it.
    if (part === 0 || !footer.test(text)) keys.push({ scheme: 'razor4', value: razor4(text) });
    for (const one of razor8(page)) keys.push({ scheme: 'razor8', ...one });
  }
  return keys.slice(0, maxKeys);
}

/** SHA-256 of the decoded body without its line ends; undefined for an empty one. */
export function bodyDigest(leaves: readonly Leaf[]): string | undefined {
  const hash = createHash('sha256');
  let isEmpty = true;
  for (const { type, octets } of leaves) {
    const content = type.startsWith('text/') ? withSingleBlanks(octets) : octets;
    if (content.length > 0) isEmpty = false;
    hash.update(`${type}\n`).update(content);
  }
  return isEmpty ? undefined : hash.digest('hex');
}

/** By octet: blanks, line ends, and the blank of windows-1252 at which no line is broken. */
const isBlank = new Uint8Array(256);
for (const octet of [9, 10, 11, 12, 13, 32, 0xa0]) isBlank[octet] = 1;

/** Each run of blanks and line ends as one blank, none at both ends. */
function withSingleBlanks(octets: Uint8Array): Uint8Array {
  const out = Buffer.allocUnsafe(octets.length);
  let length = 0;
  let hasBlank = false;
  for (let at = 0; at < octets.length; at++) {
    const octet = octets[at] ?? 0;
    if (isBlank[octet] === 1) {
      hasBlank = length > 0;
      continue;
    }
    if (hasBlank) out[length++] = 32;
    hasBlank = false;
    out[length++] = octet;
  }
  return out.subarray(0, length);
}
