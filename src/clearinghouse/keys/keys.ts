import { createHash } from 'node:crypto';
import type { LegacyKey } from '../ask.ts';
import { type MimeLeaf, walkMessage } from '../content/mime.ts';
import { emptyPyzor, pyzorDigest } from './pyzor.ts';
import { razor4 } from './razor-e4.ts';
import { razor8 } from './razor-e8.ts';
import { razorParts } from './razor-parts.ts';

/** Keys of one message at most. */
const maxKeys = 64;

/**
 * The keys by which the clients of Razor and Pyzor would ask about a message, and the hash of its decoded body: who
 * sends a key alone then hears of the cluster that the whole message belongs to.
 */
export function legacyKeys(octets: Uint8Array): readonly LegacyKey[] {
  const { leaves } = walkMessage(octets);
  const keys: LegacyKey[] = [];
  const exact = bodyDigest(leaves);
  if (exact !== undefined) keys.push({ scheme: 'exact', value: exact });
  const pyzor = pyzorDigest(leaves);
  if (pyzor !== emptyPyzor) keys.push({ scheme: 'pyzor', value: pyzor });
  for (const { text, page } of razorParts(octets)) {
    keys.push({ scheme: 'razor4', value: razor4(text) });
    for (const value of razor8(page)) keys.push({ scheme: 'razor8', value });
  }
  return keys.slice(0, maxKeys);
}

/** SHA-256 of what is in the body, its transfer encoding and its line ends aside; none for an empty one. */
function bodyDigest(leaves: readonly MimeLeaf[]): string | undefined {
  const hash = createHash('sha256');
  let isEmpty = true;
  for (const { type, octets } of leaves) {
    const text = type.startsWith('text/');
    const content = text
      ? Buffer.from(
          Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength)
            .toString('latin1')
            .replace(/\s+/g, ' ')
            .trim(),
          'latin1',
        )
      : octets;
    if (content.length > 0) isEmpty = false;
    hash.update(`${type}\n`).update(content);
  }
  return isEmpty ? undefined : hash.digest('hex');
}
