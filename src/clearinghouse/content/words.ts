import type { Actions } from './actions.ts';
import { trimmedEnd } from './spans.ts';
import { lettersOf, plainText } from './unicode.ts';

export const maxWords = 20_000;
/** A longer line is read in pieces, and so many characters are looked at; some become eighteen in one spelling. */
const mostOfLine = 4000;
const mostPlain = 500_000;

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
const leastOwnWords = 8;
const hasSign = /[@$!|]/;
const number = /^\p{N}+$/u;
const notAscii = /[^\0-\x7f]/;

/** Words of a text in one spelling. */
export interface Words {
  readonly words: string[];
  readonly folded: string[];
}

interface Reading {
  readonly found: Words;
  /** Characters that are still looked at. */
  left: number;
  readonly actions: Actions;
}

/** Reads text as it is seen. `own` are names of those to whom it goes: they are not part of what copies share. */
export function readWords(text: string, own: ReadonlySet<string>, actions: Actions): Words {
  const found: Words = { words: [], folded: [] };
  const quoted: string[] = [];
  let hasGreeting = false;
  const to: Reading = { found, actions, left: mostPlain };
  // Of ASCII it is the same to change the case of all lines at once.
  const isAscii = !notAscii.test(text);
  const read = (line: string) => (isAscii ? readLine(line, own, to) : readOtherLine(line, own, to));
  for (const line of (isAscii ? text.toLowerCase() : text).split('\n')) {
    if (isFull(to)) break;
    if (isQuoted(line)) {
      quoted.push(line.replace(quotation, ''));
      continue;
    }
    if (!hasGreeting && line.trim() !== '') {
      hasGreeting = found.words.length > 10 || greeting.test(line);
      if (greeting.test(line)) continue;
    }
    read(line);
  }
  // What is nothing but a quotation is not one of anything.
  if (found.words.length < leastOwnWords)
    for (const line of quoted) {
      if (isFull(to)) break;
      read(line);
    }
  return found;
}

function isFull({ found, left }: Reading): boolean {
  return found.words.length >= maxWords || left <= 0;
}

/** A line that has not been brought to one spelling yet. */
function readOtherLine(line: string, own: ReadonlySet<string>, to: Reading): void {
  for (let from = 0; from < line.length && !isFull(to); from += mostOfLine) {
    const plain = plainText(
      from === 0 && line.length <= mostOfLine ? line : line.slice(from, from + mostOfLine),
    );
    to.left -= plain.length;
    readLine(plain, own, to);
  }
}

/** What `quotation` says, most often by the first character alone. */
function isQuoted(line: string): boolean {
  const first = line.charCodeAt(0) | 0x20;
  return !isLetter(first) && quotation.test(line);
}

/** `plain` is a line in one spelling; see `plainText`. */
function readLine(plain: string, own: ReadonlySet<string>, to: Reading): void {
  const joined = hasSingles(plain)
    ? plain.replace(spaced, (letters) => letters.replace(/[ .*_-]/g, ''))
    : plain;
  // No word has a blank in it, and nearly all of them need no expression to be found.
  for (let begin = 0; begin < joined.length && to.found.words.length < maxWords; ) {
    const count = to.found.words.length;
    const end = readSimple(joined, begin, own, to.found);
    if (end >= 0) {
      begin = end;
      continue;
    }
    to.found.words.length = count;
    to.found.folded.length = count;
    const blank = joined.indexOf(' ', begin);
    const next = blank < 0 ? joined.length : blank + 1;
    readTokens(joined.slice(begin, next), own, to);
    begin = next;
  }
}

function readTokens(piece: string, own: ReadonlySet<string>, to: Reading): void {
  for (const [text] of piece.matchAll(token)) {
    if (to.found.words.length >= maxWords) return;
    if (text.includes('://') || text.startsWith('www.')) {
      const domain = to.actions.link(text.replace(/[).,;:!?]+$/, ''));
      if (domain !== undefined) push(to.found, `url:${domain}`);
    } else if (isAddress(text)) to.actions.mail(text);
    else readWord(text, own, to.found);
  }
}

/** Whether there is a full stop after an at sign. */
function isAddress(text: string): boolean {
  const at = text.indexOf('@');
  return at >= 0 && text.includes('.', at);
}

/** Whether there may be single letters in a row. */
function hasSingles(line: string): boolean {
  let isAfterSingle = false;
  let length = 0;
  for (let at = 0; at < line.length; at++) {
    const code = line.charCodeAt(at);
    if (code > 127) return true;
    if (isLetter(code)) {
      length++;
      continue;
    }
    if (length === 1 && isAfterSingle) return true;
    if (length > 0) isAfterSingle = length === 1;
    length = 0;
  }
  return length === 1 && isAfterSingle;
}

/** What a character of ASCII is to a word. */
const [letter, figure, sign, apostrophe, blank, other] = [1, 2, 4, 8, 16, 32] as const;
/** What may begin an address or a link, and what is not ASCII: the expressions tell. */
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
 * What the expression of `token` finds from `from` on up to the next blank, where that is nothing but ASCII, and neither
 * an address nor a link: the place after the blank. Else -1, and what was found so far does not count.
 */
function readSimple(line: string, from: number, own: ReadonlySet<string>, found: Words): number {
  let begin = from;
  let has = 0;
  for (let at = from; ; at++) {
    const code = at < line.length ? line.charCodeAt(at) : 32;
    const what = classes[code] ?? unclear;
    if ((what & ofWord) !== 0) {
      if (has === 0) begin = at;
      has |= what;
      continue;
    }
    if (what === unclear && isUnclear(line, at)) return -1;
    let end = at;
    if (what === apostrophe && has !== 0) while (classes[line.charCodeAt(end + 1)] === letter) end++;
    if (end > at) end++;
    if (has === letter) readLetters(line.slice(begin, end), own, found);
    else if (has !== 0) readWord(line.slice(begin, end), own, found);
    has = 0;
    if (end > at) at = end - 1;
    else if (what === blank) return at + 1;
  }
}

/** Whether there is an address or a link at a sign that both have, or something that is not ASCII. */
function isUnclear(line: string, at: number): boolean {
  const sign = line.charAt(at);
  if (sign === ':') return line.startsWith('//', at + 1);
  return sign !== '.' || line.startsWith('www', at - 3);
}

function isLetter(code: number): boolean {
  return code >= 97 && code <= 122;
}

/** A word of nothing but letters of ASCII has no other reading. */
function readLetters(word: string, own: ReadonlySet<string>, { words, folded }: Words): void {
  if (words.length >= maxWords || own.has(word)) return;
  words.push(word);
  folded.push(word);
}

function readWord(text: string, own: ReadonlySet<string>, found: Words): void {
  const word = hasSign.test(text) ? trimmedEnd(text.replace(/^[@$!|]+/, ''), '@!|') : text;
  if (word === '' || own.has(word)) return;
  if (number.test(word)) return;
  if (notAscii.test(word) && unspaced.test(word)) {
    const characters = [...word];
    for (let at = 0; at + 1 < characters.length; at++) push(found, `${characters[at]}${characters[at + 1]}`);
    if (characters.length === 1) push(found, word);
    return;
  }
  push(found, word);
}

function push({ words, folded }: Words, word: string): void {
  if (words.length >= maxWords) return;
  words.push(word);
  folded.push(lettersOf(word));
}
