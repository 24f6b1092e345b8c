import { registrable } from './actions.ts';

/** A line before a signature (RFC 3676 §4.3) or before the footer of a mailing list. */
const rule = /^(?:-- ?|[_=*~-]{10,})\r?$/;
/** Lines at the end of a text in which such a line is looked for, and words that may be behind it. */
const mostLines = 30;
const mostWords = 80;
/** Without so many words before it, it is the text; where it does not say whose it is, without as many as it has. */
const leastBefore = { named: 1, unnamed: 20 } as const;
const target = /https?:\/\/([^\s/:<>"']+)|www\.[^\s/:<>"']+|@([\w.-]+)/gi;

/**
 * A text without the signature and the footer that it ends in: whoever writes to a list, or writes often, has the same
 * one under letters that are no copies. It is left out only where it is short, the smaller part, and leads nowhere but
 * to those of whom the mail is (`own`, registrable domains): what is advertised is not there.
 */
export function withoutFooter(text: string, own: ReadonlySet<string>): string {
  const from = beginOfLastLines(text.trimEnd());
  for (let at = from; at < text.length; ) {
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
  for (let line = 0; line < mostLines && at > 0; line++) at = text.lastIndexOf('\n', at - 1);
  return at + 1;
}

function isFooter(before: string, behind: string, own: ReadonlySet<string>): boolean {
  const words = wordsOf(behind, mostWords + 1);
  if (words > mostWords) return false;
  let isNamed = false;
  for (const [whole, linked, mailed] of behind.matchAll(target)) {
    const domain = registrable(linked ?? mailed ?? whole);
    if (domain === undefined) continue;
    if (!own.has(domain)) return false;
    isNamed = true;
  }
  const least = isNamed ? leastBefore.named : Math.max(leastBefore.unnamed, words);
  return wordsOf(before, least) >= least;
}

/** How many words there are, counted up to `most`. */
function wordsOf(text: string, most: number): number {
  let count = 0;
  for (const _ of text.matchAll(/\S+/g)) if (++count >= most) break;
  return count;
}
