/** The features of a message: keyed hashes of word groups, files, pictures and links. */
import type { Content, Leaf } from '../content/content.ts';
import { chunkHashes } from './chunks.ts';
import type { Hash } from './hash.ts';
import { smallest } from './smallest.ts';
import type { Spread } from './spread.ts';

/** The features of a message as hashes, without duplicates, each list in ascending order. */
export interface Features {
  /** Three words in a row. */
  readonly text: readonly number[];
  /** Each word as written, in the order of its first occurrence. */
  readonly words: readonly number[];
  /** The features of the text in the order of the message, common phrases included. */
  readonly sequence: readonly number[];
  readonly actions: readonly number[];
  readonly structure: readonly number[];
  /** Pieces of attachments. */
  readonly chunks: readonly number[];
}

/** The parts with which features are made. */
export interface FeatureParts {
  readonly hash: Hash;
  /** The number of senders that use a word. */
  readonly lexicon: Spread;
  /** In the mail of how many good senders a feature was seen. */
  readonly boilerplate: Spread;
}

/** Words of fewer senders are gibberish, until others use them too. */
const minSenders = 3;
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
  const actions = content.actions.map((action) => actionFeature(action, hash));
  const text = smallest(sequence, maxText);
  boilerplate.fetch(text);
  return {
    text: text.filter(isRare),
    words,
    sequence,
    actions: smallest(actions, maxOthers).filter(isRare),
    structure: smallest(structures(content.structure, hash), maxOthers).filter(isRare),
    chunks: smallest(
      content.leaves.filter(isFile).flatMap((leaf) => chunkHashes(leaf.octets, hash)),
      maxOthers,
    ),
  };
}

/** The feature of a contact that the message offers. */
export function actionFeature(action: string, hash: Hash): number {
  return hash.joined(kinds.action, hash.text(action));
}

/**
 * Text is compared by its words, and pictures by their look: their octets differ, since each copy is compressed anew.
 */
function isFile({ type, isAttachment }: Leaf): boolean {
  return !type.startsWith('image/') && (isAttachment || !type.startsWith('text/'));
}

/** The features of a good message that may turn out to be common. */
export function learnable({ text, actions, structure }: Features): readonly number[] {
  return [...text, ...actions, ...structure];
}

/** The classes of words, as bits. */
const [latin, used, mark] = [1, 2, 4] as const;

/**
 * The words that are in use, in their order. Other words leave no gap, so that gibberish between words changes
 * nothing. A word in disguise counts as the word behind it. Of a language without known words all words are kept.
 */
function wordsInUse(
  { words, folded, order }: Content,
  plains: readonly number[],
  { hash, lexicon }: FeatureParts,
): { readonly hashes: readonly number[]; readonly places: readonly number[] } {
  const meant: number[] = [];
  const traits: number[] = [];
  for (let number = 0; number < words.length; number++) {
    const [word = '', other = '', plain = 0] = [words[number], folded[number], plains[number]];
    const isPlainUsed = lexicon.hasAtLeast(plain, minSenders);
    const alias = isPlainUsed || other === word ? plain : hash.text(other);
    const isUsed = isPlainUsed || (alias !== plain && lexicon.hasAtLeast(alias, minSenders));
    meant.push(isUsed ? alias : plain);
    traits.push((isLatin(word) ? latin : 0) | (isUsed ? used : 0) | (isMark(word) ? mark : 0));
  }
  let [count, known] = [0, 0];
  for (const number of order) {
    const trait = traits[number] ?? 0;
    if ((trait & latin) !== 0) count++;
    if ((trait & (latin | used)) === (latin | used)) known++;
  }
  const isKnown = known >= knownShare * count;
  const hashes: number[] = [];
  const places: number[] = [];
  for (let place = 0; place < order.length; place++) {
    const number = order[place] ?? 0;
    // Neither in use, nor a link, nor of another script.
    if (isKnown && traits[number] === latin) continue;
    hashes.push(meant[number] ?? 0);
    places.push(place);
  }
  return { hashes, places };
}

const maxPhrases = 8;
const maxPhraseWords = 30;

/** The parts of a message that are in a core, as people read them: the longest phrases, then the contacts. */
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
    if (isShared[at - 1] !== true || (phrases.at(-1)?.length ?? 0) >= maxPhraseWords) phrases.push([]);
    phrases.at(-1)?.push(content.words[content.order[place] ?? 0] ?? '');
  }
  const longest = phrases.sort((a, b) => b.length - a.length).slice(0, maxPhrases);
  const actions = content.actions.filter((action) => isCore(hash.joined(kinds.action, hash.text(action))));
  return [...longest.map((words) => `"${words.join(' ')}"`), ...actions.slice(0, maxPhrases)];
}

/** A URL is represented by its domain, which is what the message is for. */
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
