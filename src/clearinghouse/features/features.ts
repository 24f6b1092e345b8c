import type { Content, Leaf } from '../content/content.ts';
import { chunkHashes } from './chunks.ts';
import type { Hash } from './hash.ts';
import type { Spread } from './spread.ts';

/** What a message is made of, as hashes. Each list has no hash twice and is in the order of its numbers. */
export interface Features {
  /** Three words in a row. */
  readonly text: readonly number[];
  /** Each word as it is written. */
  readonly words: readonly number[];
  /** The same as they stand in the message, phrases of everybody among them. */
  readonly sequence: readonly number[];
  readonly actions: readonly number[];
  readonly structure: readonly number[];
  /** Pieces of attachments. */
  readonly chunks: readonly number[];
}

/** What features are made with. */
export interface FeatureParts {
  readonly hash: Hash;
  /** By how many senders a word is used. */
  readonly lexicon: Spread;
  /** In the mail of how many good senders a feature was seen. */
  readonly boilerplate: Spread;
}

/** Words of fewer senders are gibberish, until others use them too. */
const leastSenders = 3;
/** A language is known when so many of its words in a message are. */
const knownShare = 0.6;
/** Features of so many good senders are footers, greetings and phrases. */
const boilerplateSenders = 4;
/** Beyond this the smallest hashes stand for all of them: the same ones in every copy. */
export const maxText = 512;
const maxOthers = 256;

const shortWords = 250;

const kinds = { triple: 3, pair: 2, action: 4, structure: 5 } as const;

/** The features of a message. */
export function featuresOf(content: Content, parts: FeatureParts): Features {
  const { hash, boilerplate } = parts;
  const isRare = (feature: number) => !boilerplate.hasAtLeast(feature, boilerplateSenders);
  const words = content.words.map((word) => hash.text(word));
  const sequence = shingles(wordsInUse(content, words, parts).hashes, hash);
  const actions = content.actions.map((action) => hash.joined(kinds.action, hash.text(action)));
  return {
    text: distinct(sequence, maxText).filter(isRare),
    words,
    sequence,
    actions: distinct(actions, maxOthers).filter(isRare),
    structure: distinct(structures(content.structure, hash), maxOthers).filter(isRare),
    chunks: distinct(
      content.leaves.filter(isFile).flatMap((leaf) => chunkHashes(leaf.octets, hash)),
      maxOthers,
    ),
  };
}

/** Text is read, and pictures are looked at: their octets say nothing, for each copy is compressed anew. */
function isFile({ type, isAttachment }: Leaf): boolean {
  return !type.startsWith('image/') && (isAttachment || !type.startsWith('text/'));
}

/** Counts the words of a message for its sender. */
export function learnWords({ words }: Features, { hash, lexicon }: FeatureParts, sender: string): void {
  const by = hash.text(sender);
  for (const word of new Set(words)) lexicon.add(word, by);
}

/** Counts the features of a good message for its sender, so that they tell nothing any more where many have them. */
export function learnBoilerplate(
  features: Features,
  { hash, boilerplate }: FeatureParts,
  sender: string,
): void {
  const by = hash.text(sender);
  for (const list of [features.text, features.actions, features.structure])
    for (const feature of list) boilerplate.add(feature, by);
}

/**
 * The words that are in use, in their order; what is not leaves no gap, so that gibberish between words changes
 * nothing. A word in disguise counts as what it stands for. Languages that we know nothing of keep all of their words.
 */
function wordsInUse(
  { words, folded }: Content,
  plains: readonly number[],
  { hash, lexicon }: FeatureParts,
): { readonly hashes: readonly number[]; readonly places: readonly number[] } {
  const hashes: number[] = [];
  const isUsed: boolean[] = [];
  let [known, latin] = [0, 0];
  for (const [at, word] of words.entries()) {
    const plain = plains[at] ?? 0;
    const other = folded[at];
    const isPlainUsed = lexicon.hasAtLeast(plain, leastSenders);
    const alias = isPlainUsed || other === undefined || other === word ? undefined : hash.text(other);
    const isAliasUsed = alias !== undefined && lexicon.hasAtLeast(alias, leastSenders);
    hashes.push(isAliasUsed && alias !== undefined ? alias : plain);
    isUsed.push(isPlainUsed || isAliasUsed || isMark(word));
    if (!isLatin(word)) continue;
    latin++;
    if (isPlainUsed || isAliasUsed) known++;
  }
  const isLanguageKnown = known >= knownShare * latin;
  const isKept = (at: number) => isUsed[at] === true || !isLanguageKnown || !isLatin(words[at] ?? '');
  const places = [...hashes.keys()].filter(isKept);
  return { hashes: places.map((at) => hashes[at] ?? 0), places };
}

const mostPhrases = 8;
const mostPhraseWords = 30;

/** What of a message is in a core, as people read it: the longest phrases, then what the reader is to act on. */
export function phrasesIn(
  content: Content,
  parts: FeatureParts,
  isCore: (feature: number) => boolean,
): string[] {
  const { hash } = parts;
  const plains = content.words.map((word) => hash.text(word));
  const { hashes, places } = wordsInUse(content, plains, parts);
  const isShared = new Array<boolean>(hashes.length).fill(false);
  for (let at = 0; at + 2 < hashes.length; at++) {
    const [first = 0, second = 0, third = 0] = [hashes[at], hashes[at + 1], hashes[at + 2]];
    if (isCore(hash.joined(kinds.triple, first, second, third))) isShared.fill(true, at, at + 3);
  }
  const phrases: string[][] = [];
  for (const [at, place] of places.entries()) {
    if (isShared[at] !== true) continue;
    if (isShared[at - 1] !== true || (phrases.at(-1)?.length ?? 0) >= mostPhraseWords) phrases.push([]);
    phrases.at(-1)?.push(content.words[place] ?? '');
  }
  const longest = phrases.sort((a, b) => b.length - a.length).slice(0, mostPhrases);
  const actions = content.actions.filter((action) => isCore(hash.joined(kinds.action, hash.text(action))));
  return [...longest.map((words) => `"${words.join(' ')}"`), ...actions.slice(0, mostPhrases)];
}

/** A URL by its domain: it is what the message is for. */
function isMark(word: string): boolean {
  return word.startsWith('url:');
}

function isLatin(word: string): boolean {
  const first = word.charCodeAt(0);
  return first < 0x250;
}

/** Each three words in a row; of a short message each two as well, for three survive seldom where words are replaced. */
function shingles(words: readonly number[], hash: Hash): number[] {
  const found: number[] = [];
  const hasPairs = words.length <= shortWords;
  for (let at = 0; at + 1 < words.length; at++) {
    const [first = 0, second = 0, third] = [words[at], words[at + 1], words[at + 2]];
    if (hasPairs) found.push(hash.joined(kinds.pair, first, second));
    if (third !== undefined) found.push(hash.joined(kinds.triple, first, second, third));
  }
  return found;
}

function structures(tags: readonly string[], hash: Hash): number[] {
  const found: number[] = [];
  for (let at = 0; at + 2 < tags.length; at++)
    found.push(hash.joined(kinds.structure, hash.text(`${tags[at]} ${tags[at + 1]} ${tags[at + 2]}`)));
  return found;
}

/** In order, each once, the smallest `max` of them. */
function distinct(hashes: readonly number[], max: number): number[] {
  // Hashes are spread evenly: of a long list the lowest share has enough of them, and sorting is what costs.
  const bound = hashes.length > 4 * max ? (2 * max * range) / hashes.length : range;
  const found = smallest(hashes, max, bound);
  return found.length === max || bound === range ? found : smallest(hashes, max, range);
}

/** Hashes are below this. */
const range = 2 ** 48;

function smallest(hashes: readonly number[], max: number, bound: number): number[] {
  const sorted = Float64Array.from(bound === range ? hashes : hashes.filter((hash) => hash < bound)).sort();
  const found: number[] = [];
  let last = -1;
  for (const hash of sorted) {
    if (hash === last) continue;
    last = hash;
    found.push(hash);
    if (found.length === max) break;
  }
  return found;
}
