import type { Actions } from './actions.ts';
import { lettersOf, plainText } from './unicode.ts';

export const maxWords = 20_000;

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

/** Reads text as it is seen. `own` are names of those to whom it goes: they are not part of what copies share. */
export function readWords(text: string, own: ReadonlySet<string>, actions: Actions): Words {
  const found: Words = { words: [], folded: [] };
  const quoted: string[] = [];
  let hasGreeting = false;
  for (const line of text.split('\n')) {
    if (found.words.length >= maxWords) break;
    if (quotation.test(line)) {
      quoted.push(line.replace(quotation, ''));
      continue;
    }
    if (!hasGreeting && line.trim() !== '') {
      hasGreeting = found.words.length > 10 || greeting.test(line);
      if (greeting.test(line)) continue;
    }
    readLine(line, own, { found, actions });
  }
  // What is nothing but a quotation is not one of anything.
  if (found.words.length < leastOwnWords)
    for (const line of quoted) {
      if (found.words.length >= maxWords) break;
      readLine(line, own, { found, actions });
    }
  return found;
}

function readLine(
  line: string,
  own: ReadonlySet<string>,
  to: { readonly found: Words; readonly actions: Actions },
): void {
  const plain = plainText(line);
  const joined = hasSingles(plain)
    ? plain.replace(spaced, (letters) => letters.replace(/[ .*_-]/g, ''))
    : plain;
  // No word has a blank in it, and nearly all of them need no expression to be found.
  for (const piece of joined.split(' ')) {
    if (to.found.words.length >= maxWords) return;
    if (isSimple(piece)) readSimple(piece, own, to.found);
    else readTokens(piece, own, to);
  }
}

function readTokens(
  piece: string,
  own: ReadonlySet<string>,
  to: { readonly found: Words; readonly actions: Actions },
): void {
  for (const [text] of piece.matchAll(token)) {
    if (to.found.words.length >= maxWords) return;
    if (text.includes('://') || text.startsWith('www.')) {
      const domain = to.actions.link(text.replace(/[).,;:!?]+$/, ''));
      if (domain !== undefined) push(to.found, `url:${domain}`);
    } else if (text.includes('@') && /@.*\./.test(text)) to.actions.mail(text);
    else readWord(text, own, to.found);
  }
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

const [atSign, colon, apostrophe] = [64, 58, 39] as const;

/** Nothing but ASCII, and neither an address nor a link. */
function isSimple(piece: string): boolean {
  for (let at = 0; at < piece.length; at++) {
    const code = piece.charCodeAt(at);
    if (code > 127 || code === atSign) return false;
    if (code === colon && piece.startsWith('//', at + 1)) return false;
  }
  return !piece.includes('www.');
}

/** What the expression of `token` finds in such a piece. */
function readSimple(line: string, own: ReadonlySet<string>, found: Words): void {
  let begin = -1;
  for (let at = 0; at <= line.length; at++) {
    const code = at < line.length ? line.charCodeAt(at) : 0;
    if (isOfWord(code)) {
      if (begin < 0) begin = at;
      continue;
    }
    if (begin < 0) continue;
    let end = at;
    if (code === apostrophe) while (isLetter(line.charCodeAt(end + 1))) end++;
    if (end > at) end++;
    readWord(line.slice(begin, end), own, found);
    if (found.words.length >= maxWords) return;
    begin = -1;
    if (end > at) at = end - 1;
  }
}

function isLetter(code: number): boolean {
  return code >= 97 && code <= 122;
}

/** Letters, figures and what stands for letters: `@ $ ! |`. */
function isOfWord(code: number): boolean {
  return isLetter(code) || (code >= 48 && code <= 57) || code === 36 || code === 33 || code === 124;
}

function readWord(text: string, own: ReadonlySet<string>, found: Words): void {
  const word = hasSign.test(text) ? text.replace(/^[@$!|]+|[@!|]+$/g, '') : text;
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
