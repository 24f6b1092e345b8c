/** Divides the visible text into words and sentences. */
import type { Actions } from './actions.ts';
import { trimmedEnd } from './spans.ts';
import { lettersOf, plainText } from './unicode.ts';
import { Codes, noCharacters, type Place, Vocabulary, type Words, withCharacter } from './vocabulary.ts';

/**
 * Bounds for lines that are not ASCII: the length of the pieces in which they are read, and the characters that are
 * normalised, since some become eighteen in one spelling.
 */
const maxPieceLength = 4000;
const maxSpelledCharacters = 500_000;

/** Scripts that are written without spaces. */
const unspaced =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;
const token =
  /(?:https?:\/\/|www\.)[^\s<>"']{3,500}|[\p{L}\p{N}._%+-]{1,64}@[\p{L}\p{N}.-]{3,255}|[\p{L}\p{M}\p{N}@$!|]+(?:['’][\p{L}]+)?/giu;
/** Single letters with the same sign or blank between them: `v i a g r a`, `v.i.a.g.r.a`. */
const spaced = /(?<![\p{L}\p{N}])(?:\p{L}([ .*_-])){3,}\p{L}(?![\p{L}\p{N}])/gu;
const greeting =
  /^\s*(?:dear|hello|hi|hey|good (?:day|morning|afternoon|evening)|greetings|hallo|liebe[rs]?|sehr geehrte\S*|guten tag|bonjour|cher|chère|hola|estimad[oa]|querid[oa]|ciao|caro|cara|gentile|prezad[oa]|olá|здравствуйте|уважаем\S*|привет|beste|geachte|hej|szanown\S*)\b[^\n]{0,60}[,!.:]?\s*$/iu;

const quotation = /^\s*(?:>|\|\s)[>|\s]*/;
const minOwnWords = 8;
const hasSign = /[@$!|]/;
const number = /^\p{N}+$/u;
const notAscii = /[^\0-\x7f]/;

interface Reading {
  readonly found: Vocabulary;
  /** Characters of lines that are not ASCII that are still looked at. */
  left: number;
  readonly actions: Actions;
}

/** A line of a text in one spelling (see `plainText`), with the codes of the characters of that text. */
interface Line {
  readonly text: string;
  readonly codes: Uint16Array;
  readonly from: number;
  readonly to: number;
  readonly isAscii: boolean;
}

/**
 * Reads the words of visible text. `own` are names of the recipients: they are not part of the text that copies share.
 */
export function readWords(text: string, own: ReadonlySet<string>, actions: Actions): Words {
  const found = new Vocabulary(own);
  const quoted: string[] = [];
  let hasGreeting = false;
  const to: Reading = { found, actions, left: maxSpelledCharacters };
  // For lines of ASCII it is the same to change the case of all at once, where each character stays in its place.
  const lower = text.toLowerCase();
  const codes = textCodes.of(lower);
  const keepsPlaces = lower.length === text.length;
  let notAsciiFrom = keepsPlaces ? -1 : 0;
  for (let from = 0, end = 0; from <= text.length && !isFull(to); from = end + 1) {
    end = text.indexOf('\n', from);
    if (end < 0) end = text.length;
    const first = text.charCodeAt(from) | 0x20;
    if (!isLetter(first)) {
      const line = text.slice(from, end);
      if (quotation.test(line)) {
        quoted.push(line.replace(quotation, ''));
        continue;
      }
    }
    if (!hasGreeting) {
      const line = text.slice(from, end);
      const isGreeting = greeting.test(line);
      hasGreeting = isGreeting || (found.order.length > 10 && line.trim() !== '');
      if (isGreeting) continue;
    }
    if (keepsPlaces && notAsciiFrom < from) notAsciiFrom = nextNotAscii(text, from);
    if (end <= notAsciiFrom) readLine({ text: lower, codes, from, to: end, isAscii: true }, to);
    else readOtherLine(text.slice(from, end), to);
  }
  // A message of little more than a quotation keeps the quotation.
  if (found.order.length < minOwnWords)
    for (const line of quoted) {
      if (isFull(to)) break;
      if (notAscii.test(line)) readOtherLine(line, to);
      else readLine(lineOf(line.toLowerCase()), to);
    }
  const { words, folded, order } = found;
  return { words, folded, order };
}

function isFull({ found, left }: Reading): boolean {
  return found.isFull || left <= 0;
}

/** A line that has not been brought to one spelling yet. */
function readOtherLine(line: string, to: Reading): void {
  for (let from = 0; from < line.length && !isFull(to); from += maxPieceLength) {
    const plain = plainText(
      from === 0 && line.length <= maxPieceLength ? line : line.slice(from, from + maxPieceLength),
    );
    to.left -= plain.length;
    readLine(lineOf(plain), to);
  }
}

/** The place of the next character that is not ASCII, or the end. */
function nextNotAscii(text: string, from: number): number {
  anyNotAscii.lastIndex = from;
  return anyNotAscii.exec(text)?.index ?? text.length;
}

const anyNotAscii = new RegExp(notAscii, 'g');

const textCodes = new Codes();
const lineCodes = new Codes();

function lineOf(plain: string): Line {
  return {
    text: plain,
    codes: lineCodes.of(plain),
    from: 0,
    to: plain.length,
    isAscii: !notAscii.test(plain),
  };
}

function readLine(line: Line, to: Reading): void {
  if (!hasSingles(line)) readPieces(line, to);
  else {
    const plain = line.text.slice(line.from, line.to);
    readPieces(lineOf(plain.replace(spaced, (letters) => letters.replace(/[ .*_-]/g, ''))), to);
  }
}

/** No word has a blank in it, and nearly all words are found without an expression. */
function readPieces(line: Line, to: Reading): void {
  for (let begin = readSimple(line, line.from, to.found); begin < line.to && !to.found.isFull; ) {
    // To ask the text for it would look beyond the line, in each line anew.
    let next = begin;
    while (next < line.to && line.codes[next] !== 32) next++;
    readTokens(line.text.slice(begin, next), to);
    begin = readSimple(line, next + 1, to.found);
  }
}

function readTokens(piece: string, to: Reading): void {
  for (const [text] of piece.matchAll(token)) {
    if (to.found.isFull) return;
    if (text.includes('://') || text.startsWith('www.')) {
      const domain = to.actions.link(text.replace(/[).,;:!?]+$/, ''));
      if (domain !== undefined) to.found.add(`url:${domain}`, lettersOf);
    } else if (isAddress(text)) to.actions.mail(text);
    else readWord(text, to.found);
  }
}

/** Whether there is a full stop after an at sign. */
function isAddress(text: string): boolean {
  const at = text.indexOf('@');
  return at >= 0 && text.includes('.', at);
}

/**
 * Whether there may be single letters in a row. Those that `spaced` finds take seven characters or more, so every
 * fourth one is enough: a single letter, or a blank between two of them. Characters beyond the line may cause a false
 * yes; then the expression decides.
 */
function hasSingles({ codes, from, to, isAscii }: Line): boolean {
  if (!isAscii) return true;
  for (let at = from; at < to; at += 4) {
    const isLetterHere = isLetter(codes[at] ?? 0);
    if (isLetterHere === isLetter(codes[at + 1] ?? 0)) continue;
    const isBeside = isLetterHere
      ? isSingle(codes, at) && (isSingle(codes, at - 2) || isSingle(codes, at + 2))
      : isSingle(codes, at - 1) && isSingle(codes, at + 1);
    if (isBeside) return true;
  }
  return false;
}

/** Whether a letter stands by itself. */
function isSingle(codes: Uint16Array, at: number): boolean {
  return isLetter(codes[at] ?? 0) && !isLetter(codes[at - 1] ?? 0) && !isLetter(codes[at + 1] ?? 0);
}

/** The classes of ASCII characters in words. */
const [letter, figure, sign, apostrophe, blank, other] = [1, 2, 4, 8, 16, 32] as const;
/** The class of characters that may begin an address or a link, and of those outside ASCII: the expressions decide. */
const unclear = 64;
const classes = Uint8Array.from({ length: 128 }, (_, code) => {
  const character = String.fromCharCode(code);
  if (/[a-z]/.test(character)) return letter;
  if (/[0-9]/.test(character)) return figure;
  if (/[$!|]/.test(character)) return sign;
  if (character === "'") return apostrophe;
  if (character === ' ') return blank;
  return /[@:.]/.test(character) ? unclear : other;
});
const ofWord = letter | figure | sign;

/**
 * Finds the same words as the expression `token`, from `from` up to the first piece between blanks that may hold
 * anything but ASCII words. Returns the beginning of that piece, or the end of the line.
 */
function readSimple({ text, codes, to }: Line, from: number, found: Vocabulary): number {
  let piece = from;
  let [places, words] = [found.order.length, found.words.length];
  let begin = from;
  let has = 0;
  let hash = noCharacters;
  for (let at = from; at <= to; at++) {
    const code = at < to ? (codes[at] ?? 0) : 32;
    const what = classes[code] ?? unclear;
    if ((what & ofWord) !== 0) {
      if (has === 0) begin = at;
      has |= what;
      hash = withCharacter(hash, code);
      continue;
    }
    if (what === unclear && isUnclear(text, at)) {
      found.reset(places, words);
      return piece;
    }
    if (has !== 0) {
      if (what === apostrophe && isLetterAt(codes, at + 1, to)) {
        has |= letter;
        for (hash = withCharacter(hash, code), at++; isLetterAt(codes, at, to); at++)
          hash = withCharacter(hash, codes[at] ?? 0);
      }
      // Numbers are not words, and signs around a word are not part of it.
      if (has !== figure && ((has & sign) !== 0 || !found.again(codes, begin, at, hash)))
        addSimple(text.slice(begin, at), has, found, { codes, from: begin, hash });
      has = 0;
      hash = noCharacters;
      // The text behind the apostrophe has not been read yet.
      if (what === apostrophe) {
        at--;
        continue;
      }
    }
    if (what === blank) {
      piece = at + 1;
      places = found.order.length;
      words = found.words.length;
    }
  }
  return to;
}

function isLetterAt(codes: Uint16Array, at: number, to: number): boolean {
  return at < to && classes[codes[at] ?? 0] === letter;
}

/** Whether there is an address or a link at a sign that both have, or something that is not ASCII. */
function isUnclear(text: string, at: number): boolean {
  const sign = text.charAt(at);
  if (sign === ':') return text.startsWith('//', at + 1);
  return sign !== '.' || text.startsWith('www', at - 3);
}

function isLetter(code: number): boolean {
  return code >= 97 && code <= 122;
}

/** A word of ASCII letters only has no other reading. */
function addSimple(word: string, has: number, found: Vocabulary, place: Place): void {
  if (has === letter) found.addNew(word, word, place);
  else readWord(word, found);
}

function readWord(text: string, found: Vocabulary): void {
  const word = hasSign.test(text) ? trimmedEnd(text.replace(/^[@$!|]+/, ''), '@!|') : text;
  if (word === '' || number.test(word)) return;
  if (!notAscii.test(word) || !unspaced.test(word)) {
    found.add(word, lettersOf);
    return;
  }
  if (found.isName(word)) return;
  const characters = [...word];
  const pairs = characters.slice(1).map((character, at) => `${characters[at]}${character}`);
  for (const pair of pairs.length === 0 ? [word] : pairs) found.add(pair, lettersOf);
}
