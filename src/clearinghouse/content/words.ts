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

/** Words of a text in one spelling. */
export interface Words {
  readonly words: string[];
  readonly folded: string[];
}

/** Reads text as it is seen. `own` are names of those to whom it goes: they are not part of what copies share. */
export function readWords(text: string, own: ReadonlySet<string>, actions: Actions): Words {
  const found: Words = { words: [], folded: [] };
  let hasGreeting = false;
  for (const line of text.split('\n')) {
    if (found.words.length >= maxWords) break;
    if (/^\s*(?:>|\|\s)/.test(line)) continue;
    if (!hasGreeting && line.trim() !== '') {
      hasGreeting = found.words.length > 10 || greeting.test(line);
      if (greeting.test(line)) continue;
    }
    readLine(line, own, { found, actions });
  }
  return found;
}

function readLine(
  line: string,
  own: ReadonlySet<string>,
  to: { readonly found: Words; readonly actions: Actions },
): void {
  const plain = plainText(line).replace(spaced, (letters) => letters.replace(/[ .*_-]/g, ''));
  for (const [text] of plain.matchAll(token)) {
    if (to.found.words.length >= maxWords) return;
    if (text.includes('://') || text.startsWith('www.')) {
      const domain = to.actions.link(text.replace(/[).,;:!?]+$/, ''));
      if (domain !== undefined) push(to.found, `url:${domain}`);
    } else if (text.includes('@') && /@.*\./.test(text)) to.actions.mail(text);
    else readWord(text, own, to.found);
  }
}

function readWord(text: string, own: ReadonlySet<string>, found: Words): void {
  const word = text.replace(/^[@$!|]+|[@!|]+$/g, '');
  if (word === '' || own.has(word)) return;
  if (/^\p{N}+$/u.test(word)) return;
  if (unspaced.test(word)) {
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
