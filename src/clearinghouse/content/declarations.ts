/** Splits style sheets into blocks and declarations. */
import { withoutSpans } from './spans.ts';

/** In an escape every character stands for itself: `\64isplay` is a name, and `\3b` ends nothing. */
const escaped = /\\(?:([0-9a-f]{1,6})\s?|(.))/gi;

/** CSS in one spelling: lower case where case does not matter, without comments and escapes. */
export function plainCss(text: string): string {
  const own = text.includes('/*') ? withoutSpans(text, '/*', '*/') : text;
  if (!own.includes('\\')) return own;
  return own.replace(escaped, (_, code: string | undefined, itself: string | undefined) => {
    const point = code === undefined ? itself?.codePointAt(0) : Number.parseInt(code, 16);
    const character = point === undefined || point > 0x10ffff ? '' : String.fromCodePoint(point);
    return /^[\w-]$/.test(character) ? character : '\ufffd';
  });
}

/** Splits at each mark that is outside of brackets and quotes. */
export function divided(text: string, mark: string): string[] {
  if (!/["'(]/.test(text)) return text.split(mark);
  const parts: string[] = [];
  let from = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === mark) {
      parts.push(text.slice(from, at));
      from = at + 1;
    } else at = afterSpan(text, at);
  }
  parts.push(text.slice(from));
  return parts;
}

/**
 * The last index of the string or bracket that begins at `at`; `at` itself if none begins there. An unclosed one
 * extends to the end of the text.
 */
function afterSpan(text: string, at: number): number {
  const character = text[at];
  if (character === '"' || character === "'") {
    const end = text.indexOf(character, at + 1);
    return end < 0 ? text.length : end;
  }
  if (character !== '(') return at;
  let depth = 0;
  for (let end = at; end < text.length; end++) {
    const inside = text[end];
    if (inside === '(') depth++;
    else if (inside === ')' && --depth === 0) return end;
    else if (inside === '"' || inside === "'") end = afterSpan(text, end);
  }
  return text.length;
}

export interface Block {
  /** The text before the braces: selectors, or `@media …`. */
  readonly head: string;
  readonly body: string;
}

/** The blocks of a sheet in order, each when it is asked for. Statements without a block are left out. */
export function* blocksOf(css: string): Generator<Block, void> {
  let from = 0;
  while (from < css.length) {
    const open = css.indexOf('{', from);
    if (open < 0) return;
    const end = closingBrace(css, open);
    const head = css.slice(from, open);
    yield { head: head.slice(head.lastIndexOf(';') + 1).trim(), body: css.slice(open + 1, end) };
    from = end + 1;
  }
}

function closingBrace(css: string, open: number): number {
  let depth = 0;
  for (let at = open; at < css.length; at++) {
    const character = css[at];
    if (character === '{') depth++;
    else if (character === '}' && --depth === 0) return at;
    else if (character === '"' || character === "'") at = afterString(css, at, character);
  }
  return css.length;
}

/** A string ends with its line when nothing else ends it. */
function afterString(css: string, at: number, quote: string): number {
  for (let end = at + 1; end < css.length; end++) if (css[end] === quote || css[end] === '\n') return end;
  return css.length;
}
