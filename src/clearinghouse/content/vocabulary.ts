/** The words of a message as numbers, without the names of its recipients. */
import { randomBytes } from 'node:crypto';

const maxWords = 20_000;

/** The words of a text in one spelling, and where they stand. */
export interface Words {
  /** Each once, as they come first. */
  readonly words: readonly string[];
  readonly folded: readonly string[];
  /** The number of the word at each place of the text. */
  readonly order: readonly number[];
}

/** Names beyond these, and longer ones than a local part or a domain can be (RFC 5321 §4.5.3.1), are not left out. */
export const nameBounds = { count: 10_000, length: 255 } as const;

/*
 * Space to work in, for one vocabulary at a time: to make it anew for each line took 6 % of the time in which messages
 * are read (the corpus of the bench). Words and names are less than half of the slots.
 */
const slots = new Int32Array(65_536);
const fewestSlots = 512;
const ends = new Uint32Array(maxWords + nameBounds.count);
const hashes = new Int32Array(maxWords + nameBounds.count);
let letters = new Uint16Array(65_536);

/** The place of the characters of a word, and their hash. */
export interface Place {
  readonly codes: Uint16Array;
  readonly from: number;
  readonly hash: number;
}

/**
 * Collects the words of a text. Most words repeat, and are compared by the codes of their characters, so that one
 * string is made for each word instead of each place. Additions are valid until another vocabulary is made.
 */
export class Vocabulary implements Words {
  readonly words: string[] = [];
  readonly folded: string[] = [];
  readonly order: number[] = [];
  /** Of the names that are left out wherever they stand; they come before the words. */
  readonly #names: number;
  #count = 0;
  #mask = fewestSlots - 1;

  constructor(names: ReadonlySet<string>) {
    slots.fill(0, 0, fewestSlots);
    for (const name of names) {
      // Words with a colon are links.
      if (name.length > nameBounds.length || name.includes(':')) continue;
      if (this.#count === nameBounds.count) break;
      this.#insert(placeOf(name), name.length);
    }
    this.#names = this.#count;
  }

  get isFull(): boolean {
    return this.order.length >= maxWords;
  }

  /**
   * Adds a further occurrence of a known word: the characters from `from` to `to`, with this hash. False for an
   * unknown word.
   */
  again(codes: Uint16Array, from: number, to: number, hash: number): boolean {
    const number = (slots[this.#slotOf(codes, from, to, hash)] ?? 0) - 1 - this.#names;
    if (number < -this.#names) return false;
    if (number >= 0 && !this.isFull) this.order.push(number);
    return true;
  }

  /** Adds an unknown word, and its other form. */
  addNew(word: string, folded: string, place: Place): void {
    if (this.isFull) return;
    this.#insert(place, word.length);
    this.order.push(this.words.length);
    this.words.push(word);
    this.folded.push(folded);
  }

  /** Adds a word; `fold` makes the other form of an unknown one. */
  add(word: string, fold: (word: string) => string): void {
    const place = placeOf(word);
    if (!this.again(place.codes, 0, word.length, place.hash)) this.addNew(word, fold(word), place);
  }

  /** Whether it is one of the names that are left out. */
  isName(word: string): boolean {
    const { codes, hash } = placeOf(word);
    const entry = slots[this.#slotOf(codes, 0, word.length, hash)] ?? 0;
    return entry > 0 && entry <= this.#names;
  }

  /** Returns to a former number of places and words. The latest are taken out first, so no other word moves. */
  reset(places: number, words: number): void {
    this.order.length = places;
    for (; this.words.length > words; this.#count--) {
      this.words.pop();
      this.folded.pop();
      let slot = (hashes[this.#count - 1] ?? 0) & this.#mask;
      while (slots[slot] !== this.#count) slot = (slot + 1) & this.#mask;
      slots[slot] = 0;
    }
  }

  /** Where it is, or the free place where it would be. */
  #slotOf(codes: Uint16Array, from: number, to: number, hash: number): number {
    let slot = hash & this.#mask;
    for (let entry = slots[slot] ?? 0; entry > 0; entry = slots[slot] ?? 0) {
      if (hashes[entry - 1] === hash && isSame(entry - 1, codes, from, to)) break;
      slot = (slot + 1) & this.#mask;
    }
    return slot;
  }

  #insert({ codes, from, hash }: Place, length: number): void {
    if (2 * this.#count > this.#mask) this.#widen();
    const slot = this.#slotOf(codes, from, from + length, hash);
    const begin = beginOf(this.#count);
    const end = begin + length;
    if (end > letters.length) letters = widened(letters, end);
    for (let at = 0; at < length; at++) letters[begin + at] = codes[from + at] ?? 0;
    ends[this.#count] = end;
    hashes[this.#count] = hash;
    slots[slot] = ++this.#count;
  }

  #widen(): void {
    this.#mask = 2 * this.#mask + 1;
    slots.fill(0, 0, this.#mask + 1);
    for (let entry = 0; entry < this.#count; entry++) {
      let slot = (hashes[entry] ?? 0) & this.#mask;
      while ((slots[slot] ?? 0) > 0) slot = (slot + 1) & this.#mask;
      slots[slot] = entry + 1;
    }
  }
}

/**
 * The codes of the characters of a text: reading them from the string takes longer, above all from a slice of another
 * string. Each text replaces the one before it, and is followed by a 0.
 */
export class Codes {
  #codes = new Uint16Array(1024);

  of(text: string): Uint16Array {
    if (text.length >= this.#codes.length) this.#codes = new Uint16Array(2 * text.length);
    const codes = this.#codes;
    if (text.length > fewCharacters) Buffer.from(codes.buffer).write(text, 'utf16le');
    else for (let at = 0; at < text.length; at++) codes[at] = text.charCodeAt(at);
    codes[text.length] = 0;
    return codes;
  }
}

/** One call that writes all codes takes as long as reading this many. */
const fewCharacters = 200;
const wordCodes = new Codes();

function beginOf(entry: number): number {
  return entry === 0 ? 0 : (ends[entry - 1] ?? 0);
}

function isSame(entry: number, codes: Uint16Array, from: number, to: number): boolean {
  const begin = beginOf(entry);
  if ((ends[entry] ?? 0) - begin !== to - from) return false;
  for (let at = from; at < to; at++) if (letters[begin + at - from] !== codes[at]) return false;
  return true;
}

function widened(old: Uint16Array, least: number): Uint16Array<ArrayBuffer> {
  const wide = new Uint16Array(2 * least);
  wide.set(old);
  return wide;
}

/**
 * The hash of no characters, from which that of a word is computed. It is random, so that nobody can make words that
 * share slots.
 */
export const noCharacters = randomBytes(4).readInt32LE();

export function withCharacter(hash: number, code: number): number {
  const product = Math.imul(hash ^ code, 0x9e3779b1);
  return product ^ (product >>> 15);
}

function hashOf(word: string): number {
  let hash = noCharacters;
  for (let at = 0; at < word.length; at++) hash = withCharacter(hash, word.charCodeAt(at));
  return hash;
}

function placeOf(word: string): Place {
  return { codes: wordCodes.of(word), from: 0, hash: hashOf(word) };
}
