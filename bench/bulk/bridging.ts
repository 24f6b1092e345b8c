/** The verdicts for clients that send signatures alone, with and without the clusters of whole messages. */
import { readContent } from '../../src/clearinghouse/content/read.ts';
import { Engine } from '../../src/clearinghouse/engine.ts';
import { bodyDigest, legacyKeys } from '../../src/clearinghouse/keys/keys.ts';
import { defaultThresholds } from '../../src/clearinghouse/options.ts';
import type { Copy } from './generate.ts';

export const schemes = ['razor4', 'razor8', 'pyzor'] as const;

export interface Bridging {
  /** Signatures of copies that somebody sent whole, and of copies that nobody did. */
  readonly seen: number;
  readonly fresh: number;
  /** Of these, called bulk by counting the signature itself, as Razor and Pyzor do. */
  readonly seenAlone: number;
  readonly freshAlone: number;
  /** Of these, called bulk by the cluster that the signature leads to. */
  readonly seenBridged: number;
  readonly freshBridged: number;
}

/** Of each campaign the first so many copies are sent whole, by as many recipients; the others are only asked about. */
const whole = 15;

/** By scheme. Bulk is ten either way. */
export function measureBridging(
  copies: readonly Copy[],
  lexicon: readonly Uint8Array[],
): Record<string, Bridging> {
  const engine = new Engine({
    key: Buffer.from('the bench has no secrets'),
    memory: 256e6,
    thresholds: defaultThresholds,
    isAllowed: () => false,
  });
  const now = Date.UTC(2026, 0, 1);
  const source = (recipient: string) => ({ reporter: 'bench', isKnown: true, recipients: [recipient] });
  const read = (octets: Uint8Array, recipients: readonly string[]) => {
    const content = readContent(octets, { recipients });
    const keys = legacyKeys(octets, content.leaves);
    return { content, images: [], exact: bodyDigest(content.leaves), keys: () => keys };
  };
  for (const octets of lexicon) engine.learn(read(octets, []), source(''));
  const numbers = new Map<string, number>();
  const alone = new Map<string, number>();
  const asked: { readonly isSeen: boolean; readonly octets: Uint8Array }[] = [];
  for (const { campaign, octets, recipient } of copies) {
    const number = (numbers.get(campaign) ?? 0) + 1;
    numbers.set(campaign, number);
    asked.push({ isSeen: number <= whole, octets });
    if (number > whole) continue;
    engine.check(read(octets, [recipient]), source(recipient), { now });
    for (const text of new Set(legacyKeys(octets).map(({ scheme, value }) => `${scheme} ${value}`)))
      alone.set(text, (alone.get(text) ?? 0) + 1);
  }
  const results: Record<string, Bridging> = {};
  for (const scheme of schemes) {
    const tally = { seen: 0, fresh: 0, seenAlone: 0, freshAlone: 0, seenBridged: 0, freshBridged: 0 };
    for (const { isSeen, octets } of asked) {
      const keys = legacyKeys(octets).filter((key) => key.scheme === scheme);
      const group = isSeen ? 'seen' : 'fresh';
      tally[group]++;
      if (keys.some(({ value }) => (alone.get(`${scheme} ${value}`) ?? 0) >= defaultThresholds.bulk))
        tally[`${group}Alone`]++;
      if (keys.some((key) => engine.checkKeys([key], now).isBulk)) tally[`${group}Bridged`]++;
    }
    results[scheme] = tally;
  }
  return results;
}
