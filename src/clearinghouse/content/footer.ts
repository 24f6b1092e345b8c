/** Removes the signature at the end of a text. */
import { Actions, registrable } from './actions.ts';

/** The line before a signature (RFC 3676 §4.3), or a rule of dashes, which mailing lists use. */
const rule = /^(?:-- ?|[_=*~-]{10,})\r?$/;
/** Lines at the end of a text in which such a line is looked for, and words that may be behind it. */
const maxLines = 20;
const maxWords = 30;
/** Without so many words before it, it is the text. */
const minWordsBefore = 20;
const address = /@([\w.-]+)/g;
/** A domain that a reader could type into a browser. */
const bareDomain = /(?<![@\w.-])(?:[\w-]+\.)+[a-z]{2,24}(?![\w@])/i;

/**
 * A text without the signature at its end, which is the same under all messages of a sender, although they are no
 * copies. A signature is left out only if it is short, the smaller part, and has no link, number or account, and no
 * address outside the sender's own registrable domain. Otherwise a spammer could put the text behind such a line.
 */
export function withoutFooter(text: string, own: string | undefined): string {
  for (let at = beginOfLastLines(text.trimEnd()); at < text.length; ) {
    const end = text.indexOf('\n', at);
    if (end < 0) return text;
    if (rule.test(text.slice(at, end)) && isFooter(text.slice(0, at), text.slice(end), own))
      return text.slice(0, at);
    at = end + 1;
  }
  return text;
}

function beginOfLastLines(text: string): number {
  let at = text.length;
  for (let line = 0; line < maxLines && at > 0; line++) at = text.lastIndexOf('\n', at - 1);
  return at + 1;
}

function isFooter(before: string, behind: string, own: string | undefined): boolean {
  const words = wordsOf(behind, maxWords + 1);
  const min = Math.max(minWordsBefore, words);
  if (words > maxWords || wordsOf(before, min) < min) return false;
  const actions = new Actions();
  actions.text(behind);
  if (actions.list.length > 0 || behind.includes('://') || bareDomain.test(behind.replace(address, '')))
    return false;
  return [...behind.matchAll(address)].every(([, host = '']) => registrable(host) === own);
}

/** How many words there are, counted up to `most`. */
function wordsOf(text: string, max: number): number {
  let count = 0;
  for (const _ of text.matchAll(/\S+/g)) if (++count >= max) break;
  return count;
}
